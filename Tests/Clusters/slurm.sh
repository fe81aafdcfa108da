#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A Slurm cluster on virtual hosts (hosts.sh): one slurmd on each; slurmctld, slurmdbd with a private MariaDB and, if wanted,
# slurmrestd on the machine itself, which is the login node. Nothing of a Slurm that the machine may have is touched.
#
#   slurm.sh up                          starts it, or what is missing of it
#   slurm.sh crash|cut|mend HOST         see hosts.sh
#   slurm.sh boot HOST                   starts a host that crashed, and waits until Slurm uses it again
#   slurm.sh exec HOST CMD...            runs a command on a host
#   slurm.sh restart-controller          kills slurmctld (SIGKILL) and starts it again
#   slurm.sh stop-controller             ends slurmctld in order
#   slurm.sh start-controller            starts it again
#   slurm.sh token USER                  prints a token for the REST interface, valid for an hour
#   slurm.sh down                        removes all
#
#   WEFT_CLUSTER_NODES                   number of hosts (default 5)
#   WEFT_CLUSTER_CPUS, WEFT_CLUSTER_MEM  what each claims to have: processors (default 4), MB (default 4000)
#   REST                                 1: slurmrestd too
#   WEFT_CLUSTER_PORT                    first of the four ports on the machine (default 6817)
#   WEFT_CLUSTER_STATE, _BRIDGE, _SUBNET, _PREFIX    see hosts.sh (default /run/weft-cluster-slurm, weftbr0, 10.77.0, n)
#
# `up` prints export lines on standard output: SLURM_CONF, STATE and, with REST=1, SLURM_REST_URL.
#
# n1 and n2 have the feature "small", the others "big". Partitions: debug (default), urgent (same nodes, pre-empts debug by requeueing)
# and short (n1 and n2, one minute). Account lab, with root as its user; QOS normal.
#
# slurmctld writes a new job to its disk after up to 5 s: one that is killed earlier forgets the job.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PROGRAM=slurm.sh
export WEFT_CLUSTER_STATE=${WEFT_CLUSTER_STATE:-/run/weft-cluster-slurm}
export WEFT_CLUSTER_BRIDGE=${WEFT_CLUSTER_BRIDGE:-weftbr0}
export WEFT_CLUSTER_SUBNET=${WEFT_CLUSTER_SUBNET:-10.77.0}
export WEFT_CLUSTER_PREFIX=${WEFT_CLUSTER_PREFIX:-n}
STATE=$WEFT_CLUSTER_STATE
SUBNET=$WEFT_CLUSTER_SUBNET
PREFIX=$WEFT_CLUSTER_PREFIX
# shellcheck source-path=SCRIPTDIR
source "$here/common.sh"

NODES=${WEFT_CLUSTER_NODES:-5}
CPUS=${WEFT_CLUSTER_CPUS:-4}
MEM=${WEFT_CLUSTER_MEM:-4000}
PORT=${WEFT_CLUSTER_PORT:-6817}
CONTROLLER_PORT=$PORT
NODE_PORT=$((PORT + 1))
DATABASE_PORT=$((PORT + 2))
REST_PORT=$((PORT + 3))

# Accounting in the name of the user who asks for the token, and so on: no variable of the caller's Slurm may get in between.
unset SLURM_JWT
export SLURM_CONF=$STATE/etc/slurm.conf
munge_socket=$STATE/munge/socket
jwt_key=$STATE/etc/jwt.key
settings_file=$STATE/etc/settings

hosts() { WEFT_CLUSTER_NESTED=1 "$here/hosts.sh" "$@"; }

all_nodes() { seq -f "$PREFIX%g" "$NODES"; }

# range FIRST LAST: "n[1-2]"
range() { if [ "$1" -eq "$2" ]; then echo "$PREFIX$1"; else echo "${PREFIX}[$1-$2]"; fi; }

# ---- configuration

node_lines() {
    local small=$((NODES < 2 ? NODES : 2))
    echo "NodeName=DEFAULT CPUs=$CPUS Boards=1 Sockets=1 CoresPerSocket=$CPUS ThreadsPerCore=1 RealMemory=$MEM"
    echo "NodeName=$(range 1 $small) NodeAddr=$(PREFIX=$SUBNET. range 1 $small) Feature=small"
    if ((NODES > small)); then
        echo "NodeName=$(range 3 "$NODES") NodeAddr=$(PREFIX=$SUBNET. range 3 "$NODES") Feature=big"
    fi
    echo "PartitionName=debug Nodes=ALL Default=YES PriorityTier=1 DefaultTime=00:10:00 MaxTime=01:00:00"
    echo "PartitionName=urgent Nodes=ALL PriorityTier=10 DefaultTime=00:10:00 MaxTime=01:00:00"
    echo "PartitionName=short Nodes=$(range 1 $small) PriorityTier=1 MaxTime=00:01:00"
}

