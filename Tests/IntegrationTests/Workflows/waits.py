# SPDX-License-Identifier: Apache-2.0
"""Says that it runs, and never ends."""
import time

from dispel4py.base import ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Wait(ProducerPE):
    def _process(self, inputs):
        open("running", "w").close()
        while True:
            time.sleep(1)


graph = WorkflowGraph()
graph.add(Wait())
