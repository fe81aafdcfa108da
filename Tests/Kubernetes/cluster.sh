#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A Kubernetes API for tests: etcd and kube-apiserver on loopback with TLS and RBAC, the MPIJob CRD, two Node objects and a
# service account `weft` that may do what the backend needs and no more. No kubelet, no scheduler: mpi_operator.py plays them.
#
#   cluster.sh up                  its last lines are KUBECONFIG=... (service account weft) and ADMIN_KUBECONFIG=...
#   cluster.sh restart [SECONDS]   kills the API server with -9, keeps it down for SECONDS (0) and starts it again
#   cluster.sh down                stops everything and removes the state
#
# WEFT_KUBERNETES_STATE      directory for all state (/run/weft-kubernetes)
# WEFT_KUBERNETES_BINARIES   what build-api-server.sh built (/var/cache/weft-kubernetes)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=${WEFT_KUBERNETES_STATE:-/run/weft-kubernetes}
binaries=${WEFT_KUBERNETES_BINARIES:-/var/cache/weft-kubernetes}
namespace=weft
PATH=$binaries:$PATH

fail() {
    printf 'cluster: %s\n' "$*" >&2
    exit 1
}

# A process that init has not reaped yet still answers `kill -0`, and a number may have gone to another program.
is_running() {
    local pid
    pid=$(cat "$state/$1.pid" 2>/dev/null) || return 1
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null
}

# start NAME COMMAND...: as its own session, so that Ctrl-C at the tests does not reach it.
start() {
    local name=$1
    shift
    setsid "$@" </dev/null >>"$state/$name.log" 2>&1 9>&- &
    echo $! >"$state/$name.pid"
}

stop() {
    local name=$1 signal=$2 attempt
    is_running "$name" || return 0
    kill "-$signal" "$(cat "$state/$name.pid")" 2>/dev/null || true
    for ((attempt = 0; attempt < 100; attempt++)); do
        is_running "$name" || return 0
        sleep 0.1
    done
    kill -KILL "$(cat "$state/$name.pid")" 2>/dev/null || true
    sleep 0.2
    ! is_running "$name" || fail "$name (process $(cat "$state/$name.pid")) does not end"
}

# await SECONDS WHAT PROCESS COMMAND...: fails at once when the process ends.
await() {
    local deadline=$((SECONDS + $1)) what=$2 process=$3
    shift 3
    until "$@" >/dev/null 2>&1; do
        if ! is_running "$process"; then
            tail -n 5 "$state/$process.log" >&2
            fail "$process ended before $what; see $state/$process.log"
        fi
        [ "$SECONDS" -lt "$deadline" ] || fail "$what: not within the time allowed; see $state/$process.log"
        sleep 0.1
    done
}

admin() { kubectl --kubeconfig "$state/admin.kubeconfig" --cache-dir "$state/kubectl-cache" --request-timeout=20s "$@"; }

# Three ports that nobody listens on, below the range from which the kernel hands out ports.
choose_ports() {
    python3 - <<'PYTHON'
import random, socket
held = []
while len(held) < 3:
    candidate = socket.socket()
    try:
        candidate.bind(("127.0.0.1", random.randrange(20000, 30000)))
        held.append(candidate)
    except OSError:
        candidate.close()
print(*(one.getsockname()[1] for one in held))
PYTHON
}

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

# sign NAME SUBJECT [EXTENSION]
sign() {
    new_key "$state/$1.key"
    openssl req -new -key "$state/$1.key" -subj "$2" -out "$state/$1.csr"
    openssl x509 -req -in "$state/$1.csr" -CA "$state/ca.crt" -CAkey "$state/ca.key" -CAcreateserial -days 30 \
        -extfile <(echo "${3:-extendedKeyUsage=clientAuth}") -out "$state/$1.crt" 2>/dev/null
}

make_credentials() {
    new_key "$state/ca.key"
    openssl req -x509 -key "$state/ca.key" -days 30 -subj /CN=weft-test-ca -addext basicConstraints=critical,CA:TRUE \
        -out "$state/ca.crt"
    sign apiserver /CN=kube-apiserver subjectAltName=DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1
    sign kubelet-client /O=system:masters/CN=kubelet-client
    sign kubelet /CN=kubelet subjectAltName=IP:127.0.0.1
    sign weft /CN=weft
    new_key "$state/service-account.key"
    openssl ec -in "$state/service-account.key" -pubout -out "$state/service-account.pub" 2>/dev/null
    echo "$(openssl rand -hex 24),admin,admin,system:masters" >"$state/tokens.csv"
}

# write_kubeconfig FILE USER CREDENTIAL...
write_kubeconfig() {
    local file=$1 user=$2
    shift 2
    local config=(kubectl config --kubeconfig "$file")
    "${config[@]}" set-cluster test --server="https://127.0.0.1:$(cat "$state/port")" \
        --certificate-authority="$state/ca.crt" --embed-certs=true
    "${config[@]}" set-credentials "$user" "$@"
    "${config[@]}" set-context test --cluster=test --user="$user" --namespace="$namespace"
    "${config[@]}" use-context test
    chmod 600 "$file"
} >/dev/null

