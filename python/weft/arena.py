# SPDX-License-Identifier: Apache-2.0
"""Shared memory for large buffers: a worker's own arena, and those of others (docs/worker-protocol.md, Shared memory)."""

import bisect
import collections
import contextlib
import fcntl
import mmap
import os
import struct
import time
import weakref

PIECE = struct.Struct("<IIQQHB5x")
#: What is at least so large goes through shared memory.
LARGE_BYTES = 256 << 10
#: What is at least so large goes through nothing else, so nobody keeps such a buffer of another's: he copies it.
HUGE_BYTES = 64 << 20
SLOTS = 4096
READERS = 16
CAPACITY = 64 << 20

_FLAGS = SLOTS * READERS
_END = _FLAGS + CAPACITY
_PAGE = mmap.PAGESIZE
#: Space above this is given back to the system once nothing was put there for a while.
_WARM_BYTES = 16 << 20
_IDLE_SECONDS = 1.0
#: Buffers of other processes that are mapped at a time; each takes a descriptor.
_MAXIMUM_MAPPED = 128
_MAXIMUM_MAPPED_BYTES = CAPACITY // 2


def own():
    """The arena that this worker's rank has given it, if any."""
    name = os.environ.get("WEFT_ARENA")
    if name is None:
        return None
    descriptor = fcntl.fcntl(4, fcntl.F_DUPFD_CLOEXEC, 100)
    os.close(4)
    process, _, number = name.partition(":")
    return Arena(descriptor, int(process), int(number))


