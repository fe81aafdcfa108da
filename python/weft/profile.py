# SPDX-License-Identifier: Apache-2.0
"""How long a PE instance's calls take, from those whose time is taken."""

import time

#: Calls that take longer, in ns, are timed each.
LONG = 20_000
#: Of others one in so many.
STRIDE = 512

_clock = time.time_ns
#: Parts of a power of two that durations are told apart by.
_PARTS = 8


class Timing:
    """A call's time leaves out what others did meanwhile: the readers of what it wrote, and flushes."""

    #: Time that this process has spent in flushes.
    flushing = 0

    def __init__(self):
        #: All calls timed so far, and their time; and since the last record.
        self.calls = self.total = 0
        self.recent_calls = self.recent = 0
        #: Start of the first of the recent ones.
        self.first = None
        #: Start and duration of each call since the last record, as long as all are timed.
        self.each = []
        self.times_each = True
        #: The output that usual results go to.
        self.port = None
        self._away = 0
        self._flushing = 0
        self._buckets = {}

    def begin(self):
        self._away = 0
        self._flushing = Timing.flushing
        return _clock()

    def took(self, start, end, result):
        duration = end - start - self._away - (Timing.flushing - self._flushing)
        if duration < 0:  # What others did was estimated.
            duration = 0
        if not self.recent_calls:
            self.first = start
        self.recent_calls += 1
        self.recent += duration
        bits = duration.bit_length()
        bucket = duration if duration < _PARTS else bits * _PARTS + (duration >> bits - 4)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        if self.times_each:
            self.each += (start, duration)
        if self.port is not None and result is not None:
            self.port.sample(result)

    def enter(self):
        return _clock(), Timing.flushing

    def leave(self, entered, stands_for):
        start, flushing = entered
        self._away += (_clock() - start - (Timing.flushing - flushing)) * stands_for

    def take(self, finished):
        """For the record of so many calls: how many were timed, start of the first of them, their time, and start and duration of
        each where all were."""
        calls, spent = self.recent_calls, self.recent
        self.calls += calls
        self.total += spent
        self.recent_calls = self.recent = 0
        each = self.each[: 2 * finished]
        self.each = self.each[2 * finished :] if self.times_each else []
        if calls > finished:  # The last one's results are still on their way.
            calls = finished
        whole = calls and len(each) == 2 * finished and spent >= LONG * calls
        return calls, self.first if calls else None, spent, each if whole else None

    def is_long(self):
        calls = self.calls + self.recent_calls
        return calls > 0 and self.total + self.recent >= LONG * calls

    def percentile(self, share):
        """In ns, within 7 %."""
        rest = sum(self._buckets.values()) * share
        for bucket in sorted(self._buckets):
            rest -= self._buckets[bucket]
            if rest <= 0:
                break
        else:
            return 0
        if bucket < _PARTS:
            return bucket
        bits, part = divmod(bucket - _PARTS, _PARTS)
        return int((part + _PARTS + 0.5) * 2 ** (bits - 4))
