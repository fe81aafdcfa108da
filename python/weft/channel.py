# SPDX-License-Identifier: Apache-2.0
"""The worker's end of the socket to its rank (docs/worker-protocol.md): frames in, frames out."""

import collections
import itertools
import os
import select
import socket
import sys
import threading
import time

from weft import records

FLUSH_BYTES = 64 * 1024
FLUSH_SECONDS = 0.005
#: Room for the report of a failure beside what the rank has not read yet; the system grants as much of it as it allows.
FAILURE_BUFFER_BYTES = 1 << 20

#: What one call reads where no large frame is under way: below what the allocator fetches from the system each time.
_READ_BYTES = 1 << 16
#: Parts that together are no longer are put together rather than sent as they are.
_JOINED_BYTES = 1 << 13
_PARTS = 64
_HEADER = records.FRAME_HEADER


class Channel:
    """Only the main thread reads. Another thread sends what did not fit the socket while the main thread is busy in a PE, and
    says when output is due; it never waits for the rank.

    Frames are queued by one call each, so that threads and finalisers may queue at any time.
    """

    def __init__(self, descriptor):
        self.socket = socket.socket(fileno=descriptor)
        self.socket.setblocking(False)
        #: Bytes that have not left, roughly: threads may miss each other's changes until the next call that sends.
        self.size = 0
        #: Records and outputs may leave: the run has begun.
        self.open = False
        self.closed = False
        #: At least 5 ms have passed since its owner set it to False.
        self.due = False
        #: Called by the thread that sends whenever it sets `due`.
        self.on_due = None
        #: Set while the main thread does anything but wait for a frame.
        self.busy = threading.Event()
        self._outbound = collections.deque()
        #: Complete frames, and the bytes of the next one: either a few, or in a buffer of its length.
        self._frames = collections.deque()
        self._rest = b""
        self._large = None
        self._sending = threading.Lock()
        os.register_at_fork(after_in_child=self._leave)
        threading.Thread(target=self._flush_in_time, name="weft-flush", daemon=True).start()

    # Sending

    def send_frame(self, kind, *parts):
        """Queues a frame. Long parts are not copied: nobody may change them any more."""
        length = 0
        for part in parts:
            length += part.nbytes if type(part) is memoryview else len(part)
        header = _HEADER.pack(length, kind)
        if length <= _JOINED_BYTES:
            self._outbound.append(memoryview(b"".join((header, *parts))))
        else:
            self._outbound.extend([memoryview(header), *[memoryview(part).cast("B") for part in parts if part]])
        self.size += _HEADER.size + length

    def log(self, instance, stream, line):
        if self.closed:
            return
        self._outbound.append(memoryview(records.log_frame(instance, stream, line)))
        self.size += len(line)
        # At once, or the last words before a crash would be lost. Where this thread (in a finaliser) or another is sending
        # already, the line goes with the next flush.
        if self._sending.locked():
            return
        if self.size >= FLUSH_BYTES:
            self.flush()
        else:
            self.pump()

    def pump(self):
        """Sends what fits."""
        if self._outbound and self._sending.acquire(blocking=False):
            try:
                self._send_some()
            finally:
                self._sending.release()

    def flush(self):
        """Sends all there is, reading what the rank sends meanwhile."""
        reads = threading.current_thread() is threading.main_thread()
        while True:
            with self._sending:
                self._send_some()
            if not self._outbound:
                return
            if self._poll(select.POLLOUT | (select.POLLIN if reads else 0)) & ~select.POLLOUT and reads:
                self._read()

    def wait(self, seconds):
        """Sends and reads, at most so long: for somebody who waits for what the rank's other workers do."""
        self.pump()
        events = self._poll(select.POLLIN | (select.POLLOUT if self._outbound else 0), seconds)
        if events & ~select.POLLOUT:
            self._read()

    def make_room(self):
        """Lets the last frame reach the socket, and this process its end, even while the rank does not read."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FAILURE_BUFFER_BYTES)

    def _send_some(self):
        outbound = self._outbound
        while outbound:
            parts = list(itertools.islice(outbound, _PARTS))
            try:
                sent = self.socket.sendmsg(parts)
            except BlockingIOError:
                break
            except OSError:
                _rank_is_gone()
            for part in parts:
                if sent < len(part):
                    outbound[0] = part[sent:]
                    break
                sent -= len(part)
                outbound.popleft()
        # What the rank has not taken counts on, or a PE slower than the flushes would never be held back.
        self.size = sum(map(len, outbound)) if outbound else 0

    def _flush_in_time(self):
        while True:
            self.busy.wait()
            time.sleep(FLUSH_SECONDS)
            self.pump()
            self.due = True
            if self.on_due is not None:
                self.on_due()

    # Receiving

    def receive(self):
        """The next frame: its kind and a view of its body, which stays as it is."""
        while not self._frames:
            self.flush()
            # What was read while the flush waited may be the frame, and the last one that comes.
            if not self._frames:
                self.busy.clear()
                start = time.monotonic()
                self._poll(select.POLLIN)
                self.due = self.due or time.monotonic() - start >= FLUSH_SECONDS
                self.busy.set()
                self._read()
        return self._frames.popleft()

    def next_frame(self):
        """The next frame, if there is one."""
        if not self._frames and self._poll(select.POLLIN, 0):
            self._read()
        return self._frames.popleft() if self._frames else None

    def _read(self):
        if self._large is not None:
            return self._read_large()
        try:
            data = self.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            _rank_is_gone()
        if self._rest:
            data = self._rest + data
        view = memoryview(data)
        position = 0
        while len(data) - position >= _HEADER.size:
            length, kind = _HEADER.unpack_from(data, position)
            if length > records.MAXIMUM_FRAME:
                raise ValueError(f"a frame of {length} bytes")
            start = position + _HEADER.size
            if start + length > len(data):
                if length > _READ_BYTES:
                    self._begin_large(kind, length, view[start:])
                    position = len(data)
                break
            position = start + length
            self._frames.append((kind, view[start:position]))
        self._rest = data[position:]

    def _begin_large(self, kind, length, start):
        body = bytearray(length)
        body[: len(start)] = start
        self._large = kind, memoryview(body), len(start)

    def _read_large(self):
        kind, body, filled = self._large
        try:
            count = self.socket.recv_into(body[filled:])
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if count == 0:
            _rank_is_gone()
        filled += count
        if filled < len(body):
            self._large = kind, body, filled
        else:
            self._large = None
            self._frames.append((kind, body))

    def _poll(self, events, seconds=None):
        """The events that have come about, 0 where the time was too short."""
        poller = select.poll()
        poller.register(self.socket, events)
        ready = poller.poll(None if seconds is None else seconds * 1000)
        return ready[0][1] if ready else 0

    def _leave(self):
        """In a process that a PE forks: the socket is not its own. What it prints goes to the rank's pipe."""
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        self.closed = True
        self._sending = threading.Lock()
        self.socket.close()


def _rank_is_gone():
    # There is nobody left to work for, or to tell; a PE could catch an exception and go on.
    os._exit(1)
