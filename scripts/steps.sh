# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by scripts that do their work in named, timed steps. A step that fails ends the script and is named.

STEP=""
STEP_STARTED=0
STEP_TIMES=()
BOLD=""
PLAIN=""
if [ -t 1 ]; then
    BOLD=$'\e[1m'
    PLAIN=$'\e[0m'
fi

finish_step() {
    [ -n "$STEP" ] || return 0
    STEP_TIMES+=("$(printf '%8.1f s  %s' "$(elapsed "$STEP_STARTED")" "$STEP")")
    STEP=""
}

begin() {
    finish_step
    STEP=$1
    STEP_STARTED=$(date +%s%N)
    printf '\n%s==> %s%s\n' "$BOLD" "$STEP" "$PLAIN"
}

elapsed() { awk -v a="$1" -v b="$(date +%s%N)" 'BEGIN { printf "%.1f", (b - a) / 1e9 }'; }

print_times() {
    finish_step
    printf '\nTime of each step\n'
    printf '%s\n' "${STEP_TIMES[@]}"
}

name_failure() {
    local status=$?
    if [ "$status" -ne 0 ] && [ -n "$STEP" ]; then
        printf '\n%s: step "%s" failed (exit status %d).\n' "$(basename "$0")" "$STEP" "$status" >&2
    fi
    exit "$status"
}
trap name_failure EXIT

