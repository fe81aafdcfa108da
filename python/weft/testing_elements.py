# SPDX-License-Identifier: Apache-2.0
"""PEs to try graphs with, as dispel4py.examples.graph_testing.testing_PEs names them."""

import random
import time

from weft.elements import GROUPING, NAME, TYPE, GenericPE  # noqa: F401


class TestProducer(GenericPE):
    """Writes 1, 2, 3 … to each of its outputs: `output`, or `output0` … where there are several."""

    __test__ = False  # Not a test of pytest's.

    def __init__(self, numOutputs=1):
        GenericPE.__init__(self)
        for name in ["output"] if numOutputs == 1 else [f"output{i}" for i in range(numOutputs)]:
            self._add_output(name, tuple_type=["number"])
        self.counter = 0
        self.outputnames = list(self.outputconnections)

    def _process(self, inputs):
        self.counter += 1
        return dict.fromkeys(self.outputnames, self.counter)


class NumberProducer(GenericPE):
    """Writes `call:0`, `call:1` …, as many as it is told, in each call."""

    def __init__(self, numIterations=1):
        GenericPE.__init__(self)
        self._add_output("output", tuple_type=["number"])
        self.counter = 0
        self.numIterations = numIterations

    def process(self, inputs):
        self.counter += 1
        for i in range(self.numIterations):
            self.write("output", f"{self.counter}:{i}")


class _OneInOneOut(GenericPE):
    __test__ = False

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output", tuple_type=["number"])


class TestOneInOneOut(_OneInOneOut):
    """Returns what it gets."""

    def process(self, inputs):
        return {"output": inputs["input"]}


class TestDelayOneInOneOut(_OneInOneOut):
    """Returns what it gets, after a number of seconds."""

    def __init__(self, delay=1):
        _OneInOneOut.__init__(self)
        self.delay = delay

    def process(self, inputs):
        time.sleep(self.delay)
        return {"output": inputs["input"]}


class TestOneInOneOutWriter(_OneInOneOut):
    """Writes what it gets."""

    def process(self, inputs):
        self.write("output", inputs["input"])


class TestTwoInOneOut(GenericPE):
    """Returns as text what it gets from either input."""

    __test__ = False

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input0")
        self._add_input("input1")
        self._add_output("output", tuple_type=["result"])

    def process(self, inputs):
        text = "".join(str(inputs[name]) for name in self.inputconnections if name in inputs)
        return {"output": text} if text else None


class TestMultiProducer(GenericPE):
    """Writes 0, 1, 2 …, as many as it is told, in each call."""

    __test__ = False

    def __init__(self, num_output=10):
        GenericPE.__init__(self)
        self._add_output("output")
        self.num_output = num_output

    def _process(self, inputs):
        for i in range(self.num_output):
            self.write("output", i)


class RandomFilter(GenericPE):
    """Drops about half of what it gets."""

    input_name = "input"

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output", tuple_type=["word"])

    def process(self, inputs):
        return {"output": inputs["input"]} if random.random() < 0.5 else None


class WordCounter(GenericPE):
    """Returns each word, the first part of a datum, with how often it has come."""

    input_name = "input"
    output_name = "output"
    stateful = True

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("output", tuple_type=["word", "count"])
        self.mywords = {}

    def process(self, inputs):
        word = inputs["input"][0]
        self.mywords[word] = self.mywords.get(word, 0) + 1
        return {"output": [word, self.mywords[word]]}


class RandomWordProducer(GenericPE):
    """Writes one of its words, as a list."""

    words = ["Dispel4Py", "Earthquake", "Computing", "Seismology", "Modelling", "Analysis", "Infrastructure"]

    def __init__(self):
        GenericPE.__init__(self)
        self._add_output("output", tuple_type=["word"])

    def process(self, inputs=None):
        return {"output": [random.choice(self.words)]}


class ProvenanceLogger(GenericPE):
    """Logs the beginning of what it gets."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("metadata")

    def process(self, inputs):
        self.log(f"Logging metadata: {str(inputs['metadata'])[:300]}")
