# SPDX-License-Identifier: Apache-2.0
"""What a worker's stage writes for others: gathered, routed and encoded (docs/worker-protocol.md, Rules)."""

import functools
import itertools
import operator
import sys
import time

from weft import chunks, records
from weft.arena import HUGE_BYTES, LARGE_BYTES, READERS
from weft.failures import text_of
from weft.hashing import stable_hash

FLUSH_BYTES = 320 << 10
FLUSH_DATA = 1024
#: A frame of chunks has about so many bytes at most, but where a chunk is longer.
FRAME_BYTES = 1 << 20
MAXIMUM_INLINE = records.MAXIMUM_FRAME - 4096
#: Keys whose replica is remembered, for each edge; long ones are not.
_CACHED_KEYS = 1 << 16
_CACHED_KEY_BYTES = 1024
#: How long to wait before looking again whether there is room in the arena.
_SHORTEST_WAIT, _LONGEST_WAIT = 0.0002, 0.01
#: How long to wait for room for what may as well go inline.
_PATIENCE = 0.1


class Outbox:
    """Gathers what leaves the stage, by edge, until `flush`."""

    def __init__(self, document, worker, channel, arena, fail):
        """`fail(cause, message, error)` reports a value that cannot leave; the value is not gathered."""
        graph, plan = document["graph"], document["plan"]
        self._channel = channel
        self._arena = arena
        self._fail = fail
        #: Called before the outbox has to wait for others to free shared memory: what was gathered must leave.
        self.on_full = self.flush
        self._waits_for_room = True
        #: Data gathered, and about their bytes.
        self.count = 0
        self.size = 0
        #: Enough for a destination is gathered.
        self.full = False
        #: Contents that wait for `flush`, and the parts of the frame that it puts together.
        self._encoded = []
        self._parts = []
        self._parts_size = 0
        stages = {}
        for number, stage in enumerate(plan["stages"]):
            for position in stage["elements"]:
                stages[graph["elements"][position]["id"]] = number
        groupings = {
            (element["id"], port["name"]): port["grouping"] for element in graph["elements"] for port in element["inputs"]
        }
        own = plan["workers"][worker]
        #: By index of the edge, where it leaves this stage.
        self._routes = {}
        for index, edge in enumerate(graph["edges"]):
            stage = stages[edge["to"]]
            if stages[edge["from"]] != own["stage"] or stage == own["stage"]:
                continue
            grouping = groupings[edge["to"], edge["input"]]
            replicas = plan["stages"][stage]["workers"]
            if isinstance(grouping, dict):
                self._routes[index] = _ByKey(index, edge, replicas, grouping["by_key"])
            elif grouping == "all":
                self._routes[index] = _ToAll(index, edge, replicas)
            elif grouping == "global":
                self._routes[index] = _ToAll(index, edge, 1)
            else:
                self._routes[index] = _RoundRobin(index, edge, replicas, own["replica"])
        for route in self._routes.values():
            route.place = functools.partial(self._place, route.copies)
            route.siblings = [other for other in self._routes.values() if other is not route and other.ends == route.ends]
        #: By edge, by how many bytes it has grown since the last time.
        self._grown = {}

    def put(self, edge, values, first):
        """Gathers data of consecutive ids, which nobody changes any more."""
        size = chunks.plain_size(values)
        if size is None:
            for id, value in enumerate(values, first):
                self.put_now(edge, value, id)
            return
        route = self._routes[edge]
        self._keep_order(route)
        try:
            route.extend(values, first, size)
        except _Ungroupable as failure:
            return self._cannot_group(route, *failure.args)
        self.count += len(values)
        self.size += size
        if route.size >= route.enough_bytes or route.count >= route.enough:
            self.full = True

    def put_now(self, edge, value, id):
        """Gathers a datum as it is now, whatever its author does with it later."""
        route = self._routes[edge]
        self._keep_order(route)
        replica = None
        if route.key is not None:
            try:
                replica = route.replica(value)
            except _Ungroupable as failure:
                return self._cannot_group(route, *failure.args)
        try:
            item, size = chunks.snapshot(value, route.place)
        except Exception as error:
            return self._cannot_pickle(route, value, error)
        if size > MAXIMUM_INLINE and self._arena is None:
            return self._too_large(route, size)
        route.append(replica, item, id, size)
        self.count += 1
        self.size += size
        if route.size >= route.enough_bytes or route.count >= route.enough:
            self.full = True

    def encode(self):
        """Pickles what was gathered. Returns by how many bytes each edge has grown since the last time."""
        if self.count:
            self.count = self.size = 0
            self.full = False
            for route in self._routes.values():
                if route.count:
                    self._encode_gathered(route)
        grown, self._grown = self._grown, {}
        return grown

    def flush(self):
        """Queues all that was gathered as OUTPUT frames. The records that describe it must have been queued."""
        self.encode()
        encoded, self._encoded = self._encoded, []
        for route, replicas, ids, parts, length, parcel in encoded:
            if parcel is not None:
                for replica, pieces in zip(replicas, parcel.pieces):
                    self._add(route, replica, ids, parts, length, pieces, parcel.weight - length)
            elif length < LARGE_BYTES or self._arena is None:
                for replica in replicas:
                    self._add(route, replica, ids, parts, length)
            else:
                for group in range(0, len(replicas), READERS):
                    self._add_large(route, replicas[group : group + READERS], ids, parts, length)
        self._send()
        if self._arena is not None:
            self._arena.tidy()

    # Encoding

    def _keep_order(self, route):
        """What was gathered for other edges between the same two PEs goes first."""
        for other in route.siblings:
            if other.count:
                self._encode_gathered(other)

    def _encode_gathered(self, route):
        grown = sum([self._encode(route, *gathered) for gathered in route.take()])
        self._grown[route.index] = self._grown.get(route.index, 0) + grown

    def _encode(self, route, replicas, ids, values):
        position = size = 0
        for count, parts, parcel in chunks.encode(values):
            own = ids if count == len(ids) else ids[position : position + count]
            position += count
            length = sum(map(len, parts))
            size += length if parcel is None else parcel.weight
            self._encoded.append((route, replicas, own, parts, length, parcel))
        return size

    def _add_large(self, route, replicas, ids, parts, length):
        pieces = self._room(parts, length, len(replicas), self._send)
        for index, replica in enumerate(replicas):
            if pieces is None:
                self._add(route, replica, ids, parts, length)
            else:
                self._add(route, replica, ids, (), 0, pieces[index : index + 1], length, True)

    def _add(self, route, replica, ids, parts, length, pieces=(), weight=0, content_is_piece=False):
        if length > MAXIMUM_INLINE:
            return self._too_large(route, length)
        header = chunks.header(route.index, replica, ids, length, pieces, weight, content_is_piece)
        if self._parts_size + len(header) + length > FRAME_BYTES:
            self._send()
        self._parts.append(header)
        self._parts += parts
        self._parts_size += len(header) + length

    def _send(self):
        if self._parts:
            parts, self._parts, self._parts_size = self._parts, [], 0
            self._channel.send_frame(records.OUTPUT, *parts)

    def _place(self, copies, buffer):
        """A large buffer of a value that is being written: a piece for each of its destinations, or None."""
        if self._arena is None or copies > READERS and len(buffer) >= HUGE_BYTES:
            return None
        pieces = []
        for group in range(0, copies, READERS):
            placed = self._room((buffer,), len(buffer), min(READERS, copies - group), self.on_full)
            if placed is None:
                self._arena.drop(pieces)
                return None
            pieces += placed
        return pieces

    def _room(self, parts, length, readers, send):
        """Pieces in the arena, after a wait for room where there is none.

        Readers may keep what they have, so the wait for what may as well go inline is short, and is not repeated before there was
        room: then None.
        """
        pieces = self._arena.put(parts, length, readers)
        if pieces is None and (self._waits_for_room or length >= HUGE_BYTES):
            send()
            pause, end = _SHORTEST_WAIT, time.monotonic() + _PATIENCE
            while pieces is None and (length >= HUGE_BYTES or time.monotonic() < end):
                self._channel.wait(pause)
                pause = min(2 * pause, _LONGEST_WAIT)
                pieces = self._arena.put(parts, length, readers)
        self._waits_for_room = pieces is not None
        return pieces

    # Failing

    def _cannot_pickle(self, route, value, error):
        self._fail(
            "unpicklable",
            f"{route.writer} wrote a value of type {type(value).__name__} to output '{route.output}' that cannot be copied to "
            f"another PE: {text_of(error)}. Write plain data, or objects of a class that pickle knows.",
            error,
        )

    def _cannot_group(self, route, value, error):
        self._fail(
            "exception",
            f"{route.writer} wrote to output '{route.output}' a datum that cannot be grouped by the key {route.key} of {route.reader}: "
            f"{text_of(error)}; the datum is {records.summary(value, 200)}.",
            error,
        )

    def _too_large(self, route, length):
        self._fail(
            "exception",
            f"{route.writer} wrote a datum of {length} bytes to output '{route.output}'; without shared memory the limit is 1 GiB. "
            "Write it to a file and send its path.",
            None,
        )


