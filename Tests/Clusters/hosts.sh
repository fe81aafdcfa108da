#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Virtual hosts on one machine: each has its own network, host name, processes, /dev/shm and <state>/private. The rest of the file
# system is that of the machine, as if it were mounted from a file server. The machine itself takes part as <subnet>.254.
#
#   hosts.sh up N             makes the hosts 1 to N, or those of them that are not up
#   hosts.sh exec HOST CMD... runs a command on a host, in the current folder
#   hosts.sh crash HOST       power failure: first the network goes, then every process
#   hosts.sh cut HOST         the network goes silently; the processes live on
#   hosts.sh mend HOST        the network comes back
#   hosts.sh boot HOST        starts a host that crashed
#   hosts.sh list             the hosts that are up
#   hosts.sh down             removes all
#
#   WEFT_CLUSTER_STATE        folder of the cluster (default /run/weft-cluster-hosts)
#   WEFT_CLUSTER_BRIDGE       its bridge; also the prefix of all namespaces and links (default weftbr2; at most 10 characters)
#   WEFT_CLUSTER_SUBNET       the first three bytes of its addresses (default 10.79.0); host I is <subnet>.I
#   WEFT_CLUSTER_PREFIX       of the host names (default h: h1, h2, ...)
#
# `up` prints export lines on standard output.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PROGRAM=hosts.sh
STATE=${WEFT_CLUSTER_STATE:-/run/weft-cluster-hosts}
BRIDGE=${WEFT_CLUSTER_BRIDGE:-weftbr2}
SUBNET=${WEFT_CLUSTER_SUBNET:-10.79.0}
PREFIX=${WEFT_CLUSTER_PREFIX:-h}
# shellcheck source-path=SCRIPTDIR
source "$here/common.sh"

network_file=$STATE/run/network

# What was built is what later commands must act on, whatever the environment says by then.
use_recorded_network() {
    [ ! -f "$network_file" ] || read -r BRIDGE SUBNET PREFIX <"$network_file"
}

record_network() {
    local wanted="$BRIDGE $SUBNET $PREFIX"
    if [ -f "$network_file" ] && [ "$(cat "$network_file")" != "$wanted" ]; then
        fail "$STATE holds a cluster with the network '$(cat "$network_file")', not '$wanted'; take it down first"
    fi
    echo "$wanted" >"$network_file"
}

number() {
    [[ $1 =~ ^"$PREFIX"([1-9][0-9]{0,2})$ ]] || fail "'$1' is no host: they are called ${PREFIX}1, ${PREFIX}2, ..."
    echo "${BASH_REMATCH[1]}"
}

namespace() { echo "$BRIDGE-$1"; }

# Fixed addresses keep the neighbours' ARP caches right when a host comes back.
hardware_address() {
    local a b c
    IFS=. read -r a b c <<<"$SUBNET"
    printf '02:57:%02x:%02x:%02x:%02x' "$a" "$b" "$c" "$1"
}

pid_of() { cat "$STATE/run/host-$1.pid" 2>/dev/null; }

# A number alone may have gone to another process since, so the first process carries a mark in its environment.
host_mark() { echo "WEFT_CLUSTER_HOST=$(namespace "$1")"; }

is_up() {
    local pid
    pid=$(pid_of "$1") && grep -qzxF "$(host_mark "$1")" "/proc/$pid/environ" 2>/dev/null
}

require_known() {
    number "$1" >/dev/null
    grep -qsw "$1" "$STATE/etc/hosts" || fail "the cluster in $STATE has no host $1; start one with: up"
}

require_up() {
    require_known "$1"
    is_up "$1" || fail "host $1 is not up; start it with: boot $1"
}

make_bridge() {
    ip link show "$BRIDGE" >/dev/null 2>&1 && return
    if ip -o addr show | grep -qF "inet $SUBNET."; then
        fail "the machine has addresses in $SUBNET.0/24 already; choose another WEFT_CLUSTER_SUBNET"
    fi
    # With an address of its own it does not take that of whichever link is there.
    ip link add "$BRIDGE" address "$(hardware_address 254)" type bridge
    ip addr add "$SUBNET.254/24" dev "$BRIDGE"
    ip link set "$BRIDGE" up
}

make_network() {
    local name=$1 index space
    index=$(number "$name")
    space=$(namespace "$name")
    ip netns add "$space"
    ip -n "$space" link set lo up
    ip link add "$space" master "$BRIDGE" type veth peer name eth0 address "$(hardware_address "$index")" netns "$space"
    ip -n "$space" addr add "$SUBNET.$index/24" dev eth0
    ip -n "$space" link set eth0 up
    ip -n "$space" route add default via "$SUBNET.254"
    ip link set "$space" up
}

# The first process of a host. Before the new /proc is mounted, /proc/self/stat tells the process number outside.
# Bash stays as process 1, because it reaps orphans; `sleep` would not.
# shellcheck disable=SC2016 # expanded inside
readonly FIRST_PROCESS='
    set -e
    read -r pid rest </proc/self/stat
    hostname "$NAME"
    mount -t proc proc /proc
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    mount -t tmpfs -o mode=1777 tmpfs "$STATE/private"
    mount --bind "$STATE/etc/hosts" /etc/hosts
    echo "$pid" >"$STATE/run/host-$NAME.new"
    mv "$STATE/run/host-$NAME.new" "$STATE/run/host-$NAME.pid"
    while :; do sleep infinity & wait; done'

