# SPDX-License-Identifier: Apache-2.0
"""Writes as fast as it can, for ever, beside a process that has cast off its environment."""
import subprocess

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Endless(ProducerPE):
    def _process(self, inputs):
        stray = subprocess.Popen(["/bin/sleep", "1000"], env={}, start_new_session=True)
        print("stray", stray.pid)
        number = 0
        while True:
            self.write("output", number)
            number += 1


class AddOne(IterativePE):
    def _process(self, number):
        if number < 0:
            return number


graph = WorkflowGraph()
graph.connect(Endless(), "output", AddOne(), "input")