class _Ungroupable(Exception):
    """A value, and the error that its key raised."""


class _Route:
    """An edge that leaves the stage, and what was gathered for it: values in the order they were written, and their ids."""

    key = None
    #: Destinations of one datum.
    copies = 1
    #: Puts a large buffer into shared memory, for each of the destinations.
    place = None

    def __init__(self, index, edge, replicas):
        self.index = index
        self.writer = edge["from"]
        self.output = edge["output"]
        self.reader = f"{edge['to']}, input '{edge['input']}'"
        #: The PEs that it joins; and the other routes that join the same.
        self.ends = edge["from"], edge["to"]
        self.siblings = []
        self.replicas = replicas
        self.enough = FLUSH_DATA * replicas
        self.enough_bytes = FLUSH_BYTES * min(replicas, 4)
        self._clear()

    def _clear(self):
        self.count = self.size = 0
        self._values = []
        #: Ids as runs of consecutive ones, the last run apart.
        self._runs = []
        self._first = self._next = 0

    def append(self, _, item, id, size):
        if id != self._next:
            self._begin_run(id)
        self._next = id + 1
        self._values.append(item)
        self.count += 1
        self.size += size

    def extend(self, values, first, size):
        if first != self._next:
            self._begin_run(first)
        self._next = first + len(values)
        self._values += values
        self.count += len(values)
        self.size += size

    def take(self):
        """What was gathered, which is forgotten here: replicas, ids and values."""
        last = range(self._first, self._next)
        ids = list(itertools.chain(*self._runs, last)) if self._runs else last
        values = self._values
        self._clear()
        return self._routed(ids, values)

    def _begin_run(self, id):
        if self._first != self._next:
            self._runs.append(range(self._first, self._next))
        self._first = id


