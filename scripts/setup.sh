#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing to build, test and try Weft: Debian packages and a Python environment in .venv.
# Swift itself is not installed: where it is missing or old, the script says where to get it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SWIFT_NEEDED=6.3
PYTHON_NEEDED=3.11
PACKAGES=(
    # to build
    ca-certificates g++ gcc git libc6-dev libcurl4-openssl-dev libopenmpi-dev libpq-dev libssl-dev make pkg-config zlib1g-dev
    # the Swift toolchain's own libraries
    binutils libncurses6 libsqlite3-0 libxml2
    # to run
    graphviz openmpi-bin postgresql python3 python3-venv tzdata
    # to test: promtool; a corpus for the example text_statistics
    fortunes prometheus
    # to test: confined PEs, and environment modules
    bubblewrap lmod
    # to test: clusters of virtual hosts, with Slurm and its accounting, or with ssh
    iproute2 mariadb-server munge openssh-client openssh-server rsync slurm-client slurm-wlm-basic-plugins slurm-wlm-jwt-plugin
    slurm-wlm-mysql-plugin slurmctld slurmd slurmdbd slurmrestd
)

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

require_swift() {
    local where="Get it from https://www.swift.org/install/linux/ and put its usr/bin on PATH."
    command -v swift >/dev/null || fail "Swift $SWIFT_NEEDED or newer is needed and 'swift' is not on PATH. $where"
    [ "${1:-}" = version ] || return 0
    local version
    version=$(swift --version 2>/dev/null | grep -oE 'Swift version [0-9]+(\.[0-9]+)*' | cut -d' ' -f3) ||
        fail "'swift --version' ($(command -v swift)) does not tell a version. Is the toolchain complete? $where"
    at_least "$version" "$SWIFT_NEEDED" || fail "Swift $SWIFT_NEEDED or newer is needed; $(command -v swift) is $version. $where"
    echo "Swift $version"
}

at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_packages() {
    command -v dpkg-query >/dev/null ||
        fail "this is not a Debian system. Install the equivalents of these Debian packages by hand: ${PACKAGES[*]}"
    local missing=() package
    for package in "${PACKAGES[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        echo "Debian packages: all ${#PACKAGES[@]} installed"
        return
    fi
    local install="apt-get install --no-install-recommends ${missing[*]}"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "packages are missing and there is no sudo. Have an administrator run: $install"
        as_root=(sudo)
    fi
    echo "Debian packages: installing ${missing[*]}"
    "${as_root[@]}" apt-get update -q
    # The tests start what they need by themselves: no server that comes with a package shall run for it.
    local policy=/usr/sbin/policy-rc.d own_policy=
    if [ ! -e "$policy" ]; then
        own_policy=yes
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
    fi
    local installed=yes
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q -o Dpkg::Use-Pty=0 --no-install-recommends "${missing[@]}" || installed=
    [ -z "$own_policy" ] || "${as_root[@]}" rm -f "$policy"
    [ -n "$installed" ] ||
        fail "apt-get could not install the packages; its message stands above. To repeat it: ${as_root[*]} $install"
}

find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c "import sys, venv, ensurepip; sys.exit(sys.version_info < tuple(map(int, '$PYTHON_NEEDED'.split('.'))))" \
            2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "no Python $PYTHON_NEEDED or newer with the modules venv and ensurepip is on PATH or at /usr/bin/python3."
}

make_environment() {
    local requirements=(scripts/requirements-test.txt workflows/*/requirements.txt)
    local data=scripts/requirements-data.txt
    local python stamp
    python=$(find_python)
    stamp=$({ "$python" --version; cat "${requirements[@]}" "$data"; } | sha256sum | cut -d' ' -f1)
    if [ "$(cat .venv/stamp 2>/dev/null)" = "$stamp" ] && .venv/bin/python -c '' 2>/dev/null; then
        echo "Python environment: .venv is up to date"
        return
    fi
    echo "Python environment: installing into .venv with $python"
    rm -rf .venv
    "$python" -m venv .venv
    local pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
    local options=() file
    for file in "${requirements[@]}"; do options+=(-r "$file"); done
    "${pip[@]}" "${options[@]}" || fail "pip could not install ${requirements[*]}; its message stands above."
    "${pip[@]}" --no-deps -r "$data" || fail "pip could not install $data; its message stands above."
    echo "$stamp" >.venv/stamp
}

require_swift
install_packages
require_swift version
make_environment