# Why some of these:
# - cred_expire is also how long a requeued job waits before it starts again; its default is 2 minutes.
# - MessageTimeout and TCPTimeout bound a ping; two must fail before a node is down: 15 s after its crash instead of 27 s.
# - config_overrides lets a node claim more processors and memory than the machine has.
# - task/none and linuxproc need no cgroups, which containers often lack.
# - ReturnToService=2 takes a node that crashed back as soon as its slurmd registers.
# - AccountingStoragePass: without the socket of this munge, each client of slurmdbd hangs for 20 s.
write_slurm_configuration() {
    cat >"$SLURM_CONF" <<END
ClusterName=weft
SlurmctldHost=$(hostname -s)($SUBNET.254)
SlurmctldPort=$CONTROLLER_PORT
SlurmdPort=$NODE_PORT
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$munge_socket,cred_expire=5
CredType=cred/munge
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=$jwt_key
StateSaveLocation=$STATE/controller
SlurmdSpoolDir=$STATE/spool/%n
SlurmctldPidFile=$STATE/run/slurmctld.own-pid
SlurmdPidFile=$STATE/run/slurmd-%n.own-pid
SlurmctldLogFile=$STATE/log/slurmctld.log
SlurmdLogFile=$STATE/log/slurmd-%n.log
SlurmctldTimeout=10
SlurmdTimeout=4
MessageTimeout=5
TCPTimeout=1
SlurmdParameters=config_overrides
ReturnToService=2
RebootProgram=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=pmix
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_min_interval=0,batch_sched_delay=0,requeue_delay=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
EnforcePartLimits=NO
JobRequeue=1
KillWait=2
MinJobAge=300
InactiveLimit=0
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=$DATABASE_PORT
AccountingStoragePass=$munge_socket
AccountingStorageEnforce=associations,limits,qos
AccountingStoreFlags=job_comment,job_env,job_script
$(node_lines)
END
    # What the hosts share would make their PMIx servers collide.
    echo "PMIxCliTmpDirBase=$STATE/private" >"$STATE/etc/mpi.conf"
}

write_database_configuration() {
    cat >"$STATE/etc/slurmdbd.conf" <<END
AuthType=auth/munge
AuthInfo=socket=$munge_socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=$jwt_key
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$DATABASE_PORT
SlurmUser=root
LogFile=$STATE/log/slurmdbd.log
PidFile=$STATE/run/slurmdbd.own-pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
END
    chmod 600 "$STATE/etc/slurmdbd.conf" # slurmdbd insists
}

make_key() {
    (umask 077 && head -c "$2" /dev/urandom >"$1")
}

# ---- daemons; each function returns when its daemon answers

start_munge() {
    daemon_runs munged && return
    mkdir -p "$STATE/munge"
    chmod 711 "$STATE/munge"
    [ -f "$STATE/munge/key" ] || make_key "$STATE/munge/key" 128
    chown -R munge:munge "$STATE/munge"
    start_daemon munged setpriv --reuid=munge --regid=munge --clear-groups /usr/sbin/munged --foreground --key-file="$STATE/munge/key" \
        --socket="$munge_socket" --pid-file="$STATE/munge/own-pid" --log-file="$STATE/munge/log" --seed-file="$STATE/munge/seed"
    wait_for 20 "munged's socket" "munged" munge --socket="$munge_socket" --no-input
}

database() { timeout 10 mariadb --no-defaults --socket="$STATE/mysql/socket" --user=root "$@"; }

start_mariadb() {
    daemon_runs mariadbd && return
    if [ ! -d "$STATE/mysql/slurm_acct_db" ]; then
        rm -rf "$STATE/mysql"
        mkdir "$STATE/mysql"
        chown mysql:mysql "$STATE/mysql"
        env "$(daemon_mark)" timeout 120 mariadb-install-db --no-defaults --user=mysql --datadir="$STATE/mysql" --skip-test-db \
            --auth-root-authentication-method=normal >"$STATE/log/mariadb-install.out" 2>&1 9<&- ||
            fail "mariadb-install-db failed; read $STATE/log/mariadb-install.out"
    fi
    # No network, and no care for power failures: the data lives as long as the cluster. slurmdbd asks for the long lock wait.
    start_daemon mariadbd setpriv --reuid=mysql --regid=mysql --clear-groups /usr/sbin/mariadbd --no-defaults \
        --datadir="$STATE/mysql" --socket="$STATE/mysql/socket" --pid-file="$STATE/mysql/own-pid" --skip-networking \
        --innodb-buffer-pool-size=64M --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 \
        --innodb-lock-wait-timeout=900
    wait_for 60 "MariaDB" "mariadbd" database --execute "select 1"
    database --execute "create database if not exists slurm_acct_db; create user if not exists slurm@localhost identified by 'slurm';
        grant all on slurm_acct_db.* to slurm@localhost"
}

start_slurmdbd() {
    daemon_runs slurmdbd && return
    write_database_configuration
    # slurmdbd 22.05 has no setting for the socket of MariaDB, but its client library reads this variable.
    start_daemon slurmdbd env MYSQL_UNIX_PORT="$STATE/mysql/socket" SLURM_CONF="$STATE/etc/slurmdbd.conf" /usr/sbin/slurmdbd -D
    wait_for 60 "slurmdbd" "slurmdbd" accounts show cluster
}

