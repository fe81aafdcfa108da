# SPDX-License-Identifier: Apache-2.0
from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Numbers(ProducerPE):
    def _process(self, inputs):
        for number in range(10):
            self.write("output", number)


class Invert(IterativePE):
    def __init__(self):
        IterativePE.__init__(self)
        self.inputconnections["input"]["grouping"] = "global"

    def _process(self, number):
        self.log("inverting %d" % number)
        return 1 / (number - 7)


graph = WorkflowGraph()
graph.connect(Numbers(), "output", Invert(), "input")
