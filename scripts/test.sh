#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs everything that `make test` promises: set-up, build, lint, Swift tests, Python tests. Ends with a count of the tests
# that passed; the exit status is 0 only when all did.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/steps.sh

output=$(mktemp -d)
export WEFT_TEST_PYTHON="$PWD/.venv/bin/python"
export PYTHONDONTWRITEBYTECODE=1
failed=()

# attempt NAME COMMAND...: shows and keeps the command's output; a failure is remembered, and the next tests still run.
attempt() {
    local name=$1
    shift
    "$@" 2>&1 | tee "$output/$name" || failed+=("$name")
}

# The counts are read from the runners' last lines, so a runner that died without a count leaves 0.
swift_count() { grep -oE 'Test run with [0-9]+ tests?.* passed' "$output/$1" | grep -oE '[0-9]+' | head -n 1 || echo 0; }
python_count() { tail -n 1 "$output/python" | grep -oE '[0-9]+ passed' | grep -oE '[0-9]+' || echo 0; }

begin "Set-up"
scripts/setup.sh

begin "Lint"
attempt lint scripts/lint.sh

begin "Build"
swift build --build-tests
WEFT_PROGRAMS=$(swift build --show-bin-path)
export WEFT_PROGRAMS

# Simulations compute for long without a pause: beside them, tests that wait for something would get no turn in time.
simulating='SchedulingTests|PredictionTests|ExecutionServiceTests'
begin "Swift tests that simulate"
attempt simulations swift test --skip-build --filter "$simulating"

begin "Swift tests"
attempt swift swift test --skip-build --skip "$simulating"

begin "Python tests, examples and random graphs"
attempt python .venv/bin/python -m pytest -q -p no:cacheprovider python/tests workflows bench Tests/RandomGraphs

print_times
simulations_passed=$(swift_count simulations)
swift_passed=$(swift_count swift)
python_passed=$(python_count)
rm -rf "$output"
if [ ${#failed[@]} -ne 0 ] || [ "$simulations_passed" -eq 0 ] || [ "$swift_passed" -eq 0 ] || [ "$python_passed" -eq 0 ]; then
    printf '\nFAILED: %s\n' "${failed[*]:-a runner ended without a count}" >&2
    exit 1
fi
swift_passed=$((simulations_passed + swift_passed))
printf '\n%d tests passed: %d Swift, %d Python\n' $((swift_passed + python_passed)) "$swift_passed" "$python_passed"
