# SPDX-License-Identifier: Apache-2.0
"""A producer that is much faster than its consumer: 300 MB in all."""
import time

from dispel4py.base import ConsumerPE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Flood(ProducerPE):
    def _process(self, inputs):
        for number in range(3000):
            self.write("output", bytes(100_000))


class Drink(ConsumerPE):
    def __init__(self):
        ConsumerPE.__init__(self)
        self.inputconnections["input"]["grouping"] = "global"

    def _process(self, data):
        time.sleep(0.001)


graph = WorkflowGraph()
graph.connect(Flood(), "output", Drink(), "input")