boot() {
    local name=$1 space
    space=$(namespace "$name")
    is_up "$name" && return
    remove_host "$name" # what is left of an earlier life
    make_network "$name"
    # Mounts of the machine show up on the hosts (slave), never the reverse. `ip netns exec` would hide /sys/fs/cgroup.
    nsenter --net="/run/netns/$space" \
        unshare --mount --uts --pid --fork --kill-child --propagation=slave \
        env "$(host_mark "$name")" NAME="$name" STATE="$STATE" setsid bash -c "$FIRST_PROCESS" \
        </dev/null >>"$STATE/log/host-$name.out" 2>&1 9<&- &
    disown
    wait_for 20 "the start of host $name" "host-$name" is_up "$name"
}

processes() { ip netns pids "$(namespace "$1")" 2>/dev/null || true; }
no_processes() { [ -z "$(processes "$1")" ]; }

# Removes a host, or the half of it that there is. The link is the first to go, so that its peers hear nothing of its end.
remove_host() {
    local name=$1 space pids
    space=$(namespace "$name")
    ip link set "$space" down 2>/dev/null || true
    mapfile -t pids < <(processes "$name")
    if [ ${#pids[@]} -gt 0 ]; then
        kill -KILL "${pids[@]}" 2>/dev/null || true
        wait_for 15 "the end of the processes of host $name" "host-$name" no_processes "$name"
    fi
    ip link delete "$space" 2>/dev/null || true
    [ ! -e "/run/netns/$space" ] || ip netns delete "$space"
    rm -f "$STATE/run/host-$name".{pid,new}
}

crash() {
    require_up "$1"
    remove_host "$1"
}

cut_link() {
    require_up "$1"
    ip link set "$(namespace "$1")" down
}

mend() {
    require_up "$1"
    ip link set "$(namespace "$1")" up
}

# All that exist, also halves that an interrupted `up` has left: by namespaces and by links on the bridge.
all_hosts() {
    {
        ls /run/netns 2>/dev/null || true
        ip -o link show type veth | sed -E 's/^[0-9]+: ([^:@]+).*/\1/'
    } | sed -nE "s/^${BRIDGE}-(${PREFIX}[0-9]+)\$/\1/p" | sort -uV
}

up() {
    local count=$1 index
    [[ $count =~ ^[1-9][0-9]{0,2}$ && $count -le 250 ]] || fail "up needs a number of hosts from 1 to 250, not '$count'"
    [[ $BRIDGE =~ ^[a-z0-9]{1,10}$ ]] || fail "WEFT_CLUSTER_BRIDGE must have 1 to 10 small letters and digits, not '$BRIDGE'"
    [[ $PREFIX =~ ^[a-z]$ ]] || fail "WEFT_CLUSTER_PREFIX must be one small letter, not '$PREFIX'"
    make_state
    record_network
    mkdir -p "$STATE/private"
    make_bridge
    {
        echo "127.0.0.1 localhost"
        echo "$SUBNET.254 $(hostname)"
        for ((index = 1; index <= count; index++)); do echo "$SUBNET.$index $PREFIX$index"; done
    } >"$STATE/etc/hosts"
    for ((index = 1; index <= count; index++)); do boot "$PREFIX$index"; done
    say "$count hosts are up, from ${PREFIX}1 at $SUBNET.1"
    echo "export STATE=$STATE"
}

down() {
    local name
    for name in $(all_hosts); do
        remove_host "$name"
        # Session folders of Open MPI, named by the host; a daemon that crashes leaves its own.
        rm -rf "/tmp/ompi.$name".*
    done
    ip link delete "$BRIDGE" 2>/dev/null || true
    rm -f "$network_file"
    # A cluster that builds on this one removes its folder itself.
    [ -n "${WEFT_CLUSTER_NESTED:-}" ] || remove_state
}

usage() {
    sed -n '/^# Virtual/,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

[ $# -ge 1 ] || usage
require_root
require_commands ip=iproute2 nsenter=util-linux flock=util-linux
command=$1
shift
[ "$command" = up ] || use_recorded_network
case $command in
exec | list) ;;
*) lock "${BASH_SOURCE[0]}" ;;
esac
case $command:$# in
up:1) up "$1" ;;
crash:1) crash "$1" ;;
cut:1) cut_link "$1" ;;
mend:1) mend "$1" ;;
boot:1)
    require_known "$1"
    boot "$1"
    ;;
list:0) for name in $(all_hosts); do if is_up "$name"; then echo "$name"; fi; done ;;
down:0) down ;;
exec:[2-9] | exec:[1-9][0-9]*)
    name=$1
    shift
    require_up "$name"
    exec nsenter --target "$(pid_of "$name")" --net --mount --uts --pid --wd="$PWD" -- "$@"
    ;;
*) usage ;;
esac
