# SPDX-License-Identifier: Apache-2.0
from dispel4py.base import ConsumerPE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Functions(ProducerPE):
    def _process(self, inputs):
        return lambda: None


class Take(ConsumerPE):
    def __init__(self):
        ConsumerPE.__init__(self)
        self.inputconnections["input"]["grouping"] = "global"

    def _process(self, value):
        pass


graph = WorkflowGraph()
graph.connect(Functions(), "output", Take(), "input")
