# SPDX-License-Identifier: Apache-2.0
"""A worker: hosts one instance of each PE of a stage, and talks to its rank as docs/worker-protocol.md says.

    python -u -m weft.worker FOLDER WORKER

Inside the stage a datum passes from PE to PE as a plain object. PEs are called depth first: all that follows from a datum is
done before the next one is looked at, so the order on each edge is kept and little is in memory at any time.
"""

import collections
import copy
import fcntl
import io
import json
import os
import pickle
import select
import signal
import socket
import sys
import threading
import time
import traceback

from weft import elements, loader, records
from weft.hashing import stable_hash

FLUSH_BYTES = 64 * 1024
FLUSH_RECORDS = 1024
FLUSH_SECONDS = 0.005
#: Data that one call may write before they are delivered; more and memory would grow with the call.
MAXIMUM_PENDING = 256
#: Calls of PEs within each other's `write`; deeper than that, data wait for the call's end.
MAXIMUM_DEPTH = 32
MAXIMUM_TRACEBACK = 64 * 1024
#: A frame of records or outputs has no more, but where a single one is longer.
FRAME_BYTES = 1 << 20
#: Room for the report of a failure beside what the rank has not read yet; the system grants as much of it as it allows.
FAILURE_BUFFER_BYTES = 1 << 20

_IMMUTABLE = frozenset((int, float, complex, bool, str, bytes, type(None)))
_TYPICAL_SIZES = {int: 28, float: 24, complex: 32, bool: 28, type(None): 16}
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Channel:
    """The worker's end of the socket, and what waits to be sent on it.

    Only the main thread reads. Another thread sends what has waited for 5 ms while the main thread is busy in a PE, and
    never waits for the rank.
    """

    def __init__(self, descriptor):
        self.socket = socket.socket(fileno=descriptor)
        self.socket.setblocking(False)
        #: Provenance records, and data that leave, in the order they came about. Producers append; `_gather` takes from the front.
        self.records = []
        self.outputs = []
        #: Bytes that have not left, roughly: threads may miss each other's changes until the next `_gather`.
        self.size = 0
        #: Records and outputs may leave: the run has begun.
        self.open = False
        self.closed = False
        self._logs = []
        self._outbound = collections.deque()
        self._inbound = bytearray()
        self._sending = threading.Lock()
        self._busy = threading.Event()
        os.register_at_fork(after_in_child=self._leave)
        threading.Thread(target=self._flush_in_time, name="weft-flush", daemon=True).start()

    def send(self, frame):
        self._outbound.append(memoryview(frame))

    def consumed(self, batch):
        """What the batch led to goes first."""
        with self._sending:
            self._gather()
            self.send(records.consumed_frame(batch))
        self._pump()

    def log(self, instance, stream, line):
        if self.closed:
            return
        frame = records.log_frame(instance, stream, line)
        self._logs.append(frame)
        self.size += len(frame)
        # At once, or the last words before a crash would be lost. Where this thread (in a finaliser) or another is sending
        # already, the line goes with the next flush.
        if self._sending.locked():
            return
        if self.size >= FLUSH_BYTES:
            self.flush()
        elif self._sending.acquire(blocking=False):
            try:
                self._gather_logs()
                self._send_some()
            finally:
                self._sending.release()

    def flush(self):
        """Sends all there is, reading what the rank sends meanwhile."""
        reads = threading.current_thread() is threading.main_thread()
        while True:
            with self._sending:
                self._gather()
                self._send_some()
            if not self._outbound:
                return
            if self._wait(select.POLLOUT | (select.POLLIN if reads else 0)) & ~select.POLLOUT and reads:
                self._read()

    def receive(self):
        """The next frame: its kind and body."""
        while True:
            if len(self._inbound) >= records.FRAME_HEADER.size:
                length, kind = records.FRAME_HEADER.unpack_from(self._inbound)
                if length > records.MAXIMUM_FRAME:
                    raise ValueError(f"a frame of {length} bytes")
                end = records.FRAME_HEADER.size + length
                if len(self._inbound) >= end:
                    body = bytes(self._inbound[records.FRAME_HEADER.size : end])
                    del self._inbound[:end]
                    return kind, body
            held = len(self._inbound)
            self.flush()
            # What was read while the flush waited may be the frame, and the last one that comes.
            if len(self._inbound) == held:
                self._busy.clear()
                self._wait(select.POLLIN)
                self._busy.set()
                self._read()

    def make_room(self):
        """Lets the last frame reach the socket, and this process its end, even while the rank does not read."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FAILURE_BUFFER_BYTES)

    def _leave(self):
        """In a process that a PE forks: the socket is not its own. What it prints goes to the rank's pipe."""
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        self.closed = True
        self.socket.close()

    def _flush_in_time(self):
        while True:
            self._busy.wait()
            time.sleep(FLUSH_SECONDS)
            self._pump()

    def _pump(self):
        if self._sending.acquire(blocking=False):
            try:
                self._gather()
                self._send_some()
            finally:
                self._sending.release()

    def _gather(self):
        self._gather_logs()
        if self.open:
            # Outputs are taken before records and sent after them: a datum is never seen before its origin.
            outputs = _take(self.outputs)
            for chunk in _chunks(_take(self.records)):
                self.send(records.frame(records.RECORDS, b"".join(chunk)))
            for chunk in _chunks(outputs):
                self.send(records.output_frame(chunk))
        # What the rank has not taken counts on, or a PE slower than the flushes would never be held back.
        self.size = sum(map(len, self._outbound))

    def _gather_logs(self):
        if self._logs:
            self._outbound.append(memoryview(b"".join(_take(self._logs))))

    def _send_some(self):
        outbound = self._outbound
        while outbound:
            view = outbound[0]
            try:
                sent = self.socket.send(view)
            except BlockingIOError:
                return
            except OSError:
                _rank_is_gone()
            self.size -= sent
            if sent == len(view):
                outbound.popleft()
            else:
                outbound[0] = view[sent:]

    def _wait(self, events):
        poller = select.poll()
        poller.register(self.socket, events)
        return poller.poll()[0][1]

    def _read(self):
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            _rank_is_gone()
        self._inbound += data


