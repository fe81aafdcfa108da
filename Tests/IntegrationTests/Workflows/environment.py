# SPDX-License-Identifier: Apache-2.0
"""Says what a variable of its environment holds."""
import os

from dispel4py.base import IterativePE
from dispel4py.workflow_graph import WorkflowGraph


class Ask(IterativePE):
    def _process(self, name):
        return os.environ.get(name)


graph = WorkflowGraph()
graph.add(Ask())