class Arena:
    """Where a producer puts buffers for others to map.

    Space is handed out first fit, so that pages which the system has provided already are used again. A buffer that is huge and
    finds no room has a place behind the rest, one at a time: nobody keeps such a buffer, so its turn comes.
    """

    def __init__(self, descriptor, process, number):
        self._descriptor = descriptor
        self._process = process
        self._number = number
        self._grow(_END)
        self._memory = mmap.mmap(descriptor, _END)
        self._view = memoryview(self._memory)
        #: Free ranges (start, end) in order, and free slots.
        self._free = [(_FLAGS, _END)]
        self._slots = list(range(SLOTS))
        #: Slots in use, oldest first: (slot, readers, start, end).
        self._used = collections.deque()
        #: End of what has been written since memory was last given back, and when something was put above `_WARM_BYTES`.
        self._warm = _FLAGS
        self._written = 0.0
        #: The slot of the buffer behind the rest, its readers and mapping.
        self._huge = None
        self.closed = False
        os.register_at_fork(after_in_child=self._leave)

    def put(self, parts, length, readers=1):
        """Copies a buffer, given in parts, into the arena: a piece for each of at most 16 readers, or None where there is no room now."""
        place = None if self.closed else self._allocate(-(-length // _PAGE) * _PAGE, readers, length >= HUGE_BYTES)
        if place is None:
            return None
        slot, start, view = place
        position = 0
        for part in parts:
            view[position : position + len(part)] = part
            position += len(part)
        return [(self._process, self._number, start, length, slot, reader) for reader in range(readers)]

    def drop(self, pieces):
        """Takes back pieces that nobody was told of."""
        for _, _, _, _, slot, reader in pieces:
            self._memory[slot * READERS + reader] = 1

    def tidy(self):
        """Gives memory back that was used for much and is not any more. Cheap: to be called now and then."""
        if self._warm <= _FLAGS + _WARM_BYTES and self._huge is None or time.monotonic() - self._written < _IDLE_SECONDS:
            return
        self._reclaim_all()
        self._release_huge()
        start = max([_FLAGS + _WARM_BYTES, *(end for _, _, _, end in self._used)])
        if start < self._warm:
            self._memory.madvise(mmap.MADV_REMOVE, start, self._warm - start)
            self._warm = start
        self._written = time.monotonic()

    def _is_empty(self):
        """Every reader of every buffer has dropped it."""
        self._reclaim_all()
        self._release_huge()
        return not self._used and self._huge is None

    def _allocate(self, size, readers, huge):
        while self._used and self._is_read(self._used[0]):
            self._reclaim(self._used.popleft())
        if not self._slots:
            self._reclaim_all()
            if not self._slots:
                return None
        index = self._fit(size)
        if index is None or self._free[index][0] + size > self._warm:
            # Before fresh pages are touched: those that others have given back out of turn.
            self._reclaim_all()
            index = self._fit(size)
        if index is None:
            return self._allocate_huge(size, readers) if huge else None
        start, end = self._free[index]
        if start + size == end:
            del self._free[index]
        else:
            self._free[index] = start + size, end
        slot = self._take_slot()
        self._used.append((slot, readers, start, start + size))
        if start + size > _FLAGS + _WARM_BYTES:
            self._written = time.monotonic()
        self._warm = max(self._warm, start + size)
        return slot, start, self._view[start : start + size]

    def _fit(self, size):
        for index, (start, end) in enumerate(self._free):
            if end - start >= size:
                return index
        return None

    def _take_slot(self):
        slot = self._slots.pop()
        self._view[slot * READERS : (slot + 1) * READERS] = bytes(READERS)
        return slot

    def _is_read(self, entry):
        slot, readers = entry[0] * READERS, entry[1]
        return self._memory[slot : slot + readers] == b"\1" * readers

    def _reclaim_all(self):
        kept = collections.deque()
        for entry in self._used:
            if self._is_read(entry):
                self._reclaim(entry)
            else:
                kept.append(entry)
        self._used = kept

    def _reclaim(self, entry):
        slot, _, start, end = entry
        self._slots.append(slot)
        free = self._free
        index = bisect.bisect(free, (start, end))
        if index < len(free) and free[index][0] == end:
            end = free.pop(index)[1]
        if index > 0 and free[index - 1][1] == start:
            free[index - 1] = free[index - 1][0], end
        else:
            free.insert(index, (start, end))

    def _allocate_huge(self, size, readers):
        self._release_huge()
        if self._huge is not None:
            return None
        self._grow(_END + size)
        memory = mmap.mmap(self._descriptor, size, offset=_END)
        slot = self._take_slot()
        self._huge = slot, readers, memory
        self._written = time.monotonic()
        return slot, _END, memoryview(memory)

    def _release_huge(self):
        if self._huge is not None and self._is_read(self._huge):
            slot, _, memory = self._huge
            memory.madvise(mmap.MADV_REMOVE)
            self._slots.append(slot)
            self._huge = None

    def _grow(self, size):
        if os.fstat(self._descriptor).st_size < size:
            os.ftruncate(self._descriptor, size)

    def _leave(self):
        """In a process that a PE forks, which does not know what its parent allocates from now on."""
        self.closed = True


class Arenas:
    """Arenas of other processes, to read from."""

    def __init__(self):
        #: By process and descriptor: the opened file, and a mapping of its flags and what lies next to them.
        self._files = {}
        #: Number and bytes of the buffers that are mapped now.
        self.mapped = 0
        self.mapped_bytes = 0
        #: Those of them whose producers wait to be told, and whether there will be more.
        self._untold = {}
        self._maps = True
        os.register_at_fork(after_in_parent=self._keep, after_in_child=self._keep)

    def buffer(self, *piece):
        """The bytes of a piece, to be changed at will: mapped privately, or copied where many are mapped or it is huge.

        The producer is told once nothing refers to them any more.
        """
        descriptor, whole, offset, length, flag = self._find(*piece)
        has_room = self.mapped < _MAXIMUM_MAPPED and self.mapped_bytes + length <= _MAXIMUM_MAPPED_BYTES
        if self._maps and has_room and length < HUGE_BYTES:
            memory = mmap.mmap(descriptor, length, access=mmap.ACCESS_COPY, offset=offset)
            self.mapped += 1
            self.mapped_bytes += length
            token = object()
            self._untold[token] = whole, flag
            weakref.finalize(memory, self._release, token, length).atexit = False
            return memory
        with self.content(*piece) as memory:
            return bytearray(memory)

    @contextlib.contextmanager
    def content(self, *piece):
        """The bytes of a piece, to be read only, and only within the block."""
        descriptor, whole, offset, length, flag = self._find(*piece)
        if offset + length <= len(whole):  # Pages that were read before need not be mapped again.
            memory, start = whole, offset
        else:
            memory, start = mmap.mmap(descriptor, length, access=mmap.ACCESS_READ, offset=offset), 0
        try:
            with memoryview(memory) as view, view[start : start + length] as content:
                yield content
        finally:
            whole[flag] = 1

    def _find(self, process, number, offset, length, slot, reader):
        if slot >= SLOTS or reader >= READERS or offset < _FLAGS or offset % _PAGE or not 0 < length <= 1 << 48:
            raise ValueError(f"a piece of {length} bytes at {offset} for reader {reader} of slot {slot}")
        descriptor, whole = self._files.get((process, number)) or self._open(process, number)
        return descriptor, whole, offset, length, slot * READERS + reader

    def _open(self, process, number):
        path = f"/proc/{process}/fd/{number}"
        if not os.readlink(path).startswith("/memfd:"):
            raise ValueError(f"{path} is no shared memory")
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        size = os.fstat(descriptor).st_size
        opened = self._files[process, number] = descriptor, mmap.mmap(descriptor, min(size, _END))
        return opened

    def _release(self, token, length):
        self.mapped -= 1
        self.mapped_bytes -= length
        whole, flag = self._untold.pop(token, (None, None))
        if whole is not None:
            whole[flag] = 1

    def _keep(self):
        """When a PE forks: parent and child do not know when the other drops what both have mapped, so its place is given up."""
        if self._untold:
            self._untold.clear()
            self._maps = False
