# SPDX-License-Identifier: Apache-2.0
"""Fails at the item whose number stands in a file, and goes on once it is taken out.

It fails when there is a file `.now` beside that one, and waits for it.
"""
import os
import time

from dispel4py.base import IterativePE
from dispel4py.workflow_graph import WorkflowGraph


class Read(IterativePE):
    """Gives each number twice."""

    def _process(self, item):
        for part in "ab":
            self.write("output", (item["number"], part, item["broken"]))


class Work(IterativePE):
    def _process(self, datum):
        number, part, broken = datum
        with open(broken) as file:
            if part == "b" and file.read() == str(number):
                until = time.monotonic() + 60
                while not os.path.exists(broken + ".now") and time.monotonic() < until:
                    time.sleep(0.01)
                raise ValueError(f"item {number} is broken")
        time.sleep(0.002)
        return [number, part]


class Keep(IterativePE):
    def _process(self, result):
        return result


class Total(IterativePE):
    """Keeps what it was given, as resuming cannot."""

    total = 0

    def _process(self, result):
        self.total += result[0]
        return result


class Snapshots:
    snapshot_every = 0.05

    def snapshot(self):
        return self.kept

    def restore(self, kept):
        self.kept = kept


class Sum(Snapshots, IterativePE):
    """Passes on what it is given, with the sum so far; and the sum at the end."""

    def _preprocess(self):
        self.kept = 0
        self.write("output", ["begun", 0])

    def _process(self, result):
        self.kept += result[0]
        return [result, self.kept]

    def _postprocess(self):
        self.write("output", ["sum", self.kept])


class Count(Snapshots, IterativePE):
    """How often it was given each part, at the end."""

    def __init__(self):
        IterativePE.__init__(self)
        self.inputconnections["input"]["grouping"] = [0]
        self.numprocesses = 2

    def _preprocess(self):
        self.kept = {}

    def _process(self, given):
        self.kept[given[0]] = self.kept.get(given[0], 0) + 1

    def _postprocess(self):
        for item in self.kept.items():
            self.write("output", list(item))


class SlowWork(Work):
    def _process(self, datum):
        time.sleep(0.004)
        return Work._process(self, datum)


class ByPart(IterativePE):
    def _process(self, given):
        if given[0] == "sum":
            return None
        return given if given[0] == "begun" else [given[0][1], given[0][0]]


def flow(last, work=Work):
    graph, read, work = WorkflowGraph(), Read(), work()
    work.numprocesses = 2
    graph.connect(read, "output", work, "input")
    graph.connect(work, "output", last, "input")
    return graph


results = flow(Keep())
totals = flow(Total())

total, by_part, count = Sum(), ByPart(), Count()
saved = flow(total, SlowWork)
saved.connect(total, "output", Keep(), "input")
saved.connect(total, "output", by_part, "input")
saved.connect(by_part, "output", count, "input")
