# SPDX-License-Identifier: Apache-2.0
"""A small stream over three ranks, whose source tells when the first datum came."""

import json
import time
from pathlib import Path

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class First(ProducerPE):
    """Writes the time into a file as soon as it is called, then emits as many numbers as its input says."""

    def _process(self, inputs):
        now = time.monotonic()
        asked = inputs["input"]
        file = Path(asked["file"])
        part = file.with_name(file.name + ".part")
        part.write_text(f"{now!r}\n")
        part.rename(file)
        for number in range(asked["count"]):
            self.write("output", number)


class Square(IterativePE):
    def _process(self, number):
        return number * number


class Sum(ConsumerPE):
    """Reports how many it received, and their sum."""

    def _preprocess(self):
        self.items = self.total = 0

    def _process(self, number):
        self.items += 1
        self.total += number

    def _postprocess(self):
        self.log("BENCH " + json.dumps({"items": self.items, "total": self.total}))


graph = WorkflowGraph()
square = Square()
graph.connect(First(), "output", square, "input")
graph.connect(square, "output", Sum(), "input")
