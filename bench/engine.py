#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Weft's engine against dispel4py's mpi mapping: the same graph files, in turn, in one session on one machine.

Prints `name: value` lines, progress on standard error, and writes everything to a JSON file. The short form looks at
results only: it fails when a count, a sum or a key is wrong, and judges no speed.
"""

import argparse
import datetime
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import environment
import machine
import programs
from measures import MEASURES, Session


def main():
    options = parse_options()
    if options.list:
        for measure in MEASURES:
            print(f"{measure.name:24} {measure.goal or '':8} {measure.summary}")
        return 0
    weft = programs.find_weft()
    environment.prepare()
    results = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "short": options.short}
    results |= {"machine": machine.facts(weft.program), "measures": {}}
    if not options.short and os.getloadavg()[0] > 1:
        print(f"bench: the load average is {os.getloadavg()[0]:.1f}: other work on this machine will show in the figures.", file=sys.stderr)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder:
        session = Session(weft, programs.Peer(), options.short, Path(folder))
        for measure in MEASURES:
            if options.only and measure.name not in options.only:
                continue
            try:
                outcome = take(measure, session, 1 if measure.once or options.short else options.pairs)
                line = "results correct" if options.short else describe(outcome)
            except programs.RunFailed as error:
                print(f"{measure.name}: {error}", file=sys.stderr)
                outcome, line = {"failed": str(error)}, "failed"
                failed += 1
            results["measures"][measure.name] = outcome
            print(f"{measure.name}: {line}", flush=True)
            if options.out:  # After each measure, so that an interrupted session keeps what it has.
                options.out.write_text(json.dumps(results, indent=1) + "\n")
    if failed:
        print(f"bench: {failed} of {len(results['measures'])} measures failed; the reasons stand above.", file=sys.stderr)
    return 1 if failed else 0


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, metavar="N", help="pairs of runs of each measure (default 5)")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[m.name for m in MEASURES], help="only these measures")
    parser.add_argument("--short", action="store_true", help="one pair with small sizes; judges results, never speed")
    parser.add_argument("--list", action="store_true", help="list the measures with their goals")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write (default bench/results.json; with --short nowhere)")
    options = parser.parse_args()
    if options.pairs < 1:
        parser.error("--pairs must be at least 1")
    if options.out is None and not options.short:
        options.out = environment.BENCH / "results.json"
    return options


def take(measure, session, pairs):
    values, samples = [], []
    for index in range(pairs):
        load = os.getloadavg()[0]
        value, sample = measure.pair(session, index)
        print(f"  {measure.name} {index + 1}/{pairs}: {value:.4g}  {json.dumps(sample)}", file=sys.stderr, flush=True)
        values.append(value)
        samples.append({**sample, "load_before": round(load, 2)})
    median = statistics.median(values)
    outcome = {"median": median, "min": min(values), "max": max(values), "goal": measure.goal, "met": measure.met(median)}
    return {**outcome, "values": values, "samples": samples}


def describe(outcome):
    line = f"{outcome['median']:.4g} (min {outcome['min']:.4g}, max {outcome['max']:.4g}"
    if outcome["goal"]:
        line += f", goal {outcome['goal']}: {'met' if outcome['met'] else 'missed'}"
    return line + ")"


if __name__ == "__main__":
    sys.exit(main())