accounts() { timeout 30 sacctmgr --immediate --noheader --quiet "$@"; }

add_accounts() {
    [ -z "$(accounts show account lab)" ] || return 0
    {
        accounts add cluster weft
        accounts add account lab description=lab organization=lab
        accounts add user root account=lab qos=normal defaultqos=normal
        accounts modify user root set defaultaccount=lab # slurmdbd itself has put root into an account root
    } >>"$STATE/log/sacctmgr.out" 2>&1 || fail "sacctmgr could not add the account; read $STATE/log/sacctmgr.out"
}

controller_answers() { timeout 10 scontrol ping | grep -q UP; }

start_controller() {
    daemon_runs slurmctld && return
    local first=()
    [ -f "$STATE/controller/clustername" ] || first=(-i) # there is no state to read yet
    mkdir -p "$STATE/controller"
    start_daemon slurmctld /usr/sbin/slurmctld -D "${first[@]}"
    wait_for 30 "slurmctld" "slurmctld" controller_answers
}

start_node() {
    local name=$1
    hosts boot "$name"
    daemon_runs "slurmd-$name" && return
    mkdir -p "$STATE/spool/$name"
    start_daemon "slurmd-$name" "$here/hosts.sh" exec "$name" /usr/sbin/slurmd -D
}

# Neither down nor silent (*) nor still starting; an administrator may have drained it, which is fine.
node_serves() {
    local state
    state=$(timeout 10 sinfo --noheader --partition=debug --nodes="$1" --format=%T) && [[ $state =~ ^[a-z]+$ && $state != down && $state != unk* ]]
}

await_node() { wait_for 60 "node $1 in service" "slurmd-$1" node_serves "$1"; }

rest_answers() { listens 127.0.0.1 "$REST_PORT"; }

start_rest() {
    daemon_runs slurmrestd && return
    # It refuses to run as root or SlurmUser. SLURM_JWT makes it talk to slurmctld with the token of each request.
    start_daemon slurmrestd env SLURM_JWT=daemon setpriv --reuid=nobody --regid=nogroup --clear-groups \
        /usr/sbin/slurmrestd -a rest_auth/jwt -s openapi/v0.0.38,openapi/dbv0.0.38 "127.0.0.1:$REST_PORT"
    wait_for 20 "slurmrestd" "slurmrestd" rest_answers
}

# ---- commands

settings() { echo "$NODES nodes, $CPUS processors, $MEM MB, port $PORT, $WEFT_CLUSTER_BRIDGE $SUBNET $PREFIX"; }

# Whatever is not exactly the cluster that is wanted is taken down first: a mixture would be worse than the seconds for a new one.
can_be_reused() {
    [ "$(cat "$settings_file" 2>/dev/null)" = "$(settings)" ] && daemon_runs munged && daemon_runs mariadbd && daemon_runs slurmdbd
}

build() {
    make_state
    hosts up "$NODES" >/dev/null
    write_slurm_configuration
    make_key "$jwt_key" 32
    start_munge
    start_mariadb
    start_slurmdbd
    add_accounts
    settings >"$settings_file"
}

up() {
    local name
    if can_be_reused; then
        say "the cluster in $STATE exists; starting what is missing"
    else
        down
        build
    fi
    start_controller
    for name in $(all_nodes); do
        start_node "$name"
        hosts mend "$name"
    done
    for name in $(all_nodes); do await_node "$name"; done
    [ -z "${REST:-}" ] || start_rest
    timeout 10 sinfo >&2
    echo "export STATE=$STATE"
    [ -z "${REST:-}" ] || echo "export SLURM_REST_URL=http://127.0.0.1:$REST_PORT"
    echo "export SLURM_CONF=$SLURM_CONF"
}

token() {
    local answer
    answer=$(timeout 10 scontrol token username="$1" lifespan=3600) || fail "scontrol gave no token; read $STATE/log/slurmctld.log"
    echo "${answer#SLURM_JWT=}"
}

down() {
    hosts down
    kill_daemons
    remove_state
}

require_up() {
    [ -f "$settings_file" ] || fail "there is no cluster in $STATE; start it with: slurm.sh up"
}

usage() {
    sed -n '/^# A Slurm/,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

require_root
require_commands ip=iproute2 slurmctld=slurmctld slurmd=slurmd sbatch=slurm-client slurmdbd=slurmdbd munged=munge mariadbd=mariadb-server
[ -z "${REST:-}" ] || require_commands slurmrestd=slurmrestd
case ${1:-} in
exec | token) ;;
*) lock "${BASH_SOURCE[0]}" ;;
esac
case ${1:-} in
up | down | "") ;;
*) require_up ;;
esac
case ${1:-}:$# in
up:1) up ;;
exec:*) hosts "$@" ;;
crash:2 | cut:2 | mend:2) hosts "$@" ;;
boot:2)
    start_node "$2"
    await_node "$2"
    ;;
restart-controller:1)
    stop_daemon slurmctld KILL
    start_controller
    ;;
stop-controller:1) stop_daemon slurmctld TERM ;;
start-controller:1) start_controller ;;
token:2) token "$2" ;;
down:1) down ;;
*) usage ;;
esac
