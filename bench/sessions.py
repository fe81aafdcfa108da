# SPDX-License-Identifier: Apache-2.0
"""One session of measuring: its options, its measures one after the other, and what is printed and written of them."""

import argparse
import datetime
import json
import os
import statistics
import sys
from pathlib import Path

import environment
import machine
import programs


def parse_options(description, measures):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, metavar="N", help="pairs of runs of each measure (default 5)")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[m.name for m in measures], help="only these measures")
    parser.add_argument("--short", action="store_true", help="one pair with small sizes; judges results, never speed")
    parser.add_argument("--list", action="store_true", help="list the measures with their goals")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write (default bench/results.json; with --short nowhere)")
    options = parser.parse_args()
    if options.pairs < 1:
        parser.error("--pairs must be at least 1")
    if options.out is None and not options.short:
        options.out = environment.BENCH / "results.json"
    return options


def show_list(measures):
    for measure in measures:
        print(f"{measure.name:31} {measure.goal or '':12} {measure.summary}")
    return 0


def take_all(measures, session, options, section=None):
    """Takes the measures that the options name.

    `section` is where in the results' file they go: what the file has beside stays.
    Returns the exit status: 1 when one failed.
    """
    results = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "short": options.short}
    results |= {"machine": machine.facts(session.weft.program), "measures": {}}
    if not options.short and os.getloadavg()[0] > 1:
        print(f"bench: the load average is {os.getloadavg()[0]:.1f}: other work on this machine will show in the figures.", file=sys.stderr)
    failed = 0
    for measure in measures:
        if options.only and measure.name not in options.only:
            continue
        try:
            with measure.around:
                outcome = take(measure, session, 1 if measure.once or options.short else options.pairs)
            line = "results correct" if options.short else describe(outcome)
        except programs.RunFailed as error:
            print(f"{measure.name}: {error}", file=sys.stderr)
            outcome, line = {"failed": str(error)}, "failed"
            failed += 1
        results["measures"][measure.name] = outcome
        print(f"{measure.name}: {line}", flush=True)
        if options.out:  # After each measure, so that an interrupted session keeps what it has.
            write(options.out, {section: results} if section else results)
    if failed:
        print(f"bench: {failed} of {len(results['measures'])} measures failed; the reasons stand above.", file=sys.stderr)
    return 1 if failed else 0


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


def write(file, results):
    """Puts the results into the file, beside what other sessions left there."""
    before = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**before, **results}, indent=1) + "\n")
