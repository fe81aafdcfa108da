# SPDX-License-Identifier: Apache-2.0
"""Wrappers that measure a PE, as dispel4py.new.monitoring names them."""

import time

from weft.elements import derived_class


class Timer:
    """`with Timer() as t: …`, then `t.secs`."""

    def __init__(self, verbose=False):
        self.verbose = verbose

    def __enter__(self):
        self.start = time.time()
        return self

    def __exit__(self, *_):
        self.end = time.time()
        self.secs = self.end - self.start


class MonitoringWrapper:
    """Becomes a PE of the wrapped one's class and state, with this class's methods in front."""

    def __init__(self, baseObject):
        self.__class__ = derived_class(type(baseObject), (type(self),), {})
        self.__dict__ = baseObject.__dict__
        self.baseObject = baseObject


class ReadTimingWrapper(MonitoringWrapper):
    """dispel4py measures reads of its own enactment with this; Weft's profile of a run says how long each PE waited."""


class ProcessTimingPE(MonitoringWrapper):
    """Logs at its end how long a datum took on average."""

    times_total = 0.0
    times_count = 0

    def process(self, inputs):
        with Timer() as timer:
            result = super().process(inputs)
        # Each wrapped PE has a class of its own; the PE's attributes are the author's.
        type(self).times_total += timer.secs
        type(self).times_count += 1
        return result

    def _postprocess(self):
        super()._postprocess()
        if self.times_count:
            self.log(f"Average processing time: {self.times_total / self.times_count}")
