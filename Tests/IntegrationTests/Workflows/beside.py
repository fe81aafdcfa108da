# SPDX-License-Identifier: Apache-2.0
"""Imports a module beside it, and reads and writes files of the folder it is run in."""
import beside_helper
from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Read(ProducerPE):
    def _process(self, inputs):
        with open("numbers.txt") as file:
            for line in file:
                self.write("output", int(line))


class Write(IterativePE):
    def _process(self, number):
        with open(f"square-{number}.txt", "w") as file:
            file.write(str(beside_helper.square(number)))
        return number


graph = WorkflowGraph()
graph.connect(Read(), "output", Write(), "input")
