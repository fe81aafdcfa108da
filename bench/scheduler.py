#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Weft's scheduler by `weft simulate`: that it gives the reference schedules, how its default policy compares with EASY
on logs of two machines, how well run times are foretold there, and how long a million jobs take.

Prints `name: value` lines, progress on standard error, and writes everything to a JSON file. The short form takes one log
and one seed, and looks at results only: it fails when a schedule is not the reference's or a job never starts.
"""

import functools
import hashlib
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import decisions
import programs
import sessions
from measures import Measure, Session
from programs import RunFailed
from simulations import simulate
from workloads import KTH, LOGS, NODE_MEMORY, write_large

#: Names of the reference schedules, and what gives them.
REFERENCE = {
    "fcfs": ("--policy", "fcfs"),
    "easy": ("--policy", "easy"),
    "easy_sjbf": ("--policy", "easy_sjbf"),
    "easypp_tsafrir_reqtime": ("--policy", "easy++"),
    "easy_sjbf_oracle": ("--policy", "easy_sjbf", "--predictor", "oracle"),
    "wfp3_tsafrir_g24h_t72h": ("--policy", "wfp3"),
    "conservative": ("--policy", "conservative"),
}
#: Forecasts are measured under EASY, as others measured theirs.
DEFAULT, EASY = ("--policy", "weft"), ("--policy", "easy")


def logs(session):
    return (KTH,) if session.short else LOGS


def reference_schedules(session, index):
    """Part of all jobs that are in a schedule whose every start is the reference's."""
    jobs, equal, sample, wrong = 0, 0, {}, []
    for log in logs(session):
        trace = session.folder / f"{log.name}.swf"
        count, known = log.write(trace), log.schedules()
        for name, options in REFERENCE.items():
            out = session.folder / "schedule"
            simulate(session.weft, trace, count, "--out", out, *options)
            found = hashlib.sha256((out / "schedule.csv").read_bytes()).hexdigest()
            jobs += count
            equal += count if found == known[name] else 0
            sample[f"{log.name}/{name}"] = found
            wrong += [f"{log.name}/{name}"] if found != known[name] else []
    if wrong:
        raise RunFailed(f"{equal} of {jobs} jobs are in schedules that are the reference's; these differ from it: {', '.join(wrong)}.")
    return equal / jobs, {"sha256": sample}


@functools.cache
def compared(weft, folder, log, seed):
    """Figures of EASY with the users' limits and of Weft's default, on the same shaken log."""
    trace = folder / f"{log.name}-{seed}.swf"
    count = log.write(trace, seed)
    easy, default = (simulate(weft, trace, count, *options).metrics for options in (EASY, DEFAULT))
    trace.unlink()
    return easy, default


@dataclass(frozen=True)
class Figure:
    """What is told of each log, and of the one where it is worst."""

    name: str
    goal: str
    summary: str
    #: Of the figures of EASY and of the default.
    value: Callable[[dict, dict], float]
    worst: Callable = max

    def measures(self, short):
        taken = (KTH,) if short else LOGS
        yield Measure(self.name, self.goal, f"{self.summary}; the worse log of each seed", self.pair(taken))
        for log in taken:
            yield Measure(f"{self.name}_{log.name}", self.goal, f"{self.summary}; {log.name}", self.pair((log,)))

    def pair(self, taken):
        def pair(session, index):
            values = {log.name: self.value(*compared(session.weft, session.folder, log, index + 1)) for log in taken}
            return self.worst(values.values()), {"seed": index + 1, **{name: round(value, 5) for name, value in values.items()}}

        return pair


def ratio(key):
    return lambda easy, default: default[key] / easy[key]


def of_default(key):
    return lambda easy, default: default[key]


def off_by_most(values):
    return max(values, key=lambda value: abs(value - 0.95))


FIGURES = [
    Figure("bsld_ratio", "<= 0.60", "mean bounded slowdown over EASY's", ratio("mean_bounded_slowdown")),
    Figure("wait_ratio", "<= 0.85", "mean wait over EASY's", ratio("mean_wait")),
    Figure("max_wait_ratio", "<= 1.5", "longest wait over EASY's", ratio("maximum_wait")),
    Figure("utilisation_points", ">= -0.5", "use of the machine less EASY's, in points of a hundred",
           lambda easy, default: 100 * (default["utilisation"] - easy["utilisation"]), min),
    Figure("promises_broken", "<= 0.01", "part of the jobs that started later than promised", of_default("broken_promises")),
    Figure("prediction_median_error", "<= 0.45", "median of |foretold - true| / true run time", of_default("median_prediction_error")),
    Figure("prediction_area_error", "<= 0.65", "the errors over the run times, both times ranks and summed",
           of_default("weighted_prediction_error")),
    Figure("p95_coverage", "0.93 to 0.97", "part of the jobs that ran no longer than their 95th percentile",
           of_default("p95_coverage"), off_by_most),
]


