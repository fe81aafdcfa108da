# SPDX-License-Identifier: Apache-2.0
"""A PE that goes on without the data it cannot process."""
from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Numbers(ProducerPE):
    def _process(self, inputs):
        for number in range(10):
            self.write("output", number)


class Invert(IterativePE):
    on_error = "skip"

    def _process(self, number):
        return 1 / (number % 4)


graph = WorkflowGraph()
graph.connect(Numbers(), "output", Invert(), "input")
