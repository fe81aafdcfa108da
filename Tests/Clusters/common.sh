# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What hosts.sh, slurm.sh and ssh.sh share. It is sourced; the caller has set PROGRAM, STATE, BRIDGE, SUBNET and PREFIX.

PATH=$PATH:/usr/sbin:/sbin # where Debian has daemons and ip, and a plain user's PATH has not

# Only ours are removed: a folder is a cluster's if it holds this file.
MARK=.weft-cluster

say() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# Everything but exec changes the cluster, so two of them at a time would disturb each other. The lock is on the script itself: a
# lock file would be left behind.
lock() {
    exec 9<"$1"
    flock --wait 180 9 || fail "another $PROGRAM has been at work for 180 s; end it first (lock: $1)"
}

require_root() {
    [ "$(id -u)" -eq 0 ] || fail "network namespaces need root"
}

# require_commands COMMAND=PACKAGE...
require_commands() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} -eq 0 ] || fail "missing; install with: apt-get install --no-install-recommends ${missing[*]}"
}

make_state() {
    # A path of a Unix socket has at most 107 bytes, and Slurm's have up to 45 behind the folder.
    [ ${#STATE} -le 60 ] || fail "the path of the state folder is too long for Unix sockets (60 bytes at most): $STATE"
    [[ $STATE == /* ]] || fail "WEFT_CLUSTER_STATE must be an absolute path, not '$STATE'"
    if [ -d "$STATE" ] && [ ! -e "$STATE/$MARK" ] && [ -n "$(ls -A "$STATE")" ]; then
        fail "$STATE is not a cluster's folder and not empty; choose another by WEFT_CLUSTER_STATE"
    fi
    mkdir -p "$STATE"/{etc,log,run}
    chmod 755 "$STATE" # slurmrestd and MariaDB run as other users
    touch "$STATE/$MARK"
}

remove_state() {
    [ -e "$STATE/$MARK" ] || return 0
    # MARK goes last, so that a removal that was interrupted can be repeated.
    find "$STATE" -mindepth 1 ! -name "$MARK" -delete
    rm -rf "$STATE"
}

# wait_for SECONDS WHAT LOG COMMAND...: repeats COMMAND until it succeeds. COMMAND itself must be bounded. LOG is the name of a file
# in the folder log without its ending: .out is what a daemon prints, .log what it writes by itself.
wait_for() {
    local seconds=$1 what=$2 log=$STATE/log/$3
    shift 3
    local deadline=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= deadline)); then
            tail -q -n 5 "$log".* >&2 2>/dev/null || true
            fail "$what: not within $seconds s; read $(ls -d "$log".* 2>/dev/null || echo "$STATE/log")"
        fi
        sleep 0.1
    done
}

listens() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# Daemons run in the foreground, in a session of their own, so that neither the end of the caller nor a slow PID 1 of a container
# matters. The variable in their environment marks them as this cluster's: `down` finds them without any file.
daemon_mark() { printf 'WEFT_CLUSTER_DAEMON=%s' "$STATE"; }

# start_daemon NAME COMMAND...: its output goes to log/NAME.out.
start_daemon() {
    local name=$1
    shift
    env "$(daemon_mark)" setsid "$@" </dev/null >>"$STATE/log/$name.out" 2>&1 9<&- &
    echo $! >"$STATE/run/$name.pid"
    disown
}

# The environment of a zombie is empty, so one that nobody has reaped yet counts as gone.
is_marked() { grep -qzxF "$(daemon_mark)" "/proc/$1/environ" 2>/dev/null; }

daemon_runs() {
    local pid
    pid=$(cat "$STATE/run/$1.pid" 2>/dev/null) && is_marked "$pid"
}

daemon_stopped() { ! daemon_runs "$1"; }

# stop_daemon NAME [SIGNAL]
stop_daemon() {
    daemon_runs "$1" || return 0
    kill -s "${2:-KILL}" "$(cat "$STATE/run/$1.pid")" 2>/dev/null || true
    wait_for 15 "the end of $1" "$1" daemon_stopped "$1"
}

marked_processes() {
    grep -lzxF "$(daemon_mark)" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || true
}

no_marked_processes() { [ -z "$(marked_processes)" ]; }

# Nothing that they hold outlives the cluster, so they need no orderly end.
kill_daemons() {
    local pids
    mapfile -t pids < <(marked_processes)
    [ ${#pids[@]} -gt 0 ] || return 0
    kill -KILL "${pids[@]}" 2>/dev/null || true
    wait_for 15 "the end of the daemons ${pids[*]}" "daemons" no_marked_processes
}
