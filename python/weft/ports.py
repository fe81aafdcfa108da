# SPDX-License-Identifier: Apache-2.0
"""Inputs and outputs of a stage's PE instances, and the data that wait there for the recorder."""

import collections

from weft import records, values
from weft.arena import LARGE_BYTES
from weft.chunks import ATOMS, NumPy, is_array

FLUSH_BYTES = 320 << 10
FLUSH_DATA = 1024
_SIZED = frozenset((str, bytes))


class Ids:
    """The ids of data in the order in which their reader processes them, as runs."""

    __slots__ = ("_runs",)

    def __init__(self):
        self._runs = collections.deque()

    def add(self, run):
        runs = self._runs
        if runs and type(run) is range and type(runs[-1]) is range:
            last = runs[-1]
            if last.stop == run.start and last.step == run.step == 1:
                runs[-1] = range(last.start, run.stop)
                return
        runs.append(run)

    def take(self, count):
        taken, runs = [], self._runs
        while count:
            run = runs[0]
            if len(run) <= count:
                taken.append(runs.popleft())
            else:
                taken.append(run[:count])
                runs[0] = run[count:]
            count -= len(taken[-1])
        return taken

    def at(self, offset):
        for run in self._runs:
            if offset < len(run):
                return run[offset]
            offset -= len(run)
        return records.NO_ID


class Feed:
    """An input port as one edge, or the run's input, feeds it."""

    def __init__(self, host, port, index, number):
        self.host = host
        #: Name of the port, and its index; of the run's input None and the index where an item names one port.
        self.port = port
        self.index = index
        self.number = number
        self.ids = Ids()
        #: Whose data these are, where that is in this stage.
        self.writer = None
        #: Has a datum processed.
        self.enter = None

    def open(self):
        self.enter = self.host.run if len(self.host.feeds) == 1 else self._enter

    def _enter(self, value):
        self.host.log.append(self.number)
        self.host.run(self.wrap(value))

    def wrap(self, value):
        """What the host's chain takes: where several ports are fed, the datum with its port."""
        return {self.port: value} if self.host.is_generic and self.host.argument == "x" and self.port is not None else value


class Port:
    """An output: where its data go, and how many there were."""

    def __init__(self, host, name, index):
        self.host = host
        self.name = name
        self.index = index
        #: An edge of the graph begins here; otherwise its data are results of the run.
        self.read = False
        #: Inputs in this stage.
        self.feeds = []
        #: Edges that leave the stage: indexes.
        self.edges = []
        #: Several of them lead to one PE; and other outputs of the host from which edges lead to a PE that this one leads to.
        self.shares_reader = False
        self.partners = []
        #: Takes a datum that nobody else may change.
        self.emit = None
        #: How many data there were so far.
        self.written = None
        self.count = 0
        #: Data that leave and wait for their ids, and their bytes; results in JSON likewise.
        self.values = []
        self.gathered = 0
        self.results = []
        #: Data that have ids; ids that no record tells of yet.
        self.assigned = 0
        self.unrecorded = []
        #: For an output that is not the main one: the calls that wrote its data.
        self.writers = []
        #: Bytes of data that left: by all edges; by the first one, without a record; whether there were some in this flush.
        self.bytes_out = self.bytes = 0
        self.has_left = False
        self.sampled_bytes = 0
        self.samples = 0

    def sample(self, value):
        self.samples += 1
        self.sampled_bytes += values.estimated_size(value)

    def sampled(self, value, deliver, stands_for):
        """Delivers a datum; the time it takes stands for that of so many."""
        self.sample(value)
        timing = self.host.timing
        start = timing.enter()
        deliver(value)
        timing.leave(start, stands_for)

    def left(self, sizes):
        """The data of each edge have taken so many bytes."""
        sizes = [sizes.get(edge, 0) for edge in self.edges]
        self.has_left = any(sizes)
        self.bytes_out += sum(sizes)
        self.bytes += sizes[0]

    def take_size(self, count):
        """Bytes of the next data to be recorded."""
        if self.edges:
            size, self.bytes = self.bytes, 0
            return size
        return self.sampled_bytes * count // self.samples if self.samples else 0

    def open(self, stage):
        """Puts `emit` and `written` in place, once its readers have theirs."""
        self.stage = stage
        feeds = self.feeds
        if len(feeds) == 1 and not self.edges and len(feeds[0].host.feeds) == 1:
            self.emit = feeds[0].host.run
            self.written = feeds[0].host.calls
            return
        self.written = self._written
        self._gather = self._gatherer() if self.edges else self._count_one
        if not self.read:
            self.emit = self._keep_result
        else:
            self.emit = self._spread if feeds else self._gather

    def _written(self):
        return self.count + len(self.values)

    def _count_one(self, value):
        self.count += 1

    def _gatherer(self):
        append, gathered, stage = self.values.append, self.values, self.stage

        def gather(value):
            kind = type(value)
            if kind in ATOMS:
                append(value)
                if kind in _SIZED:
                    self.gathered += len(value)
            elif kind is tuple and ATOMS.issuperset(map(type, value)):
                append(value)
                self.gathered += sum([len(member) for member in value if type(member) in _SIZED])
            elif kind is NumPy.array and value.nbytes < LARGE_BYTES and is_array(value, kind):
                append(value := value.copy("A"))
                self.gathered += value.nbytes
            else:
                self._put_now(value)
                return
            if self.gathered >= FLUSH_BYTES:
                stage.urge()
            if len(gathered) >= FLUSH_DATA:
                stage.urge()

        return self._in_turn(gather) if self.partners else gather

    def _in_turn(self, gather):
        partners, host, recorder = self.partners, self.host, self.stage.recorder

        def gather_in_turn(value):
            for partner in partners:
                if partner.values:  # What was written there before leaves before.
                    recorder.assign(host)
            gather(value)

        return gather_in_turn

    def _put_now(self, value):
        """Something else that the PE may change later: it leaves as it is now."""
        recorder = self.stage.recorder
        recorder.assign(self.host)
        self.count += 1
        recorder.assign(self.host)
        recorder.put_now(self, value, self.host.next_datum - 1)

    def _keep_result(self, value):
        result = records.json_bytes(value)
        self.sample(value)
        self.count += 1
        self.results.append(result)
        self.gathered += len(result)
        if self.gathered >= FLUSH_BYTES or len(self.results) >= FLUSH_DATA:
            self.stage.urge()

    def _spread(self, value):
        """To several readers, or into a reader that has several writers; each gets its own copy."""
        readers = self.feeds
        if len(readers) == 1 or values.never_changes(value):
            copies = [value] * len(readers)
        else:
            copies = [value, *[self.stage.copy(self, value) for _ in readers[1:]]]
        self._gather(value)
        self.sample(value)
        timing = self.host.timing
        start = timing.enter()
        for feed, copied in zip(readers, copies):
            feed.enter(copied)
        timing.leave(start, 1)
