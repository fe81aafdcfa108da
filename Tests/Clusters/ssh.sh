#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Hosts that Open MPI reaches by ssh: virtual hosts (hosts.sh) with an sshd each, and a configuration for the client.
#
#   ssh.sh up N                          makes the hosts s1 to sN
#   ssh.sh exec HOST CMD...              runs a command on a host without ssh
#   ssh.sh crash|cut|mend|boot HOST      see hosts.sh
#   ssh.sh down                          removes all
#
#   WEFT_CLUSTER_STATE, _BRIDGE, _SUBNET, _PREFIX    see hosts.sh (default /run/weft-cluster-ssh, weftbr1, 10.78.0, s)
#
# `up` prints export lines on standard output: SSH_CONFIG, HOSTFILE (2 slots a host), SUBNET and STATE. Then, from the machine:
#
#   mpirun --hostfile "$HOSTFILE" --mca plm rsh --mca plm_rsh_agent "ssh -F $SSH_CONFIG" \
#       --mca btl_tcp_if_include "$SUBNET" --mca oob_tcp_if_include "$SUBNET" ...
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PROGRAM=ssh.sh
export WEFT_CLUSTER_STATE=${WEFT_CLUSTER_STATE:-/run/weft-cluster-ssh}
export WEFT_CLUSTER_BRIDGE=${WEFT_CLUSTER_BRIDGE:-weftbr1}
export WEFT_CLUSTER_SUBNET=${WEFT_CLUSTER_SUBNET:-10.78.0}
export WEFT_CLUSTER_PREFIX=${WEFT_CLUSTER_PREFIX:-s}
STATE=$WEFT_CLUSTER_STATE
SUBNET=$WEFT_CLUSTER_SUBNET
PREFIX=$WEFT_CLUSTER_PREFIX
# shellcheck source-path=SCRIPTDIR
source "$here/common.sh"

PORT=2222

hosts() { WEFT_CLUSTER_NESTED=1 "$here/hosts.sh" "$@"; }

make_key() { [ -f "$1" ] || ssh-keygen -q -t ed25519 -N '' -C weft-cluster -f "$1"; }

write_server_configuration() {
    make_key "$STATE/etc/user_key"
    make_key "$STATE/etc/host_key"
    # StrictModes would reject a state folder below /tmp. PAM is for logins of people.
    cat >"$STATE/etc/sshd_config" <<END
Port $PORT
HostKey $STATE/etc/host_key
AuthorizedKeysFile $STATE/etc/user_key.pub
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
MaxStartups 100
END
    # sshd insists on this folder, which its own service would make.
    [ -d /run/sshd ] || {
        touch "$STATE/run/made-run-sshd"
        mkdir -m 755 /run/sshd
    }
}

# The machine cannot resolve the hosts' names, and needs not: mpirun hands a name of the hostfile to ssh as it is, and ssh finds the
# address here. So hostfiles may use the names. Keep-alives are left out: the program under test sets its own.
write_client_configuration() {
    local count=$1 index
    {
        for ((index = 1; index <= count; index++)); do
            printf 'Host %s\n    HostName %s\n' "$PREFIX$index" "$SUBNET.$index"
        done
        cat <<END
Host $PREFIX* $SUBNET.*
    Port $PORT
    User root
    IdentityFile $STATE/etc/user_key
    IdentitiesOnly yes
    BatchMode yes
    StrictHostKeyChecking yes
    UserKnownHostsFile $STATE/etc/known_hosts
    LogLevel ERROR
END
    } >"$STATE/ssh_config"
    printf '[%s.*]:%s %s\n' "$SUBNET" "$PORT" "$(cat "$STATE/etc/host_key.pub")" >"$STATE/etc/known_hosts"
    for ((index = 1; index <= count; index++)); do echo "$PREFIX$index slots=2"; done >"$STATE/hostfile"
}

start_sshd() {
    daemon_runs "sshd-$1" || start_daemon "sshd-$1" "$here/hosts.sh" exec "$1" /usr/sbin/sshd -D -e -f "$STATE/etc/sshd_config"
}

answers() { timeout 5 ssh -F "$STATE/ssh_config" "$1" true </dev/null; }

await_sshd() { wait_for 20 "a login on $1" "sshd-$1" answers "$1"; }

up() {
    local count=$1 index
    hosts up "$count" >/dev/null
    write_server_configuration
    write_client_configuration "$count"
    for ((index = 1; index <= count; index++)); do start_sshd "$PREFIX$index"; done
    for ((index = 1; index <= count; index++)); do await_sshd "$PREFIX$index"; done
    say "$count hosts answer; try: ssh -F $STATE/ssh_config ${PREFIX}1 hostname"
    cat <<END
export STATE=$STATE
export SUBNET=$SUBNET.0/24
export HOSTFILE=$STATE/hostfile
export SSH_CONFIG=$STATE/ssh_config
END
}

down() {
    hosts down
    kill_daemons
    [ ! -e "$STATE/run/made-run-sshd" ] || rmdir /run/sshd 2>/dev/null || true
    remove_state
}

usage() {
    sed -n '/^# Hosts/,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

require_root
require_commands sshd=openssh-server ssh=openssh-client ip=iproute2
[ "${1:-}" = exec ] || lock "${BASH_SOURCE[0]}"
case ${1:-}:$# in
up:2) up "$2" ;;
exec:*) hosts "$@" ;;
crash:2 | cut:2 | mend:2) hosts "$@" ;;
boot:2)
    hosts boot "$2"
    start_sshd "$2"
    await_sshd "$2"
    ;;
down:1) down ;;
*) usage ;;
esac
