# SPDX-License-Identifier: Apache-2.0
"""Graphs whose cost depends on their input in different ways. Choose one by its name: `--graph NAME`."""

import json
import time

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

WORDS = 12


class Source(ProducerPE):
    """Emits so many data, each of them with the second number."""

    def _process(self, inputs):
        count, size = inputs["input"]
        for _ in range(count):
            self.write("output", size)


class Compute(IterativePE):
    """Computes for so many milliseconds."""

    stateful = False

    def _process(self, milliseconds):
        end = time.perf_counter() + milliseconds / 1e3
        while time.perf_counter() < end:
            pass
        return 1


class Grid(IterativePE):
    """Fills a grid, and sums it up."""

    stateful = False

    def _process(self, side):
        grid = [[row * column % 7 for column in range(side)] for row in range(side)]
        return sum(map(sum, grid))


class Held(ConsumerPE):
    """Keeps a block of memory for each datum to the end."""

    def _preprocess(self):
        self.blocks = []

    def _process(self, total):
        self.blocks.append(bytearray(b"x") * 300_000)

    def _postprocess(self):
        report(self, len(self.blocks))


class Text(ProducerPE):
    """Emits so many lines."""

    def _process(self, inputs):
        for line in range(inputs["input"]):
            self.write("output", " ".join([f"word{(line * 7 + place) % 997}" for place in range(WORDS)]))


class Split(IterativePE):
    stateful = False

    def _process(self, line):
        for word in line.split():
            self.write("output", (word, 1))


class Count(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("output")

    def _preprocess(self):
        self.counts = {}

    def process(self, inputs):
        word, count = inputs["input"]
        self.counts[word] = self.counts.get(word, 0) + count

    def _postprocess(self):
        for item in self.counts.items():
            self.write("output", item)


class Total(ConsumerPE):
    def _preprocess(self):
        self.items = 0

    def _process(self, datum):
        self.items += datum[1] if isinstance(datum, tuple) else datum

    def _postprocess(self):
        report(self, self.items)


def report(pe, items):
    pe.log("BENCH " + json.dumps({"items": items}))


def chain(*elements):
    graph = WorkflowGraph()
    for source, destination in zip(elements, elements[1:]):
        graph.connect(source, "output", destination, "input")
    return graph


compute = chain(Source(), Compute(), Total())
grids = chain(Source(), Grid(), Held())
words = chain(Text(), Split(), Count(), Total())
