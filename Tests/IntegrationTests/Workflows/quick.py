# SPDX-License-Identifier: Apache-2.0
from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class One(ProducerPE):
    def _process(self, inputs):
        return 1


class AddOne(IterativePE):
    def _process(self, number):
        return number + 1


graph = WorkflowGraph()
graph.connect(One(), "output", AddOne(), "input")