def _rank_is_gone():
    # There is nobody left to work for, or to tell; a PE could catch an exception and go on.
    os._exit(1)


def _take(items):
    """Removes what is there from a list to which others may be appending."""
    taken = items[:]
    del items[: len(taken)]
    return taken


def _chunks(items):
    """The items in order, in lists that each fit one frame."""
    if sum(map(len, items)) <= FRAME_BYTES:
        return [items] if items else []
    chunks, size = [[]], 0
    for item in items:
        if chunks[-1] and size + len(item) > FRAME_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(item)
        size += len(item)
    return chunks


class LineStream(io.RawIOBase):
    """Sends what is written as LOG frames, a line each."""

    def __init__(self, worker, stream):
        self._worker = worker
        self._stream = stream
        self._partial = b""
        self._lock = threading.RLock()  # A finaliser may print in the middle of a print.

    def writable(self):
        return True

    def fileno(self):
        return self._stream

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
        self._worker.log(self._stream, line.rstrip(b"\r"))

    def _send_start(self, line):
        end = records.MAXIMUM_LINE
        while end > 1 and line[end : end + 1] and line[end] & 0xC0 == 0x80:  # Not inside a character.
            end -= 1
        self._worker.log(self._stream, line[:end])
        return line[end:]


class OutputPort:
    """Where the data of an output go."""

    __slots__ = ("index", "read", "consumers", "edges")

    def __init__(self, index):
        self.index = index
        #: An edge of the graph begins here; otherwise its data are results of the run.
        self.read = False
        #: PEs of this stage: host, name and index of the input port.
        self.consumers = []
        #: Edges that leave the stage: index, key of the input's grouping or None, the reader as text.
        self.edges = []


class PortWriter:
    """What dispel4py puts under `outputconnections[port]['writer']`."""

    def __init__(self, write, port):
        self._write = write
        self._port = port

    def write(self, data):
        self._write(self._port, data)


