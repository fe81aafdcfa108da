# SPDX-License-Identifier: Apache-2.0
"""Ends its own process with a signal, as a crashing extension would."""
import os
import signal

from dispel4py.base import ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Crash(ProducerPE):
    def _process(self, inputs):
        print("about to crash", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)


graph = WorkflowGraph()
graph.add(Crash())