class _ToAll(_Route):
    """Every datum to each replica. With one of them, to the first."""

    def __init__(self, index, edge, replicas):
        super().__init__(index, edge, replicas)
        self.copies = replicas
        self.enough, self.enough_bytes = FLUSH_DATA, FLUSH_BYTES

    def _routed(self, ids, values):
        return [(range(self.replicas), ids, values)]


class _RoundRobin(_Route):
    def __init__(self, index, edge, replicas, turn):
        super().__init__(index, edge, replicas)
        self._turn = turn % replicas

    def _routed(self, ids, values):
        turn, replicas = self._turn, self.replicas
        self._turn = (turn + len(values)) % replicas
        starts = [(first, (turn + first) % replicas) for first in range(min(replicas, len(values)))]
        return [((replica,), ids[first::replicas], values[first::replicas]) for first, replica in starts]


class _ByKey(_Route):
    def __init__(self, index, edge, replicas, key):
        super().__init__(index, edge, replicas)
        self.key = key
        self.enough = FLUSH_DATA * min(replicas, 4)
        self._key_of = operator.itemgetter(*key)
        self._single = len(key) == 1
        self._known = {}

    def _clear(self):
        self.count = self.size = 0
        self._values = [[] for _ in range(self.replicas)]
        self._ids = [[] for _ in range(self.replicas)]

    def replica(self, value):
        try:
            key = self._key_of(value)
            try:
                replica = self._known.get(key)
            except TypeError:  # Not hashable: a list or dictionary in it.
                return self._hash(key)
            return self._remember(key) if replica is None else replica
        except Exception as error:
            raise _Ungroupable(value, error) from None

    def append(self, replica, item, id, size):
        self._values[replica].append(item)
        self._ids[replica].append(id)
        self.count += 1
        self.size += size

    def extend(self, values, first, size):
        try:
            replicas = list(map(self._known.get, map(self._key_of, values)))
        except Exception:
            replicas = list(map(self.replica, values))
        if None in replicas:
            for position, replica in enumerate(replicas):
                if replica is None:
                    replicas[position] = self.replica(values[position])
        gathered, ids = self._values, self._ids
        for replica, value, id in zip(replicas, values, itertools.count(first)):
            gathered[replica].append(value)
            ids[replica].append(id)
        self.count += len(values)
        self.size += size

    def take(self):
        gathered = [
            ((replica,), ids, values) for replica, (ids, values) in enumerate(zip(self._ids, self._values)) if values
        ]
        self._clear()
        return gathered

    def _hash(self, key):
        return stable_hash((key,) if self._single else key) % self.replicas

    def _remember(self, key):
        replica = self._hash(key)
        if len(self._known) == _CACHED_KEYS:
            self._known.clear()
        if sys.getsizeof(key) <= _CACHED_KEY_BYTES:
            self._known[key] = replica
        return replica

