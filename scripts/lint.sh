#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the format of the Swift sources, and rules that no compiler knows. Prints every fault; exit status 1 when there is one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

faults=0

# report FAULT: reads file names (or file:line) and counts each as a fault.
report() {
    local name
    while read -r name; do
        printf '%s: %s\n' "$name" "$1"
        faults=$((faults + 1))
    done
}

code_files() {
    find Package.swift Sources Tests python scripts workflows bench deploy .ci -type f \
        \( -name '*.swift' -o -name '*.py' -o -name '*.sh' -o -name '*.c' -o -name '*.h' -o -name '*.sql' -o -path '.ci/*' \) \
        -not -path '*/__pycache__/*'
}

without_licence() {
    local file
    while read -r file; do
        head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$file"
    done < <(code_files | grep -v '^Package.swift$')
}

unparsable() {
    local script
    for script in scripts/*.sh .ci/run; do
        bash -n "$script" || echo "$script"
    done
}

dead_links() {
    local file link
    while IFS=: read -r file link; do
        [ -e "$(dirname "$file")/$link" ] || echo "$file ($link)"
    done < <(grep -oE '\]\([^):#]+' ./*.md docs/*.md docs/*/*.md workflows/*.md workflows/*/*.md | sed 's/:](/:/' | grep -v ':https$')
}

swift format lint --strict --parallel --recursive Package.swift Sources Tests || faults=$((faults + 1))
report "the first line (after '#!') must be the SPDX licence identifier" < <(without_licence)
report "an unfinished part; finish it or remove it" < <(
    code_files | grep -v '^scripts/lint.sh$' | xargs grep -nE '\b(TODO|FIXME|XXX)\b' | cut -d: -f1,2
)
report "Swift Testing is used here, not XCTest" < <(grep -rnE '^import XCTest' Tests | cut -d: -f1,2)
report "the link leads nowhere" < <(dead_links)
report "scripts must be executable" < <(find scripts .ci workflows -type f -not -perm -100 -exec grep -lE '^#!' {} +)
report "bash cannot parse it" < <(unparsable)
if command -v shellcheck >/dev/null; then
    shellcheck -x scripts/*.sh .ci/run || faults=$((faults + 1))
fi

if [ "$faults" -ne 0 ]; then
    echo "lint: $faults faults" >&2
    exit 1
fi
echo "lint: no faults"
