# SPDX-License-Identifier: Apache-2.0
"""Arrays from a producer to a consumer, which looks at one element of each."""

import json
import time

import numpy
from dispel4py.base import ConsumerPE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Arrays(ProducerPE):
    """Emits the windows of a signal, one sample apart; the input says how many and of how many bytes of float64."""

    def _process(self, inputs):
        count, size = inputs["input"]
        length = size // 8
        signal = numpy.arange(count + length, dtype=float)
        for start in range(count):
            self.write("output", signal[start : start + length])


class Look(ConsumerPE):
    """Compares one element of each array with what the array's place in the stream makes it."""

    def _preprocess(self):
        self.items = self.bytes = self.wrong = 0

    def _process(self, array):
        if not self.items:
            self.began = time.monotonic()
        index = self.items % len(array)
        self.wrong += array.item(index) != self.items + index
        self.items += 1
        self.bytes += array.nbytes

    def _postprocess(self):
        if self.items:
            seen = dict(began=self.began, ended=time.monotonic(), items=self.items, total=self.bytes, wrong=self.wrong)
            self.log("BENCH " + json.dumps(seen))


graph = WorkflowGraph()
graph.connect(Arrays(), "output", Look(), "input")
