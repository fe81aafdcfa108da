# SPDX-License-Identifier: Apache-2.0
"""Passes numbers on slowly, over as many ranks as there are, and says which host each was on."""
import socket
import time

from dispel4py.base import IterativePE
from dispel4py.workflow_graph import WorkflowGraph


class Count(IterativePE):
    """For an item {"to": N, "seconds": S}: the numbers below N, one every S seconds."""

    def _process(self, item):
        for number in range(item["to"]):
            self.write("output", [number, item["seconds"]])


class Place(IterativePE):
    def __init__(self):
        IterativePE.__init__(self)
        self.inputconnections["input"]["grouping"] = [0]

    def _process(self, given):
        number, seconds = given
        time.sleep(seconds)
        return [number, socket.gethostname()]


graph = WorkflowGraph()
place = Place()
place.numprocesses = 5
graph.connect(Count(), "output", place, "input")
