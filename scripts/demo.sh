#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shows Weft at work: sets up, builds, starts a server with a private database, registers the seismology example, runs it on
# four ranks, checks its results and follows one result file back to the waveforms it came from.
#
#   WEFT_DATA   data folder (default ~/.weft-demo; for root /var/lib/weft-demo, where the account of Postgres may enter)
#   KEEP        1: leave the server running at the end, 0: stop it (default 1; 0 when CI is set)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/steps.sh

if [ "$(id -u)" -eq 0 ]; then data=/var/lib/weft-demo; else data=$HOME/.weft-demo; fi
export WEFT_DATA=${WEFT_DATA:-$data}
keep=${KEEP:-$([ -n "${CI:-}" ] && echo 0 || echo 1)}
example=workflows/seismology
graph=demo/seismology
python=.venv/bin/python

# field FILE EXPRESSION: evaluates a Python expression about the JSON document `d`.
field() { "$python" -c "import json, sys; d = json.load(open(sys.argv[1])); print($2)" "$1"; }

# show COMMAND...: prints the command and runs it.
show() {
    printf '%s$ %s%s\n' "$BOLD" "${*/#"$bin"\//}" "$PLAIN"
    "$@"
}

stop_server() {
    local status=$?
    [ "$keep" = 1 ] || "$weft" down || true
    (exit "$status") || name_failure
}

begin "Set-up"
scripts/setup.sh

begin "Build"
swift build
bin=$(swift build --show-bin-path)
weft=$bin/weft

begin "Start the server"
"$weft" down >/dev/null 2>&1 || true # one of an earlier build
trap stop_server EXIT
show "$weft" up

begin "Prepare the data"
inputs=$("$python" $example/prepare.py "$WEFT_DATA/inputs/seismology")
field "$inputs" '"\n".join(item["input"] for item in d["ReadWaveform"])'

begin "Register the graph"
show "$weft" graph register $example/cross_correlation.py --name $graph --requirements $example/requirements.txt

begin "Plan for 4 ranks"
show "$weft" plan $graph -f "$inputs" -n 4

begin "Run on 4 ranks"
run=$("$weft" run submit $graph -f "$inputs" -n 4 --name demo -o name)
printf '%s$ weft run submit %s -f %s -n 4 --name demo --wait%s\n' "$BOLD" $graph "$inputs" "$PLAIN"
"$weft" run wait "$run"
show "$weft" run show "$run"

begin "Check the results"
output=$WEFT_DATA/output
mkdir -p "$output"
"$weft" run results "$run" --limit 0 -o json >"$output/results.json"
"$python" $example/check.py "$output/results.json"

begin "Ask for the provenance"
show "$weft" prov run "$run"
datum=$(field "$output/results.json" 'max(d, key=lambda result: abs(result["value"]["correlation"]))["datum"]')
"$weft" prov trace "$datum" --back --depth 50 -o json >"$output/trace.json"
file=$(field "$output/trace.json" 'd["steps"][0]["datum"]["attributes"]["location"]')
printf '\nThe strongest correlation is in %s. Where did it come from?\n' "$file"
[ -s "$file" ]
printf '%s$ weft prov trace %s --back --depth 50%s\n' "$BOLD" "$datum" "$PLAIN"
"$weft" prov trace "$datum" --back --depth 50 >"$output/trace.txt"
head -n 19 "$output/trace.txt"
printf '… %d more lines in %s. The inputs at the end of them:\n' $(($(wc -l <"$output/trace.txt") - 19)) "$output/trace.txt"
origins=$(field "$output/trace.json" \
    '"\n".join(sorted({s["datum"]["attributes"]["value"]["input"] for s in d["steps"] if s["datum"]["port"] == "input"}))')
[ -n "$origins" ]
printf '%s\n' "$origins"

print_times
printf '\nRun %s: %s\n' "$run" "$("$weft" run show "$run" -o json | "$python" -c 'import json, sys; print(json.load(sys.stdin)["state"])')"

[ "$keep" = 1 ] || exit 0
cat <<END

The server is still running. To go on:

    export WEFT_DATA=$WEFT_DATA PATH=$bin:\$PATH
    weft run list
    weft run logs $run
    weft graph draw $graph
    weft run submit $graph -f $inputs -n 2 --wait     # the same results on another number of ranks
    weft prov data $run --pe WriteCorrelation9
    weft --help

Other examples: workflows/text_statistics, workflows/climatology. To stop the server:

    weft down --data $WEFT_DATA
END
