# SPDX-License-Identifier: Apache-2.0
"""A worker: hosts a stage, and talks to its rank as docs/worker-protocol.md says.

    python -u -m weft.worker FOLDER WORKER
"""

import collections
import fcntl
import json
import os
import resource
import signal
import sys
import threading
import time

from weft import arena, chains, checkpoints, chunks, elements, failures, loader, policy, records
from weft.channel import Channel
from weft.failures import Failure, text_of
from weft.outbox import Outbox
from weft.printing import Printing
from weft.recorder import Recorder
from weft.stage import Stage

_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
#: Modules of Weft's that run PEs' code as if it were theirs, rather than the stage's.
_TRANSPARENT = frozenset(
    f"{_FOLDER}{name}.py"
    for name in ("aggregates", "command", "elements", "monitoring", "policy", "provenance", "testing_elements", "utilities", "watch")
)


class Worker:
    def __init__(self, channel, folder, number):
        self.channel = channel
        self.folder = folder
        self.number = number
        self.stage = None
        self.recorder = None
        #: Whose `preprocess` or `postprocess` is running, and which of them; or whose call has failed.
        self.current = None
        self.ended = False
        self.printing = Printing(self.log)

    # Life cycle

    def run(self, loaded=None):
        try:
            self._open(*(loaded or load(self.folder)))
            self._run()
        except Failure as failure:
            self._end_with(failure.report)

    def _run(self):
        stage, channel = self.stage, self.channel
        for host in stage.hosts:
            self._preprocess(host)
            self.states.restore(host)
        stage.compile(self.recorder, self.checkpoint, self.fault, self.fail)
        self._watch_the_time()
        channel.send_frame(records.READY)
        if stage.source is None:
            self._follow()
        else:
            self._wait_for(records.GO)
            self._begin()
            stage.produce(self._between_items if stage.has_checkpoints else None)
        for host in stage.hosts:
            self._postprocess(host)
        self.recorder.flush()
        self.recorder.send([*self.recorder.profiles(), records.memory(self.number, _peak_memory())])
        self._finish(records.DONE)

    def _open(self, document, graph):
        registered = document["graph"]
        if [pe.id for pe in graph.objToNode] != [element["id"] for element in registered["elements"]] or (
            loader.edges_of(graph) != registered["edges"]
        ):
            raise Failure(
                "load",
                f"The graph that {document['module']} builds on this node is not the one that was registered. "
                "Build the same graph whatever the time, host and environment, or register it again.",
            )
        stage = Stage(document, graph, self.number)
        outbox = Outbox(document, self.number, self.channel, arena.own(), self._cannot_leave)
        self.stage = stage
        #: Items that a source may have processed when the next checkpoint is due.
        self._allowed = checkpoints.first_items(len(document["plan"]["workers"]))
        self.states = checkpoints.States(self.folder, document, self.number, stage.hosts)
        self.recorder = Recorder(stage.hosts, self.channel, outbox, document.get("capture", "full") == "full")
        outbox.on_full = self.recorder.flush
        rank = document["plan"]["workers"][self.number]["rank"]
        for host in stage.hosts:
            stage.equip(host, self.number, rank)
        # A datum's way through the stage is a nest of calls.
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 1000 + 12 * len(stage.hosts)))

    def _watch_the_time(self):
        self._main = threading.main_thread().ident
        signal.signal(signal.SIGURG, self._interrupted)
        signal.siginterrupt(signal.SIGURG, False)
        self.channel.on_due = self._time_passes

    def _wait_for(self, expected):
        kind, body = self.channel.receive()
        if kind != expected or len(body):
            raise ValueError(f"frame {kind} with {len(body)} bytes, where {expected} was due")

    def _begin(self):
        """Has what was written in `preprocess` delivered."""
        recorder = self.recorder
        recorder.open = self.channel.open = True
        recorder.since = time.time_ns()
        # What a checkpoint holds was written in `preprocess` before it.
        early = [(host, [] if self.states.are_restored else host.held) for host in self.stage.hosts]
        for host, _ in early:
            host.held = host.outside = None
            host.open(False)
        for host, held in early:
            if held:
                host.outside = 0
                host.write_held(held)
                recorder.flush()
                host.outside = None

    def _follow(self):
        channel, recorder, entries, feed = self.channel, self.recorder, self.stage.entries, self.stage.feed
        arenas = arena.Arenas()
        while True:
            kind, body = channel.receive()
            if not recorder.open:
                self._begin()
            if kind == records.FINISH:
                return
            if kind == records.GO:
                continue
            if kind == records.CHECKPOINT:
                self._take_checkpoint(body, None)
                continue
            if kind != records.INPUT:
                raise ValueError(f"a frame of unknown kind {kind}")
            batch, body = records.batch_of(body)
            recorder.since = time.time_ns()
            try:
                for edge, ids, values in chunks.decode(body, arenas):
                    entry = entries[edge]
                    entry.ids.add(ids)
                    feed(entry, values)
            except chunks.ContentError as error:
                self._cannot_read(error)
            recorder.flush()
            channel.send_frame(records.CONSUMED, records.consumed(batch))
            channel.pump()

    def _between_items(self, items):
        """A source has processed so many items: a checkpoint that was asked for meanwhile is taken now, or awaited.

        None: it has one left, which may take long, and takes no further part.
        """
        if items is None:
            self.channel.send_frame(records.LAST)
            self.channel.pump()
            return
        frame = self.channel.next_frame()
        if frame is None and items == self._allowed:
            self.recorder.flush()
            self.channel.send_frame(records.PAUSED)
            frame = self.channel.receive()
        if frame is not None:
            kind, body = frame
            if kind == records.INPUT:
                raise ValueError("input for a worker that hosts a source")
            if kind == records.GO:  # No checkpoint will be complete any more.
                self._allowed = None
            elif kind == records.CHECKPOINT:
                self._take_checkpoint(body, items)

    def _take_checkpoint(self, body, items):
        """All that the stage has written by now leaves before word of the checkpoint."""
        number, allowed = records.checkpoint_of(body)
        self._allowed = (items or 0) + allowed
        self.recorder.flush()
        self.states.save(number)
        self.channel.send_frame(records.CHECKPOINTED, records.checkpointed(number, items))
        self.channel.pump()

    def _finish(self, kind, body=b""):
        """Sends the last frame."""
        self.ended = True
        self.printing.finish()
        channel = self.channel
        channel.closed = True
        channel.on_due = None
        channel.send_frame(kind, body)
        channel.flush()

    # Calls but those of `process`

    def _preprocess(self, host):
        overridden = any(
            getattr(type(host.pe), name) is not getattr(elements.GenericPE, name) for name in ("preprocess", "_preprocess")
        )
        host.held = []
        host.outside = 0
        start = self._call(host, records.PREPROCESS, host.pe.preprocess)
        if overridden or host.held:
            self._record(host, records.PREPROCESS, 0, start)
            host.first_call = 1

    def _postprocess(self, host):
        self.recorder.flush()
        sequence = host.outside = host.first_call + host.call_now() + 1
        host.open(True)
        start = self._call(host, records.POSTPROCESS, host.pe.postprocess)
        host.open(False)
        self._record(host, records.POSTPROCESS, sequence, start)
        self.stage.tell_of_skipped(host)
        self.recorder.flush()

    def _call(self, host, kind, function):
        self.current = host, kind
        start = time.time_ns()
        try:
            function()
        except BaseException as error:
            self._raised(host, error, kind, start)
        self.current = None
        return start

    def _record(self, host, flag, sequence, start):
        if self.recorder.captures or flag >= records.FAILURE:
            self.recorder.records.append(
                records.invocation(
                    flag, host.instance, sequence, records.NO_ID, start, time.time_ns() - start, records.NO_INDEX
                )
            )

    # Time

    def checkpoint(self):
        self.stage.due.clear()
        self.recorder.checkpoint()

    def _time_passes(self):
        """In the thread that sends: what is encoded here already, the main thread has to send."""
        limit, due = policy.Limit.running, self.stage.due
        overdue = -1 if limit is None else limit.overdue()
        if overdue > policy.GRACE:
            self._out_of_time(limit)
        # It may not have come by since the last time: a PE computes for long.
        if overdue >= 0 or due and self.recorder.open and self.recorder.waits():
            signal.pthread_kill(self._main, signal.SIGURG)
        if not due:
            due.append(True)

    def _interrupted(self, number, frame):
        """In the main thread, somewhere: has what waits leave if that is in a PE's code, with all books in order."""
        policy.check()
        innermost = frame
        while frame is not None and (
            not frame.f_code.co_filename.startswith(_FOLDER) or frame.f_code.co_filename in _TRANSPARENT
        ):
            frame = frame.f_back
        if self.ended or frame is None or innermost.f_code.co_filename in chains.compiled:
            return
        host, frame = chains.host_of(frame) if frame.f_code.co_filename in chains.compiled else (None, frame)
        if host is None and (frame is None or frame.f_code is not Worker._call.__code__):
            return
        while host is not None:
            if host.outside is None:
                host.start()
            host, frame = chains.host_of(frame.f_back)
        self.checkpoint()

    # Telling

    def log(self, stream, line):
        host = self.current and self.current[0]
        main = threading.main_thread()
        frame = sys._getframe(1) if threading.current_thread() is main else sys._current_frames().get(main.ident)
        running, _ = chains.host_of(frame)
        host = running or host
        self.channel.log(records.NO_INDEX if host is None else host.instance, stream, line.replace(b"\0", b"\\x00"))

    def fault(self, error):
        """A call in a chain raised: never returns."""
        trace = error.__traceback__
        chain = chains.compiled[trace.tb_frame.f_code.co_filename]
        host = chain.host_at(trace.tb_lineno)
        if host is None:
            self.cannot_go_on(error)
        local = trace.tb_frame.f_locals
        self._raised(host, error, records.PROCESS, local.get("begun", time.time_ns()), [local["x"]])

    def _raised(self, host, error, kind, start, processed=()):
        """The PE's code raised."""
        details = {"datum_summary": records.summary(processed[0])} if processed else {}
        where = {records.PROCESS: "", records.PREPROCESS: "In preprocess, ", records.POSTPROCESS: "In postprocess, "}[kind]
        if isinstance(error, failures.TimeLimitExceeded):
            datum = records.datum_name(self.recorder.input_now(host))
            message = f"{host.id} took longer than its time limit of {host.limit.seconds:g} s for datum {datum}"
            self._fail("time_limit", message, error, host, kind, start, **details)
        self._fail("exception", f"{where}{host.id} raised {text_of(error)}", error, host, kind, start, **details)

    def fail(self, cause, message, error, host):
        """What a PE wrote cannot go where it should."""
        self._fail(cause, message, error, host, self.current[1] if self.current else records.PROCESS, time.time_ns())

    def _fail(self, cause, message, error, host, kind, start, call=None, **details):
        recorder = self.recorder
        self.current = host, kind
        details.update(element=host.id, instance=host.instance)
        if kind == records.PROCESS:
            if call is None:
                host.start()
                call = host.call_now()
            datum = recorder.input_now(host, call)
            port = recorder.port_now(host) if call == host.call_now() else records.NO_INDEX
            details["datum"] = records.datum_name(datum)
            sequence = host.first_call + call
        else:
            datum, port, sequence = records.NO_ID, records.NO_INDEX, host.outside or 0
        recorder.records.append(
            records.invocation(
                kind | records.FAILURE, host.instance, sequence, datum, start, time.time_ns() - start, port
            )
        )
        self._end_with(failures.report(cause, message, error, **details))

    def _cannot_leave(self, cause, message, error):
        """The outbox's word about a value that was put there last."""
        if self.recorder.putting is None:
            self.fail(cause, message, error, self.recorder.leaving.host)
        port, call = self.recorder.culprit()
        kind = records.PROCESS if call is not None else self.current[1]
        self._fail(cause, message, error, port.host, kind, time.time_ns(), call)

    def _cannot_read(self, error):
        entry = self.stage.entries[error.edge]
        host, cause = entry.host, error.__cause__
        self._end_with(
            failures.report(
                "unpicklable", f"{host.id} cannot read the datum that came to input '{entry.port}': {text_of(cause)}.", cause,
                element=host.id, instance=host.instance, datum=records.datum_name(error.ids[0]),
            )  # fmt: skip
        )

    def _out_of_time(self, limit):
        host = limit.host
        message = f"{host.id} took longer than its time limit of {limit.seconds:g} s, in code that does not return to Python"
        self.channel.make_room()
        self._finish(
            records.FAILED, failures.encoded(failures.report("time_limit", message, element=host.id, instance=host.instance))
        )
        os._exit(1)

    def cannot_go_on(self, error):
        self._end_with(failures.report("protocol", f"Worker {self.number} cannot go on: {text_of(error)}.", error))

    def _end_with(self, report):
        """Tells of a failure. Nothing of the PE's may run any more: neither its handlers up the stack nor threads it started."""
        self.channel.make_room()
        if self.recorder is not None:
            self.recorder.give_up(self.stage.is_compiled)
        self._finish(records.FAILED, failures.encoded(report))
        os._exit(1)


