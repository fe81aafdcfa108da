# SPDX-License-Identifier: Apache-2.0
"""Counts words with three splitters and three counters."""
from dispel4py.base import ConsumerPE, IterativePE
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph


class Lines(IterativePE):
    """Gives each line of a text."""

    def _process(self, text):
        for line in text.split("\n"):
            self.write("output", line)


class Split(IterativePE):
    def _process(self, line):
        for word in line.split():
            self.write("output", (word, 1))


class Count(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("output")
        self.counts = {}

    def process(self, inputs):
        word, number = inputs["input"]
        self.counts[word] = self.counts.get(word, 0) + number

    def _postprocess(self):
        for item in self.counts.items():
            self.write("output", item)


class Collect(IterativePE):
    """One instance sees every count."""

    def __init__(self):
        IterativePE.__init__(self)
        self.inputconnections["input"]["grouping"] = "global"

    def _process(self, item):
        return [item[0], item[1]]


lines, split, count, collect = Lines(), Split(), Count(), Collect()
split.numprocesses = 3
count.numprocesses = 3
graph = WorkflowGraph()
graph.connect(lines, "output", split, "input")
graph.connect(split, "output", count, "input")
graph.connect(count, "output", collect, "input")
