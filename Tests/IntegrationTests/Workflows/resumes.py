# SPDX-License-Identifier: Apache-2.0
"""Fails at the item whose number stands in a file, and goes on once it is taken out."""
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
        return self.total


def flow(last):
    graph, read, work = WorkflowGraph(), Read(), Work()
    work.numprocesses = 2
    graph.connect(read, "output", work, "input")
    graph.connect(work, "output", last, "input")
    return graph


results = flow(Keep())
totals = flow(Total())