@functools.cache
def forecast(weft, folder, log):
    """How good the forecasts of waits were under EASY, on the log as it is."""
    trace = folder / f"{log.name}.swf"
    return simulate(weft, trace, log.write(trace), "--forecast", *EASY).metrics["forecasts"]


def forecasts(log, key):
    def once(session, index):
        figures = forecast(session.weft, session.folder, log)
        return figures[key], figures

    return once


@functools.cache
def large(weft, folder, short, options, index):
    """One run of the large trace, for the measures of time and of memory."""
    jobs, nodes = (10_000, 1000) if short else (1_000_000, 10_000)
    trace = folder / "large.swf"
    if not trace.exists():
        write_large(trace, jobs, nodes)
    return simulate(weft, trace, jobs, "--nodes", nodes, "--node-memory", NODE_MEMORY, *options)


def million(options, value):
    def pair(session, index):
        ended = large(session.weft, session.folder, session.short, options, index)
        return value(ended), ended.sample()

    return pair


def of_passes(kind, key):
    def pair(session, index):
        figures = decisions.passes(index)[kind]
        return figures[key], figures

    return pair


def of_storage(key):
    def pair(session, index):
        figures = decisions.through_storage(session.weft, session.folder, index)
        return figures[key], figures

    return pair


DECISIONS = [
    Measure("decisions_per_s", ">= 20000", "starts decided in a second of passes, with 10,000 nodes and 100,000 queued",
            of_passes(0, "starts_per_second")),
    Measure("pass_p99_ms", "<= 5", "a pass among a hundred takes longer", of_passes(0, "pass_p99_ms")),
    Measure("decisions_per_s_memory", None, "the same where memory decides what fits", of_passes(1, "starts_per_second")),
    Measure("pass_p99_ms_memory", "<= 5", "likewise", of_passes(1, "pass_p99_ms")),
    Measure("starts_per_s", ">= 500", "starts decided and stored in Postgres, 100,000 queued; from nothing on", of_storage("starts_per_second")),
    Measure("restart_seconds", "<= 10", "from nothing to the first stored decisions, 100,000 queued", of_storage("restart_seconds")),
]


def measures(short):
    yield Measure("oracle_schedules", ">= 1", "part of the jobs that start as in the reference schedules", reference_schedules, once=True)
    for figure in FIGURES:
        yield from figure.measures(short)
    for log in (KTH,) if short else LOGS:
        yield Measure(f"wait_coverage_{log.name}", "0.94 to 0.97", f"part of the jobs that waited no longer than their bound; {log.name}",
                      forecasts(log, "coverage"), once=True)
        yield Measure(f"wait_bound_{log.name}", "<= 4.5", f"median of bound / wait; {log.name}", forecasts(log, "median_bound"), once=True)
    for suffix, options, whose in (("", DEFAULT, "the default policy"), ("_easy", EASY, "EASY")):
        yield Measure(f"simulate_million_seconds{suffix}", "<= 10", f"wall time of 1,000,000 jobs on 10,000 nodes with memory, {whose}",
                      million(options, lambda ended: ended.wall))
        yield Measure(f"simulate_million_inside{suffix}", None, "the part of it that the simulation takes, without reading the trace",
                      million(options, lambda ended: ended.inside))
        yield Measure(f"simulate_million_MB{suffix}", "<= 1000", "its peak resident memory", million(options, lambda ended: ended.memory))
    if not short:
        yield from DECISIONS


def main():
    options = sessions.parse_options(__doc__, list(measures(short=False)))
    taken = list(measures(options.short))
    if options.list:
        return sessions.show_list(taken)
    weft = programs.find_weft(("weft",), knows=("simulate", "--predictor"), made_by="bench-scheduler")
    # What was started is ended also when this is.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)  # The database's account passes through.
        return sessions.take_all(taken, Session(weft, None, options.short, folder), options, section="scheduler")


if __name__ == "__main__":
    sys.exit(main())
