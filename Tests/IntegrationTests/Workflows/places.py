# SPDX-License-Identifier: Apache-2.0
"""Each PE says which host it is on; each datum costs the middle one some milliseconds."""
import socket
import time

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Numbers(ProducerPE):
    def _process(self, inputs):
        print("on", socket.gethostname())
        for number in range(inputs["count"]):
            self.write("output", (number, inputs["seconds"]))


class Wait(IterativePE):
    def _process(self, item):
        print("on", socket.gethostname())
        time.sleep(item[1])
        return item[0]


class Sum(IterativePE):
    def __init__(self):
        IterativePE.__init__(self)
        self.inputconnections["input"]["grouping"] = "global"
        self.total = 0

    def _process(self, number):
        print("on", socket.gethostname())
        self.total += number

    def _postprocess(self):
        self.write("output", self.total)


wait = Wait()
wait.numprocesses = 2
graph = WorkflowGraph()
graph.connect(Numbers(), "output", wait, "input")
graph.connect(wait, "output", Sum(), "input")
