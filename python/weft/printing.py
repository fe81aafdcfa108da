# SPDX-License-Identifier: Apache-2.0
"""What PEs print goes to the rank, a line at a time."""

import io
import sys
import threading

from weft import records


class Printing:
    """Stands in for `sys.stdout` and `sys.stderr`. `log(stream, line)` takes each line."""

    def __init__(self, log):
        self._streams = [_LineStream(log, 1), _LineStream(log, 2)]
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(stream, encoding="utf-8", errors="backslashreplace", line_buffering=True, write_through=True)
            for stream in self._streams
        )

    def finish(self):
        """Nothing that is printed later reaches the rank this way."""
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        for stream in self._streams:
            stream.finish()


class _LineStream(io.RawIOBase):
    def __init__(self, log, number):
        self._log = log
        self._number = number
        self._partial = b""
        self._lock = threading.RLock()  # A finaliser may print in the middle of a print.

    def writable(self):
        return True

    def fileno(self):
        return self._number

    def write(self, data):
        data = bytes(data)
        with self._lock:
            *lines, self._partial = (self._partial + data).split(b"\n")
            for line in lines:
                self._send(line)
            while len(self._partial) > records.MAXIMUM_LINE:
                self._partial = self._send_start(self._partial)
        return len(data)

    def finish(self):
        if self._partial:
            line, self._partial = self._partial, b""
            self._send(line)

    def _send(self, line):
        while len(line) > records.MAXIMUM_LINE:
            line = self._send_start(line)
        self._log(self._number, line.rstrip(b"\r"))

    def _send_start(self, line):
        end = records.MAXIMUM_LINE
        while end > 1 and line[end : end + 1] and line[end] & 0xC0 == 0x80:  # Not inside a character.
            end -= 1
        self._log(self._number, line[:end])
        return line[end:]
