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

    def __init__(self, folder, source, stages=None, workers=None, inputs=None, attribute=None):
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
            "format": 1, "run": "run_00000000000000000000000000", "attempt": 1, "graph": self.graph,
            "plan": {
                "layout": "fused", "ranks_requested": 1, "ranks": 1, "reasons": [], "first_instances": first_instances,
                "stages": [{"elements": m, "workers": c, "reasons": []} for m, c in zip(stages, workers)],
                "workers": [
                    {"stage": stage, "replica": replica, "rank": 0} for stage, c in enumerate(workers) for replica in range(c)
                ],
            },
            "inputs": {**sources, **(inputs or {})}, "interpreter": sys.executable, "module": "flow.py", "attribute": attribute,
        }  # fmt: skip
        self.write()

    def write(self):
        (self.folder / "run.json").write_text(json.dumps(self.document))

    def worker(self, number=0, **environment):
        return WorkerProcess(self.folder, number, environment)

    def run(self, number=0, data=(), **environment):
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
                worker.read_until(frames, DONE, FAILED)
            frames.status = worker.process.wait(TIMEOUT)
            frames.printed = worker.process.stdout.read().decode()
            return frames


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
        body = struct.pack("<II", batch, len(data))
        for edge, datum, value in data:
            pickled = pickle.dumps(value, 5)
            body += struct.pack("<HQQI", edge, datum, 0, len(pickled)) + pickled
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
    """What a worker sent, decoded."""

    def __init__(self):
        self.kinds = []
        self.outputs = []  # (edge, datum, key hash, value)
        self.invocations = []  # dictionaries
        self.data = []
        self.derivations = []  # (datum, origin)
        self.attributes = {}
        self.results = []  # (datum, port, value)
        self.logs = []  # (instance, stream, text)
        self.consumed = []
        self.failure = None

    @property
    def last(self):
        return self.kinds[-1]

    def add(self, kind, body):
        self.kinds.append(kind)
        if kind == OUTPUT:
            (count,) = struct.unpack_from("<I", body)
            position = 4
            for _ in range(count):
                edge, datum, key, length = struct.unpack_from("<HQQI", body, position)
                position += 22 + length
                self.outputs.append((edge, datum, key, pickle.loads(body[position - length : position])))
            assert position == len(body)
            written = {record["id"] for record in self.data}
            assert all(datum in written for _, datum, _, _ in self.outputs), "a datum came before its record"
        elif kind == RECORDS:
            self._add_records(body)
        elif kind == CONSUMED:
            self.consumed += struct.unpack("<I", body)
        elif kind == LOG:
            instance, stream = struct.unpack_from("<HB", body)
            self.logs.append((instance, stream, body[3:].decode()))
        elif kind == FAILED:
            self.failure = json.loads(body)

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
                    dict(kind=flag & 15, failed=flag >> 4, instance=subject, sequence=sequence, datum=datum, start=start,
                         duration=duration, port=port)
                )  # fmt: skip
            elif type == 2:
                datum, sequence, size, time = struct.unpack("<QQQq", record)
                self.data.append(dict(id=datum, flag=flag, port=subject, invocation=sequence, size=size, time=time))
            elif type == 3:
                self.derivations.append(struct.unpack("<QQ", record))
            elif type == 4:
                self.attributes[struct.unpack_from("<Q", record)[0]] = json.loads(record[8:])
            elif type == 5:
                self.results.append((struct.unpack_from("<Q", record)[0], subject, json.loads(record[8:])))
            else:
                raise AssertionError(f"record of type {type}")