start_api_server() {
    # ServiceAccount: would refuse Pods until a controller made tokens. TaintNodesByCondition: would taint the Nodes
    # as not ready until a controller said otherwise.
    start kube-apiserver "$binaries/kube-apiserver" \
        --etcd-servers="$(cat "$state/etcd-url")" \
        --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$(cat "$state/port")" \
        --endpoint-reconciler-type=none \
        --tls-cert-file="$state/apiserver.crt" --tls-private-key-file="$state/apiserver.key" --client-ca-file="$state/ca.crt" \
        --token-auth-file="$state/tokens.csv" --authorization-mode=RBAC \
        --service-account-issuer=https://kubernetes.default.svc --service-account-signing-key-file="$state/service-account.key" \
        --service-account-key-file="$state/service-account.pub" --service-cluster-ip-range=10.96.0.0/16 \
        --kubelet-client-certificate="$state/kubelet-client.crt" --kubelet-client-key="$state/kubelet-client.key" \
        --kubelet-preferred-address-types=InternalIP \
        --disable-admission-plugins=ServiceAccount,TaintNodesByCondition --allow-privileged=true
    await 90 "the API server is ready" kube-apiserver is_ready
}

is_ready() { admin get --raw /readyz; }

install_objects() {
    admin create namespace "$namespace"
    admin apply -f "$here/mpijob-crd.yaml"
    admin wait --for=condition=Established --timeout=30s crd/mpijobs.kubeflow.org
    local number
    for number in 1 2; do
        admin create -f - <<EOD
apiVersion: v1
kind: Node
metadata:
  name: node-$number
  labels: {kubernetes.io/hostname: node-$number, kubernetes.io/arch: amd64, kubernetes.io/os: linux}
status:
  capacity: {cpu: "8", memory: 32Gi, pods: "110"}
  allocatable: {cpu: "8", memory: 31Gi, pods: "110"}
  addresses: [{type: InternalIP, address: 127.0.0.1}, {type: Hostname, address: node-$number}]
  conditions:
  - {type: Ready, status: "True", reason: KubeletReady, message: kubelet is posting ready status}
EOD
    done
    admin apply -f - <<EOD
apiVersion: v1
kind: ServiceAccount
metadata: {name: weft, namespace: $namespace}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: weft, namespace: $namespace}
rules:
- apiGroups: [kubeflow.org]
  resources: [mpijobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods, pods/log, events]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [configmaps, secrets]
  verbs: [get, create, patch, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: weft, namespace: $namespace}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: weft}
subjects:
- {kind: ServiceAccount, name: weft, namespace: $namespace}
- {kind: User, name: weft, apiGroup: rbac.authorization.k8s.io}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: weft-nodes}
rules:
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: weft-nodes}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: weft-nodes}
subjects:
- {kind: ServiceAccount, name: weft, namespace: $namespace}
- {kind: User, name: weft, apiGroup: rbac.authorization.k8s.io}
EOD
}

# Files as a Pod of the service account would find them under /var/run/secrets/kubernetes.io/serviceaccount.
write_service_account() {
    mkdir "$state/serviceaccount"
    local request='{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86400}}'
    echo "$request" | admin create --raw "/api/v1/namespaces/$namespace/serviceaccounts/weft/token" -f - |
        python3 -c 'import json, sys; sys.stdout.write(json.load(sys.stdin)["status"]["token"])' >"$state/serviceaccount/token"
    cp "$state/ca.crt" "$state/serviceaccount/ca.crt"
    printf %s "$namespace" >"$state/serviceaccount/namespace"
}

print_kubeconfigs() {
    echo "KUBECONFIG=$state/weft.kubeconfig"
    echo "ADMIN_KUBECONFIG=$state/admin.kubeconfig"
}

up() {
    local needed
    for needed in kubectl openssl python3; do
        command -v "$needed" >/dev/null || fail "$needed is missing; run $here/build-api-server.sh"
    done
    for needed in etcd kube-apiserver; do
        [ -x "$binaries/$needed" ] || fail "$binaries/$needed is missing; run $here/build-api-server.sh $binaries"
    done
    mkdir -p "$state"
    exec 9>"$state/.lock"
    flock -w 120 9 || fail "another '$0 up' holds $state/.lock"
    if [ -e "$state/complete" ] && is_running etcd && is_running kube-apiserver; then
        print_kubeconfigs
        return
    fi
    [ ! -e "$state/port" ] || fail "$state holds a cluster that stopped or did not start (see $state/*.log); run '$0 down' first"

    chmod 700 "$state"
    local port client peer
    read -r port client peer < <(choose_ports)
    echo "$port" >"$state/port"
    echo "http://127.0.0.1:$client" >"$state/etcd-url"
    make_credentials
    write_kubeconfig "$state/admin.kubeconfig" admin --token="$(cut -d, -f1 "$state/tokens.csv")"
    start etcd "$binaries/etcd" --data-dir="$state/etcd" --unsafe-no-fsync --log-level=warn \
        --listen-client-urls="http://127.0.0.1:$client" --advertise-client-urls="http://127.0.0.1:$client" \
        --listen-peer-urls="http://127.0.0.1:$peer" --initial-advertise-peer-urls="http://127.0.0.1:$peer" \
        --initial-cluster="default=http://127.0.0.1:$peer"
    start_api_server
    install_objects >"$state/objects.log" 2>&1 || {
        cat "$state/objects.log" >&2
        fail "the test objects could not be made; see $state/objects.log and $state/kube-apiserver.log"
    }
    write_service_account
    write_kubeconfig "$state/weft.kubeconfig" weft --token="$(cat "$state/serviceaccount/token")"
    write_kubeconfig "$state/weft-certificate.kubeconfig" weft \
        --client-certificate="$state/weft.crt" --client-key="$state/weft.key" --embed-certs=true
    touch "$state/complete"
    print_kubeconfigs
}

restart() {
    [ -e "$state/complete" ] || fail "no cluster is up in $state"
    stop kube-apiserver KILL
    sleep "${1:-0}"
    start_api_server
}

down() {
    stop kube-apiserver TERM
    stop etcd TERM
    rm -rf "$state"
}

case ${1:-} in
up | down | restart) "$@" ;;
*) fail "usage: $0 up | restart [SECONDS] | down" ;;
esac
