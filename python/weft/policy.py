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

#: Seconds after a limit that code outside of Python has to return. Code that does not even let other threads run has thrice that.
GRACE = 1.0


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
                    limit.begin()
                    try:
                        result = function(*given)
                    finally:
                        limit.end()
                break
            except (Exception, TimeLimitExceeded) as error:
                host.held = None
                if limit is not None:  # It may have been `end` that was interrupted.
                    limit.end()
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
    """The time that one datum may take, not counting what others do with what it writes.

    Another thread looks at the clock (`check`) and has the main thread raise. An alarm ends the process where that cannot run.
    """

    #: The one whose datum is being processed; one at a time, since the others wait for what they wrote.
    running = None

    def __init__(self, host, seconds):
        self.host = host
        self.seconds = seconds
        self.deadline = None
        # Prints where the code is, and then does what an alarm does.
        faulthandler.register(signal.SIGALRM, file=sys.__stderr__, chain=True)

    def begin(self, seconds=None):
        seconds = self.seconds if seconds is None else seconds
        self.deadline = time.monotonic() + seconds
        signal.setitimer(signal.ITIMER_REAL, seconds + 3 * GRACE)
        Limit.running = self

    def end(self):
        Limit.running = None
        signal.setitimer(signal.ITIMER_REAL, 0)

    def pause(self):
        """While the readers of a datum are called. What is left, for `resume`; None outside of a call."""
        if Limit.running is not self:
            return None
        self.end()
        return self.deadline - time.monotonic()

    def resume(self, left):
        if left is not None:
            self.begin(left)

    def overdue(self):
        """Seconds since the limit; less than 0 before it."""
        return time.monotonic() - self.deadline


def check():
    """In the main thread, whenever a signal interrupts it."""
    limit = Limit.running
    if limit is not None and limit.overdue() >= 0:
        raise TimeLimitExceeded
