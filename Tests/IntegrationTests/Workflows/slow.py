# SPDX-License-Identifier: Apache-2.0
"""Takes a while: each datum costs the middle PE some milliseconds."""
import time

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Numbers(ProducerPE):
    def _process(self, inputs):
        for number in range(inputs.get("count", 100)):
            self.write("output", (number, inputs.get("seconds", 0.05)))


class Wait(IterativePE):
    def _process(self, item):
        number, seconds = item
        time.sleep(seconds)
        print("waited for", number)
        return number


class Sum(IterativePE):
    def __init__(self):
        IterativePE.__init__(self)
        self.inputconnections["input"]["grouping"] = "global"
        self.total = 0

    def _process(self, number):
        self.total += number

    def _postprocess(self):
        self.write("output", self.total)


wait = Wait()
wait.numprocesses = 2
graph = WorkflowGraph()
graph.connect(Numbers(), "output", wait, "input")
graph.connect(wait, "output", Sum(), "input")
