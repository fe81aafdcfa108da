# SPDX-License-Identifier: Apache-2.0
"""What happens when a PE cannot process a datum: failure policies and time limits.

Where a call may be skipped or repeated, what it writes is held back until it returns.
"""

import faulthandler
import signal
import sys
import time

from weft import values
from weft.failures import TimeLimitExceeded

#: Seconds after a limit, for code that returns to the interpreter late, and then for code that holds it.
GRACE = 1.0
_REPEAT = 0.1


def retries_of(policy):
    """How often `'retry N'` repeats a call."""
    words = (policy or "fail").split()
    return int(words[1]) if words[0] == "retry" else 0


def guarded(host, function, policy, limit, on_skip):
    """The function of the PE under its policy; `on_skip(error, start)` is told of a datum that is left out."""
    retries, skips = retries_of(policy), policy == "skip"

    def call(*datum):
        for attempt in range(retries + 1):
            start = time.time_ns()
            if retries or skips:
                host.held = []
            try:
                given = [values.owned(value, False) for value in datum] if attempt < retries else datum
                if limit is None:
                    result = function(*given)
                else:
                    with limit:
                        result = function(*given)
                break
            except (Exception, TimeLimitExceeded) as error:
                host.held = None
                if attempt < retries:
                    host.retried += 1
                elif skips:
                    on_skip(error, start)
                    return None
                else:
                    raise
        held, host.held = host.held, None
        if held:
            host.write_held(held)
        return result

    return call


class Limit:
    """The time that one datum may take, not counting what others do with what it writes."""

    #: The one whose datum is being processed; one at a time, since the others wait for what they wrote.
    running = None
    all = []

    def __init__(self, host, seconds):
        self.host = host
        self.seconds = seconds
        self.deadline = None
        self.armed = 0.0
        Limit.all.append(self)

    def __enter__(self):
        self._begin(self.seconds)

    def __exit__(self, *_):
        self._end()

    def pause(self):
        """While the readers of a datum are called. What is left, for `resume`; None outside of a call."""
        if Limit.running is not self:
            return None
        left = self.deadline - time.monotonic()
        self._end()
        return left

    def resume(self, left):
        if left is not None:
            self._begin(max(left, 1e-6))

    def _begin(self, seconds):
        now = time.monotonic()
        self.deadline = now + seconds
        Limit.running = self
        # Starts a thread: not for each of many short calls.
        if now - self.armed > min(self.seconds, GRACE) / 2:
            self.armed = now
            faulthandler.dump_traceback_later(self.seconds + 3 * GRACE, exit=True, file=sys.__stderr__)
        # Again and again: code may catch anything and go on.
        signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT)

    def _end(self):
        Limit.running = None
        signal.setitimer(signal.ITIMER_REAL, 0)


def watch_the_time():
    """Has limits raise in the main thread."""

    def expired(number, frame):
        if Limit.running is not None:
            raise TimeLimitExceeded

    signal.signal(signal.SIGALRM, expired)


def relax():
    """While the worker waits for input nothing is under time."""
    faulthandler.cancel_dump_traceback_later()
    for limit in Limit.all:
        limit.armed = 0.0
