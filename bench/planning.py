#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what Weft learns from runs that ended: how far what it expected of the next runs was off, and how much faster a second
run is that is planned by the first, than one whose ranks are split equally over the PEs.

Prints `name: value` lines, progress on standard error, and writes everything to a JSON file. The short form looks at results only.
"""

import contextlib
import json
import shutil
import signal
import statistics
import sys
import tempfile
from functools import cache, partial
from pathlib import Path

import environment
import programs
import sessions
import sites
from measures import Measure, Session

SUITE = environment.BENCH / "graphs" / "costs.py"
STREAMS = environment.BENCH / "graphs" / "streams.py"
#: Inputs of the suite, by graph, in an order in which small and large alternate. Nothing is expected of the first run of each.
INPUTS = {
    "compute": [{"input": [items, milliseconds]} for items, milliseconds in
                [(120, 20), (450, 10), (60, 30), (900, 10), (270, 25), (1200, 5), (180, 40), (750, 16), (360, 30)]],
    "words": [{"input": lines} for lines in [20_000, 80_000, 10_000, 150_000, 50_000, 250_000, 30_000, 120_000, 200_000]],
    "grids": [{"input": [grids, side]} for grids, side in
              [(40, 200), (160, 200), (80, 200), (320, 200), (60, 200), (240, 200), (400, 200), (120, 200), (280, 200)]],
}
SOURCES = {"words": "Text"}
#: Ranks, and items of input, of the graphs whose PEs cost differently.
SKEWED = {"skewed": (8, 300), "skewed_fan_out": (14, 200), "skewed_deep": (14, 300)}
BALANCED = (8, 600)


class Planned(sites.Site):
    """A server that has seen no run."""

    def __init__(self):
        super().__init__()
        self.suite = cache(self.take_suite)

    def settings(self):
        python = environment.PYTHON if environment.PYTHON.exists() else sys.executable
        return {**super().settings(), "WEFT_PYTHON_INTERPRETER": str(python), "WEFT_LOCAL_SLOTS": "32"}

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder.mkdir()
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            data = self.folder / "data"
            self.server = {**self.variables, "WEFT_DATA": str(data), "XDG_CONFIG_HOME": str(self.folder / "config")}
            stack.callback(self.end, [self.weft.program, "down", "--data", data], self.server)
            self.call([self.weft.program, "up", "--data", data], {**self.server, **self.settings()})
            self.stack = stack.pop_all()
        return self

    def register(self, file, graph):
        name = f"bench/{graph.replace('_', '-')}"
        self.command("graph", "register", file, "--name", name, "--graph", graph)
        return name

    def run(self, name, items, *options):
        """A run that succeeded, with what was expected of it, and what its PEs reported."""
        inputs = self.folder / "inputs.json"
        inputs.write_text(json.dumps(items))
        run = self.command("run", "submit", name, "-f", inputs, "--memory", 512, "-o", "name", *options).strip()
        self.command("run", "wait", run, "--timeout", 200)
        shown = json.loads(self.command("run", "show", run, "-o", "json"))
        reports = [json.loads(text) for text in programs.REPORT.findall(self.command("run", "logs", run))]
        return shown, programs.merge(reports)

    # ---- what was expected

    def take_suite(self, short):
        """Of each run of which something was expected: what, and what it came to, by kind."""
        figures = []
        for graph, inputs in INPUTS.items():
            name = self.register(SUITE, graph)
            for index, item in enumerate(inputs[:3] if short else inputs):
                run, report = self.run(name, {SOURCES.get(graph, "Source"): [item]}, "-n", 2)
                if not report.get("items"):
                    raise programs.RunFailed(f"the run {run['id']} of {graph} reported no items.")
                expected = {found["kind"]: found for found in run.get("predictions", []) if "element" not in found}
                figure = {"graph": graph, "input": item, **{
                    kind: {key: round(found[key], 3) for key in ("p50", "p95", "actual")} for kind, found in expected.items()}}
                if ("memory_per_rank" in expected) != (index > 0):
                    raise programs.RunFailed(f"the run {index + 1} of {graph} has the expectations {expected}.")
                print(f"  {json.dumps(figure)}", file=sys.stderr, flush=True)
                figures.append(figure)
        return [figure for figure in figures if "memory_per_rank" in figure]

    def error(self, kind, session, index):
        """Median of the relative errors, and how many runs were above their p95."""
        figures = [figure[kind] for figure in self.suite(session.short)]
        errors = [abs(figure["p50"] - figure["actual"]) / figure["actual"] for figure in figures]
        above = sum(figure["actual"] > figure["p95"] for figure in figures)
        return statistics.median(errors), {"runs": len(figures), "above_p95": above, "largest": round(max(errors), 4)}

    # ---- ranks by what a first run cost

    def ratio(self, graph, ranks, items, session, index):
        """The first run has its ranks split equally; the second one is planned by it."""
        name = self.register(STREAMS, graph)
        count = 40 if session.short else items
        options = ["-n", ranks, "--layout", "spread"]
        equal = self.folder / "equal.json"
        planned = json.loads(self.command("plan", name, *options, "--no-history", "-o", "json"))
        cost = {"calls": 1000, "items_out": 1000, "seconds_per_call": 0.005, "stateful": False}
        equal.write_text(json.dumps({"format": 1, "elements": {element: cost for element in planned["elements"]}}))
        first, split = self.run(name, count, *options, "--costs", equal)
        second, learned = self.run(name, count, *options)
        if not any("learned from" in reason for reason in second["plan"]["reasons"]):
            raise programs.RunFailed(f"the run {second['id']} was not planned by {first['id']}.")
        if split["items"] != learned["items"]:
            raise programs.RunFailed(f"{graph} gave {split['items']} items, and {learned['items']} by costs.")
        times = [report["ended"] - report["began"] for report in (split, learned)]
        workers = [[stage["workers"] for stage in run["plan"]["stages"]] for run in (first, second)]
        return times[0] / times[1], {"seconds": [round(time, 3) for time in times], "workers": workers}


PLANNED = Planned()
MEASURES = [
    Measure("run_time_error", "<= 0.15", "median error of the run time expected, 24 runs of three graphs", partial(PLANNED.error, "run_time"),
            once=True, around=PLANNED),
    Measure("memory_error", "<= 0.05", "the same of the memory of a rank", partial(PLANNED.error, "memory_per_rank"), once=True,
            around=PLANNED),
    *[Measure(f"{graph}_second_run", ">= 2", f"the equal split over the second run, {ranks} ranks: times",
              partial(PLANNED.ratio, graph, ranks, items), around=PLANNED) for graph, (ranks, items) in SKEWED.items()],
    Measure("balanced_second_run", ">= 0.98", "the same where each PE waits 5 ms", partial(PLANNED.ratio, "balanced", *BALANCED),
            around=PLANNED),
]


def main():
    options = sessions.parse_options(__doc__, MEASURES)
    if options.list:
        return sessions.show_list(MEASURES)
    weft = programs.find_weft()
    # What was started is ended also when this is.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)  # The database's account passes through.
        PLANNED.prepare(weft, folder / "planned")
        return sessions.take_all(MEASURES, Session(weft, None, options.short, folder), options, section="planning")


if __name__ == "__main__":
    sys.exit(main())