class Host:
    """One PE instance."""

    def __init__(self, pe, element, instance):
        self.pe = pe
        self.id = element["id"]
        self.instance = instance
        self.inputs = {port["name"]: index for index, port in enumerate(element["inputs"])}
        self.ports = {name: OutputPort(index) for index, name in enumerate(element["outputs"])}
        self.overrides_write = type(pe).write is not elements.GenericPE.write
        #: `_process` and its output, where `process` is that of IterativePE or ConsumerPE: it would only unwrap and wrap the datum.
        self.direct = None
        self.direct_output = None
        self.next_datum = records.datum_base(instance)
        #: Number of the invocation that is running, or of the next one.
        self.sequence = 0
        #: What is being called, and the id of the datum that is being processed.
        self.kind = records.PREPROCESS
        self.datum = records.NO_ID
        #: What `update_prov_state` remembered: name to datum id.
        self.state = {}

    def bind(self):
        """Looks up what is called for each datum. Not earlier than `preprocess`, which may put other methods in place."""
        pe = self.pe
        self.process = pe.process
        process = None if "process" in vars(pe) or self.overrides_write else type(pe).process
        if process is elements.IterativePE.process:
            self.direct, self.direct_output = pe._process, pe.OUTPUT_NAME
        elif process is elements.ConsumerPE.process:
            self.direct = pe._process

    def remember(self, name, data=None, **_):
        if self.datum != records.NO_ID:
            self.state[name] = self.datum


