# SPDX-License-Identifier: Apache-2.0
"""The rank's side of the protocol, for tests: writes run.json, starts a worker over a socketpair and decodes what it sends."""

import contextlib
import fcntl
import json
import os
import pickle
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import textwrap
import time
from pathlib import Path

from weft import loader

PACKAGE = str(Path(__file__).resolve().parent.parent)
INPUT, FINISH, GO = 1, 2, 3
READY, OUTPUT, RECORDS, CONSUMED, LOG, DONE, FAILED = range(16, 23)
NONE = (1 << 64) - 1
TIMEOUT = 20


def describe(path, attribute=None):
    """What `python -m weft.loader` says of a module."""
    with tempfile.TemporaryFile() as output:
        options = ["--attribute", attribute] if attribute else []
        subprocess.run(
            [sys.executable, "-c", "import os,sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.executable, [sys.executable] + sys.argv[2:])",
             str(output.fileno()), "-m", "weft.loader", str(path), *options],
            env={**os.environ, "PYTHONPATH": PACKAGE}, pass_fds=[output.fileno()], check=True, timeout=TIMEOUT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        output.seek(0)
        return json.load(output)


class Attempt:
    """An attempt's folder with one module, planned as the test says: stages as lists of element positions."""

    def __init__(self, folder, source, stages=None, workers=None, inputs=None, attribute=None, capture="full"):
        self.folder = Path(folder)
        (self.folder / "module").mkdir(parents=True, exist_ok=True)
        self.path = self.folder / "module" / "flow.py"
        self.path.write_text(textwrap.dedent(source))
        _, _, graph = loader.load(self.path, attribute)
        self.graph = loader.describe(graph, self.path)
        elements = self.graph["elements"]
        stages = stages or [list(range(len(elements)))]
        workers = workers or [1] * len(stages)
        first_instances, next_instance = [0] * len(elements), 0
        for members, count in zip(stages, workers):
            for element in members:
                first_instances[element] = next_instance
                next_instance += count
        fed = {edge["to"] for edge in self.graph["edges"]}
        sources = {element["id"]: 1 for element in elements if element["id"] not in fed}
        self.document = {
            "format": 2, "run": "run_00000000000000000000000000", "attempt": 1, "graph": self.graph,
            "plan": {
                "layout": "fused", "ranks_requested": 1, "ranks": 1, "reasons": [], "first_instances": first_instances,
                "stages": [{"elements": m, "workers": c, "reasons": []} for m, c in zip(stages, workers)],
                "workers": [
                    {"stage": stage, "replica": replica, "rank": 0} for stage, c in enumerate(workers) for replica in range(c)
                ],
            },
            "inputs": {**sources, **(inputs or {})}, "capture": capture, "interpreter": sys.executable, "module": "flow.py",
            "attribute": attribute,
        }  # fmt: skip
        self.write()

    def write(self):
        (self.folder / "run.json").write_text(json.dumps(self.document))

    def worker(self, number=0, **environment):
        return WorkerProcess(self.folder, number, environment)

    def run(self, number=0, data=(), ends_without_a_word=False, **environment):
        """The whole life of a worker whose stage holds a source, or that is given `data` as batches of (edge, id, value)."""
        with self.worker(number, **environment) as worker:
            frames = Frames()
            worker.read_until(frames, READY, DONE, FAILED)
            if frames.last == READY:
                with contextlib.suppress(OSError):  # It may have failed already.
                    worker.send(GO)
                    for batch, records in enumerate(data):
                        worker.send_input(batch, records)
                    worker.send(FINISH)
                if not ends_without_a_word:
                    worker.read_until(frames, DONE, FAILED)
            frames.status = worker.process.wait(TIMEOUT)
            frames.printed = worker.process.stdout.read().decode()
            return frames


def chunk(edge, ids, values):
    content = pickle.dumps(values, 5)
    header = struct.Struct("<IHHIBBHQ")
    length = header.size + 8 * len(ids) + len(content)
    return header.pack(length, edge, 0, len(ids), 1, 0, 0, length) + struct.pack(f"<{len(ids)}Q", *ids) + content


class WorkerProcess:
    def __init__(self, folder, number, environment):
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(TIMEOUT)
        (Path(folder) / "work").mkdir(exist_ok=True)
        start = "import os,sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.executable, [sys.executable] + sys.argv[2:])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", start, str(theirs.fileno()), "-u", "-m", "weft.worker", str(folder), str(number)],
            cwd=Path(folder) / "work", env={**os.environ, "PYTHONPATH": PACKAGE, **environment}, pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.kill()
        self.process.wait(TIMEOUT)
        self.process.stdout.close()

    def send(self, kind, body=b""):
        self.socket.sendall(struct.pack("<IB", len(body), kind) + body)

    def send_input(self, batch, data):
        """Data as (edge, id, value), each a chunk of its own."""
        body = struct.pack("<I", batch)
        for edge, datum, value in data:
            body += chunk(edge, [datum], [value])
        self.send(INPUT, body)

    def wait_until_blocked(self):
        """Until what the worker sent, and nobody reads, has long stopped to grow."""
        self.wait_until_steady(lambda: self._waiting(termios.FIONREAD))

    def wait_until_steady(self, size):
        """Until a size has long stopped to grow from 0."""
        deadline, held, steady = time.monotonic() + TIMEOUT, -1, 0
        while steady < 20:
            assert time.monotonic() < deadline, "nothing comes, or it does not stop"
            now = size()
            steady = steady + 1 if now == held and now > 0 else 0
            held = now
            time.sleep(0.01)

    def wait_until_taken(self):
        """Until the worker has read all that was sent to it."""
        deadline = time.monotonic() + TIMEOUT
        while self._waiting(termios.TIOCOUTQ):
            assert time.monotonic() < deadline, "the worker does not read"
            time.sleep(0.01)

    def _waiting(self, query):
        return struct.unpack("i", fcntl.ioctl(self.socket, query, bytes(4)))[0]

    def read(self):
        """The next frame, or None at the end of the stream."""
        header = self._exactly(5)
        if header is None:
            return None
        length, kind = struct.unpack("<IB", header)
        return kind, self._exactly(length)

    def read_until(self, frames, *kinds):
        while True:
            frame = self.read()
            assert frame is not None, f"the worker died: {self.process.communicate()[0].decode()}"
            frames.add(*frame)
            if frame[0] in kinds:
                return

    def _exactly(self, count):
        data = bytearray()
        while len(data) < count:
            part = self.socket.recv(min(count - len(data), 1 << 20))
            if not part:
                return None
            data += part
        return bytes(data)


