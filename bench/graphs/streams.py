# SPDX-License-Identifier: Apache-2.0
"""Graphs of small data. Choose one by its name: `-a NAME` with dispel4py, `--graph NAME` with Weft.

The PEs report what they saw in lines that begin with BENCH. Times are of the machine's one monotonic clock, so the times
of different processes can be compared.
"""

import json
import time

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

KEYS = 1000
WORDS_A_LINE = 10


class Integers(ProducerPE):
    """Emits 0, 1, 2 ... as many as its input says."""

    def _process(self, inputs):
        for number in range(inputs["input"]):
            self.write("output", number)


class AddOne(IterativePE):
    def _process(self, number):
        return number + 1


class Double(IterativePE):
    def _process(self, number):
        return number * 2


class Pass(IterativePE):
    def _process(self, datum):
        return datum


class Sum(ConsumerPE):
    """Adds up what it receives, and reports it with the time from the first datum to the end."""

    def _preprocess(self):
        self.items = self.total = 0

    def _process(self, number):
        if not self.items:
            self.began = time.monotonic()
        self.items += 1
        self.total += number

    def _postprocess(self):
        if self.items:
            self.log("BENCH " + json.dumps(dict(began=self.began, ended=time.monotonic(), items=self.items, total=self.total)))


def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


class Work(IterativePE):
    """Computes for the given time on each datum."""

    def __init__(self, seconds):
        IterativePE.__init__(self)
        self.seconds = seconds

    def _process(self, datum):
        spin(self.seconds)
        return datum


class SlowSum(Sum):
    """A hundred times slower than a PE that adds one. Tells when it has seen 100,000 data."""

    def _process(self, number):
        Sum._process(self, number)
        spin(1e-5)
        if self.items == 100_000:
            self.log("BENCH " + json.dumps(dict(settled=time.monotonic())))


class SleepFirst(ProducerPE):
    """Sleeps as long as its input says, then emits 0."""

    def _process(self, inputs):
        time.sleep(inputs["input"])
        return 0


class Wait(IterativePE):
    """Waits for the given time on each datum."""

    def __init__(self, seconds):
        IterativePE.__init__(self)
        self.seconds = seconds

    def _process(self, datum):
        time.sleep(self.seconds)
        return datum


class WaitingSource(ProducerPE):
    """Emits 1 after a wait, once for each item of input."""

    def __init__(self, seconds):
        ProducerPE.__init__(self)
        self.seconds = seconds

    def _process(self, inputs):
        time.sleep(self.seconds)
        return 1


class WaitingSum(ConsumerPE):
    """Waits on each datum, and reports as Sum does. Has no state that several instances would need to share."""

    def __init__(self, seconds):
        ConsumerPE.__init__(self)
        self.seconds = seconds

    def _process(self, number):
        began = time.monotonic()
        time.sleep(self.seconds)
        self.log("BENCH " + json.dumps(dict(began=began, ended=time.monotonic(), items=1, total=number)))


class WaitingRepeat(Wait):
    """Writes each datum several times."""

    def __init__(self, seconds, times):
        Wait.__init__(self, seconds)
        self.times = times

    def _process(self, datum):
        time.sleep(self.seconds)
        for _ in range(self.times):
            self.write("output", datum)


class Lines(ProducerPE):
    """Emits lines of ten words until there are as many words as its input says."""

    def _process(self, inputs):
        for line in range(inputs["input"] // WORDS_A_LINE):
            first = line * WORDS_A_LINE
            self.write("output", " ".join([f"word{number % KEYS}" for number in range(first, first + WORDS_A_LINE)]))


class Split(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs):
        for word in inputs["input"].split():
            self.write("output", (word, 1))


class Count(GenericPE):
    """Counts each word. All of one word come to the same instance."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("output")

    def _preprocess(self):
        self.counts = {}

    def process(self, inputs):
        word, count = inputs["input"]
        if not self.counts:
            self.began = time.monotonic()
        self.counts[word] = self.counts.get(word, 0) + count

    def _postprocess(self):
        for item in self.counts.items():
            self.write("output", item)
        if self.counts:
            self.log("BENCH " + json.dumps(dict(began=self.began)))


class Total(GenericPE):
    """Brings the counts together. A key that comes twice was counted in two places, which is wrong."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping="global")

    def _preprocess(self):
        self.counts, self.repeated = {}, 0

    def process(self, inputs):
        word, count = inputs["input"]
        self.repeated += word in self.counts
        self.counts[word] = count

    def _postprocess(self):
        words = sum(self.counts.values())
        wrong = self.repeated + sum(count != words // KEYS for count in self.counts.values())
        if self.counts:
            self.log("BENCH " + json.dumps(dict(ended=time.monotonic(), items=words, keys=len(self.counts), wrong=wrong)))


def chain(*elements):
    graph = WorkflowGraph()
    for source, destination in zip(elements, elements[1:]):
        graph.connect(source, "output", destination, "input")
    return graph


pipeline = chain(Integers(), AddOne(), Double(), Sum())
words = chain(Lines(), Split(), Count(), Total())
nothing = chain(Integers(), Pass(), Pass(), Sum())
sleeper = chain(SleepFirst(), Pass(), Pass(), Sum())
costly = chain(Integers(), AddOne(), Work(1e-3), Sum())
slow_end = chain(Integers(), AddOne(), SlowSum())
skewed = chain(WaitingSource(1e-3), Wait(1e-3), Wait(20e-3), WaitingSum(2e-3))
skewed_fan_out = chain(WaitingSource(2e-3), WaitingRepeat(1e-3, 4), Wait(10e-3), WaitingSum(5e-4))
skewed_deep = chain(WaitingSource(2e-3), Wait(1e-3), Wait(24e-3), Wait(1e-3), Wait(6e-3), WaitingSum(1e-3))
balanced = chain(WaitingSource(5e-3), Wait(5e-3), Wait(5e-3), WaitingSum(5e-3))