class Worker:
    def __init__(self, channel, folder, number):
        self.channel = channel
        self.folder = folder
        self.number = number
        self.host = None
        #: Data written in the running call that wait for their PEs in this stage: host, port's name and index, value, datum id.
        self.pending = []
        self.depth = 0
        #: When the running call began or last delivered, and the time it has spent delivering.
        self.clock = time.time_ns()
        self.delivering = 0
        self.streams = [LineStream(self, 1), LineStream(self, 2)]

    # Life cycle

    def run(self):
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(stream, encoding="utf-8", errors="backslashreplace", line_buffering=True, write_through=True)
            for stream in self.streams
        )
        self._load()
        for host in self.hosts:
            overridden = any(
                getattr(type(host.pe), name) is not getattr(elements.GenericPE, name) for name in ("preprocess", "_preprocess")
            )
            self._call(host, records.PREPROCESS, host.pe.preprocess, recorded=overridden)
            host.bind()
            host.kind = records.PROCESS
        self.channel.send(records.frame(records.READY))
        if self.items is None:
            self._follow()
        else:
            self._wait_for(records.GO)
            self._begin()
            self._produce()
        for host in self.hosts:
            self._call(host, records.POSTPROCESS, host.pe.postprocess)
            self._deliver()
        self.host = None
        self._finish(records.frame(records.DONE))

    def _load(self):
        try:
            with open(os.path.join(self.folder, "run.json"), encoding="utf-8") as file:
                document = json.load(file)
        except (OSError, ValueError) as error:
            self._fail("load", f"Worker {self.number} cannot read {self.folder}/run.json: {error}.", error=error)
        path = os.path.join(self.folder, "module", document["module"])
        try:
            _, _, graph = loader.load(path, document.get("attribute"))
        except loader.LoadError as error:
            self._fail("load", str(error), error=error.__cause__)
        registered, plan = document["graph"], document["plan"]
        pes = list(graph.objToNode)
        if [pe.id for pe in pes] != [element["id"] for element in registered["elements"]] or (
            loader.edges_of(graph) != registered["edges"]
        ):
            self._fail(
                "load",
                f"The graph that {document['module']} builds on this node is not the one that was registered. "
                "Build the same graph whatever the time, host and environment, or register it again.",
            )
        own = plan["workers"][self.number]
        members = plan["stages"][own["stage"]]["elements"]
        self.hosts = [
            Host(pes[index], registered["elements"][index], plan["first_instances"][index] + own["replica"]) for index in members
        ]
        self._connect(registered)
        for host in self.hosts:
            self._equip(host, own["rank"])
        fed = {edge["to"] for edge in registered["edges"]}
        self.source = next((host for host in self.hosts if host.id not in fed), None)
        self.items = None
        if self.source is not None:
            given = document["inputs"].get(self.source.id, 0) if own["replica"] == 0 else 0
            self.items = ({} for _ in range(given)) if isinstance(given, int) else given
            self.items_are_given = not isinstance(given, int)

    def _connect(self, graph):
        hosts = {host.id: host for host in self.hosts}
        inputs = {element["id"]: {port["name"]: port["grouping"] for port in element["inputs"]} for element in graph["elements"]}
        #: Edges from other stages: index to host, name and index of the input port.
        self.entries = {}
        for index, edge in enumerate(graph["edges"]):
            writer, reader = hosts.get(edge["from"]), hosts.get(edge["to"])
            target = reader and (reader, edge["input"], reader.inputs[edge["input"]])
            if writer:
                writer.ports[edge["output"]].read = True
            if writer and reader:
                writer.ports[edge["output"]].consumers.append(target)
            elif reader:
                self.entries[index] = target
            elif writer:
                grouping = inputs[edge["to"]][edge["input"]]
                key = grouping["by_key"] if isinstance(grouping, dict) else None
                writer.ports[edge["output"]].edges.append((index, key, f"{edge['to']}, input '{edge['input']}'"))

    def _equip(self, host, rank):
        pe = host.pe
        write = self._writer(host)
        pe._write = write
        if not host.overrides_write:
            pe.write = write
        if type(pe).update_prov_state is elements.GenericPE.update_prov_state:
            pe.update_prov_state = host.remember
        pe.rank = self.number
        pe._mpi_rank = rank
        for name, connection in pe.outputconnections.items():
            if isinstance(connection, dict):
                connection[elements.WRITER] = PortWriter(pe.write, name)

    def _wait_for(self, expected):
        kind, body = self.channel.receive()
        if kind != expected or body:
            raise ValueError(f"frame {kind} with {len(body)} bytes, where {expected} was due")

    def _begin(self):
        self.channel.open = True
        self._deliver()

    def _produce(self):
        channel, source = self.channel, self.source
        base = records.input_base(source.instance)
        for sequence, item in enumerate(self.items):
            datum = base | sequence
            size = len(json.dumps(item)) if item else 2
            channel.records.append(records.datum(records.RUN_INPUT, 0, datum, records.NO_ID, size, time.time_ns()))
            if self.items_are_given:
                channel.records.append(records.attributes(datum, {"value": item}))
                channel.size += size
            self._process(source, None, None, item, datum)

    def _follow(self):
        channel, entries, loads = self.channel, self.entries, pickle.loads
        while True:
            kind, body = channel.receive()
            if not channel.open:
                self._begin()
            if kind == records.FINISH:
                return
            if kind == records.GO:
                continue
            if kind != records.INPUT:
                raise ValueError(f"a frame of unknown kind {kind}")
            batch, data = records.unpack_input(body)
            for edge, datum, view in data:
                host, port, index = entries[edge]
                try:
                    value = loads(view)
                except Exception as error:
                    self.host, host.datum = host, datum
                    self._fail(
                        "unpicklable", f"{host.id} cannot read the datum that came to input '{port}': {_text_of(error)}.", error=error
                    )
                self._process(host, port, index, value, datum)
            channel.consumed(batch)

    def _finish(self, frame):
        """Sends the last frame. Nothing that is printed later reaches the rank this way."""
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        for stream in self.streams:
            stream.finish()
        channel = self.channel
        channel.open = channel.closed = True
        channel.flush()
        channel.send(frame)
        channel.flush()

    # Calling PEs

    def _call(self, host, kind, function, recorded=True):
        """`preprocess` or `postprocess`."""
        self.host = host
        host.kind = kind
        host.datum = records.NO_ID
        first = host.next_datum
        start = self.clock = time.time_ns()
        self.delivering = 0
        try:
            function()
        except BaseException as error:
            self._raised(host, error, start, records.NO_INDEX)
        if recorded or host.next_datum != first:
            duration = time.time_ns() - start - self.delivering
            self.channel.records.append(
                records.invocation(kind, host.instance, host.sequence, records.NO_ID, start, duration, records.NO_INDEX)
            )
            host.sequence += 1

    def _process(self, host, port, index, value, datum):
        """Has the datum processed, and all that follows from it in this stage."""
        self.clock = time.time_ns()
        self._run([(host, port, index, value, datum)])

    def _deliver(self):
        """Has the pending data processed, and all that follows from them in this stage."""
        if not self.pending:
            return
        stack = self.pending[::-1]
        self.pending.clear()
        start = time.time_ns()
        delivering = self.delivering
        host, self.clock = self.host, start
        self.depth += 1
        self._run(stack)
        self.depth -= 1
        self.host = host
        now = self.clock = time.time_ns()
        self.delivering = delivering + now - start

    def _run(self, stack):
        channel, pending, emit = self.channel, self.pending, self._emit
        append, pack, time_ns = channel.records.append, records.invocation, time.time_ns
        start = self.clock
        while stack:
            host, port, index, value, datum = stack.pop()
            self.host = host
            host.datum = datum
            self.clock = start
            self.delivering = 0
            try:
                if host.direct is not None and port == "input":
                    result = host.direct(value)
                    if result is not None and host.direct_output is not None:
                        emit(host, host.direct_output, result, None)
                else:
                    result = host.process(value if port is None else {port: value})
                    if result is not None:
                        self._emit_all(host, result)
            except BaseException as error:
                self._raised(host, error, start, self._port_of_item(host, value) if port is None else index, value)
            end = time_ns()
            if port is None:
                index = self._port_of_item(host, value)
            append(pack(0, host.instance, host.sequence, datum, start, end - start - self.delivering, index))
            host.sequence += 1
            start = end
            if pending:
                if len(pending) == 1:
                    stack.append(pending.pop())
                else:
                    stack.extend(pending[::-1])
                    pending.clear()
            if channel.size >= FLUSH_BYTES or len(channel.records) >= FLUSH_RECORDS:
                channel.flush()
                start = time_ns()

    def _port_of_item(self, host, item):
        """An item of a source may name no port or several."""
        return host.inputs.get(next(iter(item)), records.NO_INDEX) if len(item) == 1 else records.NO_INDEX

    # Data

    def _writer(self, host):
        """The PE's `write`."""
        pending, channel, emit = self.pending, self.channel, self._emit

        def write(name, data, **details):
            changeable = type(data) not in _IMMUTABLE
            deliver = channel.open and self.depth < MAXIMUM_DEPTH
            if changeable and not deliver:
                data = self._copy(host, name, data)
            now = emit(host, name, data, details)
            if len(pending) >= MAXIMUM_PENDING and channel.open or (
                # The PE may change the datum after this, or compute for long before it returns.
                deliver and pending and (changeable or now - self.clock > FLUSH_SECONDS * 1e9)
            ):
                self._deliver()
            if channel.open and (channel.size >= FLUSH_BYTES or len(channel.records) >= FLUSH_RECORDS):
                self._flush_in_call()

        return write

    def _flush_in_call(self):
        # Waiting for the rank is not the PE's time.
        start = time.time_ns()
        self.channel.flush()
        self.delivering += time.time_ns() - start

    def _emit_all(self, host, result):
        if not isinstance(result, dict):
            raise TypeError(f"process() returned a {type(result).__name__}: return a dictionary of output port and datum, or None")
        for name, data in result.items():
            if host.overrides_write:
                host.pe.write(name, data)
            else:
                self._emit(host, name, data, None)

    def _emit(self, host, name, data, details):
        """Records a datum and sends it on its way. Returns the time."""
        port = host.ports.get(name)
        if port is None:
            known = ", ".join(map(repr, host.ports)) or "none"
            raise KeyError(f"Can't write data: Unknown output connection '{name}' of {host.id}; its outputs are: {known}")
        channel = self.channel
        datum = host.next_datum
        host.next_datum = datum + 1
        now = time.time_ns()
        if port.edges:
            pickled = self._pickle(host, name, data)
            channel.records.append(records.datum(records.MEASURED, port.index, datum, host.sequence, len(pickled), now))
        else:
            size = _TYPICAL_SIZES.get(type(data))
            if size is None:
                size = _estimate(data)
            channel.records.append(records.datum(records.ESTIMATED, port.index, datum, host.sequence, size, now))
        if details:
            self._describe(host, datum, details)
        consumers = port.consumers
        if consumers:
            reader, input, index = consumers[0]
            self.pending.append((reader, input, index, data, datum))
            for reader, input, index in consumers[1:]:
                value = data if type(data) in _IMMUTABLE else self._copy(host, name, data)
                self.pending.append((reader, input, index, value, datum))
        for edge, key, reader in port.edges:
            key_hash = 0 if key is None else self._key_hash(host, name, data, key, reader)
            channel.outputs.append(records.data_record(edge, datum, key_hash, pickled))
            channel.size += len(pickled) + records.DATA_HEADER.size
        if not port.read:
            record = records.result(datum, port.index, data)
            channel.records.append(record)
            channel.size += len(record)
        return now

    def _describe(self, host, datum, details):
        named = details.get("dep") or ()
        for name in [named] if isinstance(named, str) else named:
            origin = host.state.get(name)
            if origin is not None and origin != host.datum:
                self.channel.records.append(records.derivation(datum, origin))
        attributes = {name: details[name] for name in ("location", "format", "metadata") if details.get(name) is not None}
        if attributes:
            record = records.attributes(datum, attributes)
            self.channel.records.append(record)
            self.channel.size += len(record)

    def _pickle(self, host, name, data):
        try:
            pickled = pickle.dumps(data, 5)
        except Exception as error:
            self._fail(
                "unpicklable",
                f"{host.id} wrote a value of type {type(data).__name__} to output '{name}' that cannot be copied to another PE: "
                f"{_text_of(error)}. Write plain data, or objects of a class that pickle knows.",
                error=error,
            )
        if len(pickled) > records.MAXIMUM_FRAME - 1024:
            self._fail(
                "exception",
                f"{host.id} wrote a datum of {len(pickled)} bytes to output '{name}'; the limit is 1 GiB. "
                "Write it to a file and send its path.",
            )
        return pickled

    def _copy(self, host, name, data):
        try:
            return copy.deepcopy(data)
        except Exception:
            return pickle.loads(self._pickle(host, name, data))

    def _key_hash(self, host, name, data, key, reader):
        try:
            return stable_hash(tuple([data[part] for part in key]))
        except Exception as error:
            self._fail(
                "exception",
                f"{host.id} wrote to output '{name}' a datum that cannot be grouped by the key {key} of {reader}: {_text_of(error)}; "
                f"the datum is {records.summary(data, 200)}.",
                error=error,
            )

    # Telling

    def log(self, stream, line):
        host = self.host
        self.channel.log(records.NO_INDEX if host is None else host.instance, stream, line.replace(b"\0", b"\\x00"))

    def _raised(self, host, error, start, port, value=None):
        """The PE's code raised."""
        duration = time.time_ns() - start - self.delivering
        self.channel.records.append(
            records.invocation(host.kind | records.FAILURE, host.instance, host.sequence, host.datum, start, duration, port)
        )
        where = {records.PROCESS: "", records.PREPROCESS: "In preprocess, ", records.POSTPROCESS: "In postprocess, "}[host.kind]
        processed = [] if host.datum == records.NO_ID else [value]
        self._report("exception", f"{where}{host.id} raised {_text_of(error)}", error, host, processed)

    def _fail(self, cause, message, error=None):
        """Something that the worker found while it did what a PE asked for, or before there was a PE."""
        host = self.host
        if host is not None:
            duration = time.time_ns() - self.clock
            flag = host.kind | records.FAILURE
            self.channel.records.append(
                records.invocation(flag, host.instance, host.sequence, host.datum, self.clock, duration, records.NO_INDEX)
            )
        self._report(cause, message, error, host)

    def _report(self, cause, message, error=None, host=None, processed=()):
        report = {"cause": cause, "message": message}
        if host is not None:
            report.update(element=host.id, instance=host.instance)
            if host.datum != records.NO_ID:
                report["datum"] = records.datum_name(host.datum)
        if processed:
            report["datum_summary"] = records.summary(processed[0])
        if error is not None:
            report["traceback"] = _traceback_of(error)
        self.channel.outputs.clear()
        self.channel.open = True
        self.channel.make_room()
        body = json.dumps({name: value.replace("\0", "\\x00") if isinstance(value, str) else value for name, value in report.items()})
        self._finish(records.frame(records.FAILED, body.encode()))
        # Nothing of the PE's may run any more: neither its handlers up the stack nor threads it started.
        os._exit(1)


def _estimate(data):
    """Bytes of a datum that stays in the worker, told at a glance."""
    if type(data) is str or type(data) is bytes:
        return len(data)
    try:
        size = getattr(data, "nbytes", None)
        if type(size) is not int:
            size = sys.getsizeof(data)
        return size if 0 <= size < 1 << 63 else 0
    except Exception:
        return 0


def _text_of(error):
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be had)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _traceback_of(error):
    """The traceback, without Weft's own frames above the author's."""
    trace = error.__traceback__
    while trace is not None and os.path.abspath(trace.tb_frame.f_code.co_filename).startswith(_PACKAGE):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))
    return text if len(text) <= MAXIMUM_TRACEBACK else "…" + text[-MAXIMUM_TRACEBACK:]


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the rank to handle.
    descriptor = fcntl.fcntl(3, fcntl.F_DUPFD_CLOEXEC, 100)
    os.close(3)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    worker = Worker(Channel(descriptor), sys.argv[1], int(sys.argv[2]))
    try:
        worker.run()
    except Exception as error:
        worker._report("protocol", f"Worker {worker.number} cannot go on: {_text_of(error)}.", error)


if __name__ == "__main__":
    main()
