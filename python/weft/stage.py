# SPDX-License-Identifier: Apache-2.0
"""A stage as one worker hosts it: one instance of each of its PEs, joined and compiled into chains.

Inside the stage a datum passes from PE to PE as a plain object. PEs are called depth first: all that follows from a datum is
done before the next one is looked at, so the order on each edge is kept and little is in memory at any time.
"""

import heapq
import itertools
import time

from weft import chains, elements, policy, records, values, watch
from weft.failures import TimeLimitExceeded, text_of
from weft.hosts import Host
from weft.ports import Feed

#: Lines about skipped data that an instance may log; then only their number, at its end.
MAXIMUM_SKIP_LINES = 100
#: Items of the run's input that are told of at a time.
ITEMS = 64


class PortWriter:
    """What dispel4py puts under `outputconnections[port]['writer']`."""

    def __init__(self, write, port):
        self._write = write
        self._port = port

    def write(self, data):
        self._write(self._port, data)


class Stage:
    def __init__(self, document, graph, number):
        registered, plan = document["graph"], document["plan"]
        own = plan["workers"][number]
        stage = plan["stages"][own["stage"]]
        pes = list(graph.objToNode)
        self.replicas = stage["workers"]
        self.hosts = _in_order(
            [
                Host(pes[index], registered["elements"][index], plan["first_instances"][index] + own["replica"])
                for index in stage["elements"]
            ],
            registered["edges"],
        )
        #: Not empty: something has waited for long enough, or is large enough, to leave.
        self.due = []
        self.recorder = None
        self.is_compiled = False
        #: Edges from other stages: index to feed.
        self.entries = {}
        #: Edges to other stages that are grouped by key: index to the key's parts.
        self.keys = {}
        self._join(registered)
        self._give(document["inputs"], document.get("replayed"), own["replica"])
        #: Some PE of the graph is to have its state saved now and then.
        self.has_checkpoints = any(element.get("snapshot_every") is not None for element in registered["elements"])

    def _join(self, graph):
        hosts = {host.id: host for host in self.hosts}
        groupings = {(element["id"], port["name"]): port["grouping"] for element in graph["elements"] for port in element["inputs"]}
        for index, edge in enumerate(graph["edges"]):
            writer, reader = hosts.get(edge["from"]), hosts.get(edge["to"])
            if reader:
                feed = self._feed(reader, edge["input"], reader.inputs[edge["input"]])
            if writer:
                port = writer.ports[edge["output"]]
                port.read = True
                if reader:
                    port.feeds.append(feed)
                    feed.writer = port
                else:
                    port.edges.append(index)
                    grouping = groupings[edge["to"], edge["input"]]
                    self.keys[index] = grouping["by_key"] if isinstance(grouping, dict) else ()
            elif reader:
                self.entries[index] = feed
        for host in self.hosts:
            readers = {port: [graph["edges"][index]["to"] for index in port.edges] for port in host.ports.values()}
            for port, own in readers.items():
                port.shares_reader = len(set(own)) < len(own)
                port.partners = [other for other, theirs in readers.items() if other is not port and not set(own).isdisjoint(theirs)]

    def _feed(self, host, port, index):
        feed = Feed(host, port, index, len(host.feeds))
        host.feeds.append(feed)
        return feed

    def _give(self, inputs, replayed, replica):
        """The run's input of the stage's source; of an attempt that resumes earlier ones, what it replays of it."""
        self.source = next((host for host in self.hosts if not host.feeds), None)
        if self.source is None:
            return
        given = self._given = inputs.get(self.source.id, 0) if replica == 0 else 0
        # Items may name different ports, or several, or none.
        ports = {} if isinstance(given, int) else dict.fromkeys(_port_of(self.source, item) for item in given)
        for index in ports or (records.NO_INDEX,):
            self._feed(self.source, None, index)
        self.source.is_given_nothing = isinstance(given, int)
        if replica != 0:
            self._numbers = []
        elif replayed is None:
            self._numbers = [range(given if isinstance(given, int) else len(given))]
        else:
            self._numbers = [range(first, first + count) for first, count in replayed.get(self.source.id, ())]

    # Opening

    def equip(self, host, number, rank):
        """Gives the PE what it finds on itself while it runs."""
        pe = host.pe
        host.stage = self
        pe.rank, pe._mpi_rank = number, rank
        # Until the chains are compiled nothing is delivered.
        self._put_write(host, lambda name, data, **details: host.write_slowly(name, data, details, False))
        if type(pe).update_prov_state is elements.GenericPE.update_prov_state:
            pe.update_prov_state = host.remember

    def _put_write(self, host, write):
        pe = host.pe
        pe._write = write
        if type(pe).write is elements.GenericPE.write:
            pe.write = write
        for name, connection in pe.outputconnections.items():
            if isinstance(connection, dict):
                connection[elements.WRITER] = PortWriter(pe.write, name)

    def compile(self, recorder, checkpoint, fault, fail):
        """Once each PE has been through `preprocess`."""
        self.recorder = recorder
        self.checkpoint, self.fail = checkpoint, fail
        for host in self.hosts:
            host.bind()
            self._guard(host)
        chained = {}
        for host in self.hosts:
            before = chained.get(host)
            chain = before if before and len(before) < chains.MAXIMUM_LENGTH else []
            chain.append(host)
            host.members = chain
            follower = host.next_in_chain()
            if follower is not None:
                chained[follower] = chain
        for host in reversed(self.hosts):  # Each chain after those that it leads into.
            if host.members[-1] is host:
                self._open(host)
            if host.members[0] is host:
                main = host.members[-1].main
                emit, written = (main.emit, main.written) if main else (None, int)
                chains.Chain(host.members, emit, written, self.due, checkpoint, fault)
                for member in host.members:
                    self._put_write(member, member.write)
                    if member is not host.members[-1]:
                        self._open(member)
        for feed in self.entries.values():
            feed.open()
        self.is_compiled = True

    def _open(self, host):
        for port in host.ports.values():
            for feed in port.feeds:
                feed.open()
            port.open(self)

    def _guard(self, host):
        """Puts around the PE's function what its declarations ask for."""
        element = host.element
        on_error, limit = element.get("on_error") or "fail", element.get("time_limit")
        if on_error != "fail" or limit is not None:
            host.limit = policy.Limit(host, limit) if limit is not None else None
            host.writes_slowly = True
            host.function = policy.guarded(
                host, host.function, on_error, host.limit, lambda error, start: self._skip(host, error, start)
            )
        if element.get("stateful") is None and all(port["grouping"] == "round_robin" for port in element["inputs"]):
            host.changed = set()
            host.function = watch.watched(host, host.function, self._tell_of_state)

    def _skip(self, host, error, start):
        recorder = self.recorder
        call = host.call_now()
        datum = recorder.input_now(host)
        now = time.time_ns()
        recorder.records.append(
            records.invocation(
                records.SKIPPED, host.instance, host.first_call + call, datum, start, now - start, recorder.port_now(host)
            )
        )
        host.skipped_calls.append(call)
        host.skipped += 1
        if host.skipped <= MAXIMUM_SKIP_LINES:
            what = f"no answer in {host.limit.seconds:g} s" if isinstance(error, TimeLimitExceeded) else text_of(error)
            self.log(host, f"{host.id} skipped datum {records.datum_name(datum)}: {what}")

    def tell_of_skipped(self, host):
        if host.skipped > MAXIMUM_SKIP_LINES:
            self.log(host, f"{host.id} skipped {host.skipped} data, the last {host.skipped - MAXIMUM_SKIP_LINES} without a line each")

    def _tell_of_state(self, host):
        self.recorder.profiled = 0
        if self.replicas > 1 and not host.told_of_state:
            host.told_of_state = True
            self.log(
                host,
                f"{host.id} changes its {', '.join(sorted(host.changed))} in process(), and each of its {self.replicas} instances has "
                "its own. Say so by stateful = True, by a grouping of its input, or stateful = False where it does not matter.",
            )

    def log(self, host, line):
        line = " ".join(line.split()).replace("\0", "\\x00").encode("utf-8", "backslashreplace")
        self.recorder.channel.log(host.instance, 2, line[: records.MAXIMUM_LINE])

    # Running

    def feed(self, feed, items):
        """Has the items processed, in order, and all that follows from them. Takes them out of the list."""
        host, due = feed.host, self.due
        chain, several = host.chain, len(host.feeds) > 1
        if several:
            items[:] = map(feed.wrap, items)
        items.reverse()
        while items:
            if several:
                host.log += itertools.repeat(feed.number, min(chain.stride, len(items)))
            count = min(chain.stride, len(items)) - 1
            chain.sample(items.pop())
            if count:
                chain.batch(map(list.pop, itertools.repeat(items, count)))
            if due:
                self.checkpoint()

    def produce(self, between=None):
        """Has the items of the run's input processed. `between`, if any, is told between two items how many were; before the last one also None."""
        produce = self._produce_empty if isinstance(self._given, int) else self._produce
        self._produced, self._left = 0, sum(map(len, self._numbers))
        if between is not None and self._left == 1:
            between(None)
        for numbers in self._numbers:
            produce(numbers, between)

    def _pause(self, count, between):
        self._produced += count
        self._left -= count
        if between is not None and self._left:
            between(self._produced)
            if self._left == 1:
                between(None)

    def _produce_empty(self, numbers, between):
        source, due = self.source, self.due
        feed, chain, give = source.feeds[0], source.chain, self.recorder.give
        datum, left = records.input_base(source.instance) + numbers.start, len(numbers)
        while left:
            count = min(chain.stride if between is None else 1, left)
            run = range(datum, datum + count)
            give(run, 2 * count)
            feed.ids.add(run)
            chain.sample({})
            if count > 1:
                chain.batch(itertools.repeat(None, count - 1))
            datum += count
            left -= count
            if due:
                self.checkpoint()
            self._pause(count, between)

    def _produce(self, numbers, between):
        source, items = self.source, self._given
        datum = records.input_base(source.instance) + numbers.start
        feeds = {feed.index: feed for feed in source.feeds}
        start = numbers.start
        while start < numbers.stop:
            end = min(start + (ITEMS if between is None else 1), numbers.stop)
            for index, run in itertools.groupby(items[start:end], lambda item: _port_of(source, item)):
                run = list(run)
                ids = range(datum, datum + len(run))
                self.recorder.give(ids, self.recorder.tell(ids, run))
                feeds[index].ids.add(ids)
                datum += len(run)
                self.feed(feeds[index], run)
            self._pause(end - start, between)
            start = end

    def copy(self, port, value):
        """For another reader."""
        try:
            return values.copied(value)
        except Exception as error:
            host = port.host
            self.fail(
                "unpicklable",
                f"{host.id} wrote a value of type {type(value).__name__} to output '{port.name}' that cannot be copied to another PE: "
                f"{text_of(error)}. Write plain data, or objects of a class that pickle knows.",
                error,
                host,
            )

    def urge(self):
        if not self.due:
            self.due.append(True)

    def look(self):
        if self.due:
            self.checkpoint()


def _port_of(host, item):
    return host.inputs.get(next(iter(item)), records.NO_INDEX) if len(item) == 1 else records.NO_INDEX


def _in_order(hosts, edges):
    """Upstream before downstream, otherwise as they are."""
    positions = {host.id: position for position, host in enumerate(hosts)}
    followers = [[] for _ in hosts]
    entering = [0] * len(hosts)
    for edge in edges:
        if edge["from"] in positions and edge["to"] in positions:
            followers[positions[edge["from"]]].append(positions[edge["to"]])
            entering[positions[edge["to"]]] += 1
    free = [position for position, count in enumerate(entering) if count == 0]
    ordered = []
    while free:
        position = heapq.heappop(free)
        ordered.append(hosts[position])
        for follower in followers[position]:
            entering[follower] -= 1
            if entering[follower] == 0:
                heapq.heappush(free, follower)
    return ordered
