# SPDX-License-Identifier: Apache-2.0
"""Graphs that fail, each in one way, or that look as if they would. What Weft makes of each is told in test_failures.py.

    weft try gallery.py --graph raise_in_process -n 3
"""

import ctypes
import os
import sys
import threading
import time

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph

COUNT = 20


class Numbers(ProducerPE):
    """Writes the numbers from 0 on."""

    def __init__(self, count=COUNT):
        super().__init__()
        self.count = count

    def _process(self, inputs):
        for number in range(self.count):
            self.write("output", number)


class Pass(IterativePE):
    def _process(self, number):
        return number


class Total(ConsumerPE):
    """Writes the sum of what it has seen to an output that nobody reads."""

    def __init__(self):
        super().__init__()
        self._add_output("total")
        self.total = 0

    def _process(self, number):
        self.total += number

    def _postprocess(self):
        self.write("total", self.total)


class Faulty(IterativePE):
    """Does something bad when the number 7 comes, or in one of the other methods of its life."""

    def __init__(self, fault, when="process", **attributes):
        super().__init__()
        self.fault = fault
        self.when = when
        for name, value in attributes.items():
            setattr(self, name, value)

    def _preprocess(self):
        if self.when == "preprocess":
            self.fault()

    def _process(self, number):
        if self.when == "process" and number == 7:
            return self.fault()
        return number

    def _postprocess(self):
        if self.when == "postprocess":
            self.fault()


class FaultySource(Faulty):
    """The same at the head of the graph, where rank 0 is."""

    def __init__(self, fault, when="process"):
        super().__init__(fault, when)
        self.inputconnections = {}

    def process(self, inputs):
        for number in range(COUNT):
            self.write("output", Faulty._process(self, number))


def raises():
    raise ValueError("seven is not allowed")


def exits():
    os._exit(9)


def crashes():
    ctypes.string_at(0)


def loops():
    while True:
        pass


def loops_in_c():
    # Never comes back to the interpreter, which holds its lock.
    ctypes.PyDLL(None).pause()


def cannot_be_sent():
    return threading.Lock()


def leaves():
    sys.exit("enough")


def closes_its_socket():
    os.closerange(3, 200)
    return 7


def chain(middle, source=None):
    graph = WorkflowGraph()
    source = source or Numbers()
    total = Total()
    graph.connect(source, "output", middle, "input")
    graph.connect(middle, "output", total, "input")
    return graph


raise_in_process = chain(Faulty(raises))
raise_in_preprocess = chain(Faulty(raises, "preprocess"))
raise_in_postprocess = chain(Faulty(raises, "postprocess"))
raise_in_source = chain(Pass(), FaultySource(raises))
raise_in_preprocess_of_source = chain(Pass(), FaultySource(raises, "preprocess"))
raise_in_postprocess_of_source = chain(Pass(), FaultySource(raises, "postprocess"))
exit_at_once = chain(Faulty(exits))
segmentation_fault = chain(Faulty(crashes))
endless_loop = chain(Faulty(loops, time_limit=1))
endless_loop_in_c = chain(Faulty(loops_in_c, time_limit=1))
unpicklable = chain(Faulty(cannot_be_sent))
system_exit = chain(Faulty(leaves))
closed_descriptors = chain(Faulty(closes_its_socket))

skipped = chain(Faulty(raises, on_error="skip"))
skipped_after_its_time = chain(Faulty(loops, on_error="skip", time_limit=0.5))


class FailsTwice(IterativePE):
    on_error = "retry 2"

    def __init__(self):
        super().__init__()
        self.failures = 0

    def _process(self, number):
        self.write("output", number)
        if number == 7 and self.failures < 2:
            self.failures += 1
            raise ConnectionError("try again")


class FailsAlways(FailsTwice):
    def _process(self, number):
        if number == 7:
            raise ConnectionError("try again")
        return number


retried = chain(FailsTwice())
retried_in_vain = chain(FailsAlways())


class Large(ProducerPE):
    """Writes one datum of 3 GB."""

    SIZE = 3_000_000_000

    def _process(self, inputs):
        return bytearray(self.SIZE)


class Length(IterativePE):
    def _process(self, data):
        return len(data)


three_gigabytes = chain(Length(), Large())


class Talkative(IterativePE):
    """Prints in every way there is."""

    def _process(self, number):
        print("printed", number)
        sys.stdout.write(f"written {number}\n")
        os.write(1, b"past sys.stdout %d\n" % number)
        print("error", number, file=sys.stderr)
        self.log(f"logged {number}")
        return number


talkative = chain(Talkative())


class ClosesStandardInput(IterativePE):
    def _preprocess(self):
        sys.stdin.close()
        os.close(0)

    def _process(self, number):
        return number


closed_standard_input = chain(ClosesStandardInput())


class ReadsStandardInput(IterativePE):
    """There is nothing to read, but it does not wait either."""

    def _process(self, number):
        return number if sys.stdin.read() == "" else None


read_standard_input = chain(ReadsStandardInput())


class Slow(IterativePE):
    def _process(self, number):
        time.sleep(600)


run_time_limit = chain(Slow())
