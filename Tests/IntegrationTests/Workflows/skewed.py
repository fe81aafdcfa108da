# SPDX-License-Identifier: Apache-2.0
"""One PE takes most of the time; the last one keeps a sum that it does not declare."""
import time

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Numbers(ProducerPE):
    def _process(self, inputs):
        for number in range(40):
            self.write("output", number)


class Slow(IterativePE):
    def _process(self, number):
        time.sleep(0.01)
        return number


class Sum(IterativePE):
    def __init__(self):
        IterativePE.__init__(self)
        self.total = 0

    def _process(self, number):
        self.total += number

    def _postprocess(self):
        self.write("output", self.total)


numbers, slow, total = Numbers(), Slow(), Sum()
graph = WorkflowGraph()
graph.connect(numbers, "output", slow, "input")
graph.connect(slow, "output", total, "input")
