# SPDX-License-Identifier: Apache-2.0
"""Fills the disk of the run folder, then goes on producing."""
from dispel4py.base import ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Fill(ProducerPE):
    def _process(self, inputs):
        with open("junk", "wb", buffering=0) as junk:
            try:
                while True:
                    junk.write(b"\0" * 4096)
            except OSError:
                pass
        while True:
            self.write("output", "x")


graph = WorkflowGraph()
graph.add(Fill())