class Frames:
    """What a worker sent, decoded; runs of calls and data one by one."""

    def __init__(self):
        self.kinds = []
        self.outputs = []  # (edge, datum, replica, value)
        self.invocations = []  # dictionaries, in the order of the records
        self.calls = []  # records of runs
        self.data = []
        self.data_runs = 0
        self.derivations = []  # (datum, origin)
        self.attributes = {}
        self.results = []  # (datum, port, value)
        self.logs = []  # (instance, stream, text)
        self.consumed = []
        self.profiles = {}
        self.peaks = {}
        self.failure = None
        self.check_origins = True
        self._known = set()

    @property
    def last(self):
        return self.kinds[-1]

    def of(self, instance, kind=0):
        """The invocations of an instance in the order of their numbers."""
        return sorted((r for r in self.invocations if r["instance"] == instance and r["kind"] == kind), key=lambda r: r["sequence"])

    def add(self, kind, body):
        self.kinds.append(kind)
        if kind == OUTPUT:
            self._add_output(body)
        elif kind == RECORDS:
            self._add_records(body)
        elif kind == CONSUMED:
            self.consumed += struct.unpack("<I", body)
        elif kind == LOG:
            instance, stream = struct.unpack_from("<HB", body)
            self.logs.append((instance, stream, body[3:].decode()))
        elif kind == FAILED:
            self.failure = self.failure or json.loads(body)

    def _add_output(self, body):
        position = 0
        while position < len(body):
            length, edge, replica, count, form, _, pieces, _ = struct.unpack_from("<IHHIBBHQ", body, position)
            assert pieces == 0, "these tests have no shared memory"
            start = position + 24
            if form & 1:
                ids, start = struct.unpack_from(f"<{count}Q", body, start), start + 8 * count
            else:
                first, stride = struct.unpack_from("<QQ", body, start)
                ids, start = range(first, first + count * stride, stride), start + 16
            values = pickle.loads(body[start : position + length])
            assert len(ids) == len(values) == count
            self.outputs += zip([edge] * count, ids, [replica] * count, values)
            position += length
        assert position == len(body)
        assert not self.check_origins or self._known.issuperset(output[1] for output in self.outputs), "a datum came before its record"

    def _add_records(self, body):
        position = 0
        while position < len(body):
            type, flag, subject, length = struct.unpack_from("<BBHI", body, position)
            record = body[position + 8 : position + 8 + length]
            assert len(record) == length
            position += 8 + length
            if type == 1:
                sequence, datum, start, duration, port = struct.unpack("<QQqqH6x", record)
                self.invocations.append(
                    dict(kind=flag & 15, outcome=flag >> 4, instance=subject, sequence=sequence, datum=datum, start=start,
                         duration=duration, port=port)
                )  # fmt: skip
            elif type == 3:
                self.derivations.append(struct.unpack("<QQ", record))
            elif type == 4:
                self.attributes[struct.unpack_from("<Q", record)[0]] = json.loads(record[8:])
            elif type == 5:
                self.results.append((struct.unpack_from("<Q", record)[0], subject, json.loads(record[8:])))
            elif type == 8:
                self._add_calls(subject, record)
            elif type == 9:
                self._add_data(flag, subject, record)
            elif type == 10:
                self.profiles[subject] = json.loads(record)
            elif type == 11:
                self.peaks[subject] = struct.unpack("<q", record)[0]
            else:
                raise AssertionError(f"record of type {type}")

    def _add_calls(self, instance, record):
        first, count, port, form, timing, start, end, timed, spent = struct.unpack_from("<QQHBB4xqqQQ", record)
        assert count > 0 and start <= end and timed <= count
        position = 56
        if form == 0:
            inputs = [NONE] * count
        elif form == 1:
            datum, stride = struct.unpack_from("<QQ", record, position)
            inputs, position = range(datum, datum + count * stride, stride), position + 16
        else:
            inputs, position = struct.unpack_from(f"<{count}Q", record, position), position + 8 * count
        times = [(start, None)] * count
        if timing == 1:
            times = list(struct.iter_unpack("<qq", record[position : position + 16 * count]))
            position += 16 * count
        assert position == len(record)
        self.calls.append(dict(instance=instance, count=count, form=form, timing=timing, timed=timed, spent=spent, start=start, end=end))
        for sequence, datum, (start, duration) in zip(range(first, first + count), inputs, times):
            self.invocations.append(
                dict(kind=0, outcome=0, instance=instance, sequence=sequence, datum=datum, start=start, duration=duration, port=port)
            )

    def _add_data(self, flag, port, record):
        first, count, form, sequence, size, start, end = struct.unpack_from("<QQB7xQQqq", record)
        assert count > 0 and start <= end and len(record) == 56 + (4 * count if form == 2 else 0)
        writers = {
            0: lambda: [sequence] * count,
            1: lambda: range(sequence, sequence + count),
            2: lambda: [sequence + distance for distance in struct.unpack_from(f"<{count}I", record, 56)],
            3: lambda: [NONE] * count,
        }[form]()
        self.data_runs += 1
        for datum, writer in zip(range(first, first + count), writers):
            self._known.add(datum)
            self.data.append(dict(id=datum, flag=flag, port=port, invocation=writer, size=size, count=count, time=start))