#: The run's document, and the flattened graph that its module has built.
Loaded = collections.namedtuple("Loaded", "document graph")


def read(folder):
    """The run's document. Raises Failure."""
    try:
        with open(os.path.join(folder, "run.json"), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise Failure("load", f"A worker cannot read {folder}/run.json: {error}.", error) from error


def _peak_memory():
    """Bytes that this process has held at most; what getrusage() tells counts what was forked or replaced, too."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):  # Not Linux.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def load(folder):
    """Reads the run's document and loads its module. Raises Failure."""
    document = read(folder)
    try:
        _, _, graph = loader.load(os.path.join(folder, "module", document["module"]), document.get("attribute"))
    except loader.LoadError as error:
        raise Failure("load", str(error), error.__cause__) from error
    return Loaded(document, graph)


def run_forked(loaded, folder, number):
    """Runs a worker on descriptors 3 and 4; what it loads, or has in common with other workers, is loaded already."""
    descriptor = fcntl.fcntl(3, fcntl.F_DUPFD_CLOEXEC, 100)
    os.close(3)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    worker = Worker(Channel(descriptor), folder, number)
    try:
        worker.run(loaded)
    except Exception as error:
        worker.cannot_go_on(error)


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the rank to handle.
    run_forked(None, sys.argv[1], int(sys.argv[2]))


if __name__ == "__main__":
    from weft import worker  # The module under the name by which others know it.

    worker.main()
