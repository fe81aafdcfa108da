#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds kube-apiserver from Debian's source package, for the tests of the Kubernetes backend; Debian's binary package
# holds kubectl only.
#
#   build-api-server.sh [OUT]     OUT is /var/cache/weft-kubernetes when absent; it gets kube-apiserver and etcd,
#                                 and kubectl where the machine has none that works.
#
# Needs root (for apt) and Debian 12. Does nothing when OUT already holds this version.
# The controller manager is not built: service account tokens come from the API server itself (TokenRequest), and
# mpi_operator.py, which owns every Pod here, deletes them as the garbage collector would.
set -euo pipefail

VERSION=1.20.2
SOURCE_VERSION=1.20.5+really1.20.2-1.1+deb12u1
GO_VERSION=1.19
BUILD_PACKAGES=("golang-$GO_VERSION-go" dpkg-dev gcc golang-github-modern-go-reflect2-dev libc6-dev make rsync)

fail() {
    printf 'build-api-server: %s\n' "$*" >&2
    exit 1
}

say() { printf 'build-api-server: [%3d s] %s\n' "$SECONDS" "$*"; }

# quietly LOG COMMAND...: shows what the command printed only where it fails.
quietly() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 || {
        tail -n 30 "$log" >&2
        fail "failed: $* (all of its output: $log)"
    }
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_packages() {
    local package missing=()
    for package in "${BUILD_PACKAGES[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    command -v openssl >/dev/null || missing+=(openssl)
    command -v python3 >/dev/null || missing+=(python3)
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    quietly "$work/apt.log" apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# Unpacked rather than installed: installing etcd-server would also start it as a service of the machine.
fetch_etcd() {
    say "fetching etcd"
    mkdir "$work/etcd"
    (cd "$work/etcd" && quietly "$work/etcd.log" apt-get download etcd-server)
    dpkg-deb -x "$work"/etcd/etcd-server_*.deb "$work/etcd/root"
    install -m 755 "$work/etcd/root/usr/bin/etcd" "$out/etcd"
}

# apt knows binary packages only on most machines; a list of our own adds the sources of the same mirrors.
fetch_source() {
    say "fetching the source package kubernetes $SOURCE_VERSION"
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) main' 'Created-By: Packages' 'Component: main' 'Origin: Debian' |
        sort -u | sed 's|^|deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] |' >"$work/sources.list"
    [ -s "$work/sources.list" ] || fail "apt knows no Debian mirror (see /etc/apt/sources.list)"
    mkdir -p "$work/lists/partial"
    local with_sources=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
        -o APT::Sandbox::User=root)
    quietly "$work/sources.log" apt-get "${with_sources[@]}" update -q
    (cd "$work" && quietly "$work/fetch.log" apt-get "${with_sources[@]}" source --download-only -q "kubernetes=$SOURCE_VERSION")
    quietly "$work/unpack.log" dpkg-source --no-check -x "$work"/kubernetes_*.dsc "$work/gopath/src/k8s.io/kubernetes"
}

# The vendored reflect2 1.0.1 reads the insides of Go's maps as they were before Go 1.18: with it the API server dies of
# a segmentation fault on the first custom resource.
replace_reflect2() {
    local vendored=$tree/vendor/github.com/modern-go/reflect2
    rm -rf "$vendored"
    cp -r /usr/share/gocode/src/github.com/modern-go/reflect2 "$vendored"
    rm -f "$vendored/go.mod"
}

count_packages() {
    local count=0 next=$((SECONDS + 15)) line
    while read -r line; do
        case $line in
        [a-z]*/*) count=$((count + 1)) ;;
        '#'* | *.go:*) printf '%s\n' "$line" >&2 ;;
        esac
        if [ "$SECONDS" -ge "$next" ]; then
            say "compiled $count packages of about 1400"
            next=$((SECONDS + 15))
        fi
    done
}

compile() {
    export PATH=/usr/lib/go-$GO_VERSION/bin:$PATH HOME=$work GOPATH=$work/gopath GOCACHE=$work/cache
    # Modules off: Debian's vendor directory does not agree with go.mod, which module mode insists on.
    export GO111MODULE=off GOFLAGS='' CGO_ENABLED=0
    say "generating the OpenAPI definitions"
    (cd "$tree" && KUBE_GIT_VERSION=v$VERSION KUBE_GIT_COMMIT=debian KUBE_GIT_TREE_STATE=clean \
        quietly "$work/generate.log" nice -n 15 make generated_files)
    local package flags="-s -w"
    for package in component-base/version client-go/pkg/version; do
        package=k8s.io/kubernetes/vendor/k8s.io/$package
        flags+=" -X $package.gitVersion=v$VERSION -X $package.gitMajor=1 -X $package.gitMinor=${VERSION:2:2}"
    done
    say "compiling $*"
    mkdir "$work/built"
    (cd "$tree" && nice -n 15 go build -v -ldflags "$flags" -o "$work/built/" "${@/#/k8s.io/kubernetes/cmd/}") 2>&1 |
        count_packages
    install -m 755 "$work"/built/* "$out/"
}

is_api_server_built() {
    [ -x "$out/kube-apiserver" ] && [ "$("$out/kube-apiserver" --version 2>/dev/null)" = "Kubernetes v$VERSION" ]
}

# Debian's kubectl has the fault of replace_reflect2 and dies on `kubectl config set-credentials`.
has_kubectl() { [ -x "$out/kubectl" ] || { command -v kubectl >/dev/null && ! is_installed kubernetes-client; }; }

out=${1:-/var/cache/weft-kubernetes}
mkdir -p "$out"
out=$(cd "$out" && pwd)
exec 9>"$out/.lock"
flock -n 9 || {
    say "another build into $out runs; waiting for it"
    flock -w 3600 9 || fail "the other build did not end within an hour"
}
if is_api_server_built && has_kubectl && [ -x "$out/etcd" ] && type -P openssl python3 >/dev/null; then
    say "$out/kube-apiserver is v$VERSION already"
    exit 0
fi

[ "$(id -u)" -eq 0 ] || fail "needs root, to install Debian packages"
# shellcheck source=/dev/null
[ "$(. /etc/os-release && echo "$ID$VERSION_ID")" = debian12 ] || fail "needs Debian 12, whose source package it builds"
export DEBIAN_FRONTEND=noninteractive
work=$(mktemp -d "${TMPDIR:-/tmp}/weft-kubernetes-build.XXXXXX")
tree=$work/gopath/src/k8s.io/kubernetes
# Kept after a fault, for its logs.
trap '[ $? -ne 0 ] || rm -rf "$work"' EXIT

say "building in $work (about 2 GB until it is done)"
quietly "$work/update.log" apt-get update -q
install_packages
[ -x "$out/etcd" ] || fetch_etcd
targets=()
is_api_server_built || targets+=(kube-apiserver)
has_kubectl || targets+=(kubectl)
if [ ${#targets[@]} -gt 0 ]; then
    mkdir -p "$(dirname "$tree")"
    fetch_source
    replace_reflect2
    compile "${targets[@]}"
    is_api_server_built || fail "$out/kube-apiserver does not say that it is v$VERSION"
fi
say "$out holds kube-apiserver v$VERSION"
