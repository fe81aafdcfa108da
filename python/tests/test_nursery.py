# SPDX-License-Identifier: Apache-2.0
"""The nursery with real forks; the test is the rank."""

import contextlib
import gzip
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

TIMEOUT = 20
PACKAGE = str(Path(__file__).resolve().parent.parent)
READY, DONE, FAILED = 16, 21, 22
FINISH, GO = 2, 3

#: Each worker of the second stage writes what it sees into a file of the working directory.
FLOW = """
import json, os, sys, signal, random, atexit
from dispel4py.base import ProducerPE, IterativePE
from dispel4py.workflow_graph import WorkflowGraph

LOADED_BY = os.getpid()
MORE = lambda: {}

class Source(ProducerPE):
    def _process(self, item):
        return 1

class Look(IterativePE):
    def _preprocess(self):
        pid = os.getpid()
        seen = {
            "pid": pid, "loaded_by": LOADED_BY, "group": os.getpgid(0), "rank": os.environ.get("WEFT_RANK"), "stdin": sys.stdin.read(),
            "folder": os.getcwd(), "child handler": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, "random": random.random(),
            "sockets": sum(os.readlink(f"/proc/self/fd/{name}").startswith("socket:") for name in os.listdir("/proc/self/fd") if
                           os.path.exists(f"/proc/self/fd/{name}")), **MORE(),
        }
        with open(f"seen-{pid}.part", "w") as file:
            json.dump(seen, file)
        os.rename(f"seen-{pid}.part", f"seen-{pid}")
        os.write(1, b"past the stream\\n")

graph = WorkflowGraph()
graph.connect(Source(), 'output', Look(), 'input')
"""


class Worker:
    """What a rank keeps of a worker that it has asked for."""

    def __init__(self, number):
        self.number = number
        self.socket, self.worker_socket = socket.socketpair()
        self.socket.settimeout(TIMEOUT)
        self.pipe, self.worker_pipe = os.pipe()
        self.arena = os.memfd_create("weft-arena")
        os.truncate(self.arena, 1 << 40)

    def handed_over(self):
        self.worker_socket.close()
        os.close(self.worker_pipe)

    def send(self, kind):
        self.socket.sendall(struct.pack("<IB", 0, kind))

    def read(self):
        """Kind and body of the next frame that is no log and no record; None at the end."""
        while True:
            header = self._exactly(5)
            if header is None:
                return None
            length, kind = struct.unpack("<IB", header)
            body = self._exactly(length)
            if kind not in (18, 20):
                return kind, body

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            data += part
        return data

    def printed(self):
        """All that was written to the pipe, once every process that has it is gone."""
        with os.fdopen(self.pipe, "rb") as file:
            return file.read().decode()

    def close(self):
        self.socket.close()
        os.close(self.arena)


class Rank:
    def __init__(self, address):
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.connection.connect(address)
        self.connection.settimeout(TIMEOUT)
        self.workers = {}
        self.replies = []

    def ask(self, number, **environment):
        worker = self.workers[number] = Worker(number)
        environment = {"WEFT_RANK": "5", "WEFT_ARENA": f"{os.getpid()}:{worker.arena}", **environment}
        request = json.dumps({"worker": number, "environment": environment}).encode()
        socket.send_fds(self.connection, [request], [worker.worker_socket.fileno(), worker.worker_pipe, worker.arena])
        worker.handed_over()
        return worker

    def hear(self, number, key):
        """The reply about the worker that has the key."""
        while True:
            for reply in self.replies:
                if reply["worker"] == number and key in reply:
                    return reply
            message = self.connection.recv(1 << 18)
            assert message, "the nursery has gone"
            self.replies.append(json.loads(message))

    def close(self):
        self.connection.close()
        for worker in self.workers.values():
            worker.close()


class Nursery:
    def __init__(self, folder, tried=None, **environment):
        """`tried`: the module of which it is to tell first, as `weft try` wants it."""
        (Path(folder) / "work").mkdir(exist_ok=True)
        self.work = Path(folder) / "work"
        self.address = f"\0weft-test-{uuid.uuid4()}"
        self.ranks = []
        told, tell = os.pipe()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self.address)
            listener.listen(64)
            start = (
                "import os, sys; socket, pipe = map(int, sys.argv[1:3]); os.dup2(pipe, 900); os.dup2(socket, 3); os.dup2(900, 4); "
                "os.closerange(5, 1000); os.execv(sys.executable, sys.argv[3:])"
            )
            command = [sys.executable, "-c", start, str(listener.fileno()), str(tell), sys.executable, "-u", "-m", "weft.nursery"]
            self.process = subprocess.Popen(
                [*command, str(folder), *([str(tried)] if tried else [])],
                cwd=self.work, env={**os.environ, "PYTHONPATH": PACKAGE, **environment}, pass_fds=[listener.fileno(), tell],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip

        os.close(tell)
        with os.fdopen(told, encoding="utf-8") as file:
            self.told = json.loads(file.read()) if tried else None

    def rank(self):
        self.ranks.append(Rank(self.address))
        return self.ranks[-1]

    def end(self):
        """Its status and what it printed, after its last rank has left."""
        for rank in self.ranks:
            rank.close()
        self.ranks.clear()
        printed = self.process.communicate(timeout=TIMEOUT)[0].decode()
        return self.process.returncode, printed

    def seen(self, pid):
        return json.loads((self.work / f"seen-{pid}").read_text())


@pytest.fixture
def nursery(attempt):
    """Starts the nursery of a module, with one source and four workers behind it."""
    started = []

    def start(source=FLOW, tried=False, **environment):
        folder = attempt(FLOW, stages=[[0], [1]], workers=[1, 4])
        folder.path.write_text(source)
        document = Path(folder.folder) / "run.json"
        later = document.rename(document.with_suffix(".later")) if tried else None
        started.append(Nursery(folder.folder, folder.path if tried else None, **environment))
        if later:
            later.rename(document)
        return started[-1]

    yield start
    for nursery in started:
        with contextlib.suppress(OSError):
            nursery.end() if nursery.process.poll() is None else None
        nursery.process.kill()
        nursery.process.wait()
        nursery.process.stdout.close()


def wait_until(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_the_module_is_loaded_once_for_all_workers(nursery):
    node = nursery("print('loading')\n" + FLOW)
    ranks = [node.rank(), node.rank()]
    workers = [(rank, rank.ask(number, WEFT_RANK=str(number))) for rank, number in zip(ranks * 2, (1, 2, 3, 4))]
    pids = set()
    for rank, worker in workers:
        pid = rank.hear(worker.number, "pid")["pid"]
        pids.add(pid)
        assert worker.read() == (READY, b"")
        seen = node.seen(pid)
        assert seen["pid"] == seen["group"] == pid and seen["loaded_by"] == node.process.pid
        assert seen["rank"] == str(worker.number) and seen["stdin"] == "" and seen["folder"] == str(node.work)
        assert seen["child handler"] and seen["sockets"] == 1, "nothing of the nursery's"
        worker.send(GO)
        worker.send(FINISH)
        assert worker.read() == (DONE, b"") and worker.read() is None
        assert rank.hear(worker.number, "status") == {"worker": worker.number, "pid": pid, "status": 0}
        assert worker.printed() == "past the stream\n"
    assert len(pids) == 4
    status, printed = node.end()
    assert (status, printed) == (0, "loading\n")


def test_requests_that_come_while_the_module_loads_wait(nursery):
    node = nursery("import os, time\nwhile not os.path.exists('continue'): time.sleep(0.005)\n" + FLOW)
    rank = node.rank()
    worker = rank.ask(1)
    assert not select.select([rank.connection], [], [], 0.1)[0]
    (node.work / "continue").touch()
    assert rank.hear(1, "pid")["pid"] > 0 and worker.read() == (READY, b"")


@pytest.mark.parametrize("ends, status", [("os._exit(3)", 3 << 8), ("os.kill(os.getpid(), 11)", 11), ("os.abort()", 6)])
def test_how_a_worker_ended_is_told(nursery, ends, status):
    node = nursery(FLOW + f"\nMORE = lambda: [os.write(2, b'last words'), {ends}]")
    rank = node.rank()
    worker = rank.ask(1)
    told = rank.hear(1, "status")
    assert told["status"] & 0xFF7F == status and told["pid"] == rank.hear(1, "pid")["pid"]
    assert worker.printed() == "last words"
    assert rank.ask(2).number == 2 and rank.hear(2, "pid"), "the nursery goes on"


def test_what_a_worker_leaves_behind_is_killed_before_its_end_is_told(nursery):
    node = nursery(FLOW + """
import subprocess
def MORE():
    child = subprocess.Popen(['sleep', '1000'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open('child', 'w') as file:
        file.write(str(child.pid))
    os._exit(0)
""")  # fmt: skip
    rank = node.rank()
    rank.ask(1)
    rank.hear(1, "status")
    child = int((node.work / "child").read_text())
    wait_until(lambda: not is_running(child))


def test_the_workers_of_a_rank_that_goes_are_killed_and_no_others(nursery):
    node = nursery()
    gone, stays = node.rank(), node.rank()
    workers = [gone.ask(1), gone.ask(2), stays.ask(3)]
    for worker in workers:
        assert worker.read() == (READY, b"")
    pids = [gone.hear(1, "pid")["pid"], gone.hear(2, "pid")["pid"]]
    gone.connection.close()
    wait_until(lambda: not any(map(is_running, pids)))
    assert is_running(stays.hear(3, "pid")["pid"]) and node.process.poll() is None
    workers[2].send(FINISH)
    assert workers[2].read() == (DONE, b"")
    assert stays.hear(3, "status")["status"] == 0


def test_no_worker_outlives_the_nursery(nursery):
    node = nursery()
    rank = node.rank()
    worker = rank.ask(1)
    assert worker.read() == (READY, b"")
    pid = rank.hear(1, "pid")["pid"]
    node.process.kill()
    wait_until(lambda: not is_running(pid))


def test_it_ends_when_nobody_has_come_and_its_rank_is_gone(nursery):
    node = nursery()
    node.process.stdout.close()
    assert node.process.wait(TIMEOUT) == 0


def test_a_module_that_cannot_be_loaded(nursery):
    node = nursery("import no_such_package\n")
    rank = node.rank()
    for number in (1, 2):
        rank.ask(number)
        failed = rank.hear(number, "failed")["failed"]
        assert failed["cause"] == "load" and "Add the package that has 'no_such_package'" in failed["message"]
        assert "Traceback" in failed["traceback"]
    assert node.end()[0] == 0


def test_a_failure_to_load_fits_one_message(nursery):
    rank = nursery("raise ValueError('é\\0' * 200_000)").rank()
    rank.ask(1)
    assert rank.hear(1, "failed")["failed"]["cause"] == "load"


def test_a_module_that_ends_the_process_while_it_loads(nursery):
    node = nursery("import os; os._exit(7)")
    rank = node.rank()
    with contextlib.suppress(OSError):
        rank.ask(1)
    with pytest.raises((AssertionError, OSError)):
        rank.hear(1, "pid")
    assert node.process.wait(TIMEOUT) == 7


@pytest.mark.parametrize(
    "addition, reason",
    [
        ("WEFT_FORK = False", "the module says WEFT_FORK = False"),
        ("import threading, time\nfor _ in range(2): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
         "the module has started 2 threads"),
        ("log = open('log.txt', 'w')", "the module keeps "),
        ("import socket\na, b = socket.socketpair()", "the module keeps socket:"),
        ("generator = random.Random()", "the module makes a random generator while it is loaded"),
    ],
    ids=["says so", "threads", "file", "socket", "generator"],
)  # fmt: skip
def test_where_forking_is_unsafe_it_is_refused(nursery, addition, reason):
    node = nursery(FLOW + addition)
    rank = node.rank()
    rank.ask(1)
    assert rank.hear(1, "refused")["refused"].startswith(reason)
    rank.close()
    node.ranks.clear()
    assert node.process.wait(TIMEOUT) == 0


def test_a_module_that_is_tried_is_told_of_and_then_forked(nursery):
    node = nursery("print('loading')\n" + FLOW, tried=True)
    assert node.told["nursery"] is True and node.told["attribute"] == "graph"
    assert [element["id"] for element in node.told["graph"]["elements"]] == ["Source0", "Look1"]
    rank = node.rank()
    worker = rank.ask(1)
    pid = rank.hear(1, "pid")["pid"]
    assert worker.read() == (READY, b"") and node.seen(pid)["loaded_by"] == node.process.pid
    assert node.end() == (0, "loading\n")


@pytest.mark.parametrize(
    "source, environment, told",
    [
        (FLOW + "WEFT_FORK = False", {}, {"nursery": False}),
        (FLOW, {"WEFT_NO_FORK": "1"}, {"nursery": False}),
        ("import no_such_package", {}, {"problem": None}),
    ],
    ids=["unsafe", "not wanted", "does not load"],
)
def test_a_module_that_is_tried_and_is_good_for_no_worker_ends(nursery, source, environment, told):
    node = nursery(source, tried=True, **environment)
    assert node.told.items() >= told.items() or "no_such_package" in node.told["problem"]["detail"]
    assert node.process.wait(TIMEOUT) == 0


def test_only_the_workflows_own_modules_are_taken_apart_and_searched_for_seeds(nursery):
    # What is tried may lie above Weft itself, and beside an environment.
    node = nursery("\n".join((
        "import os, sys",
        "os.makedirs('lib/site-packages', exist_ok=True)",
        "open('lib/site-packages/seeding.py', 'w').write('import random; HELD = [1]\\nrandom.see' + 'd(5)')",
        "open('helper.py', 'w').write('HELD = [1]')",
        "sys.path[:0] = [os.getcwd(), os.getcwd() + '/lib/site-packages']",
        "import seeding, helper, weft.native",
    )) + FLOW + """
atexit.register(lambda: None)
class Look(Look):
    def _postprocess(self):
        class Tell:
            def __del__(self):
                held = [hasattr(sys.modules[name], 'HELD') for name in ('seeding', 'helper')] if sys else None
                open('told.txt', 'w').write(repr(held))
        self.cycle = [Tell()]
        self.cycle.append(self.cycle)
graph = WorkflowGraph()
graph.connect(Source(), 'output', Look(), 'input')
""", tried=True)
    rank = node.rank()
    seen = []
    for number in (1, 2):
        worker = rank.ask(number)
        pid = rank.hear(number, "pid")["pid"]
        assert worker.read() == (READY, b"")
        seen.append(node.seen(pid)["random"])
        worker.send(GO)
        worker.send(FINISH)
        assert worker.read() == (DONE, b"") and rank.hear(number, "status")["status"] == 0
        assert worker.printed() == "past the stream\n"
    assert seen[0] != seen[1], "an installed package's seed is not the author's"
    # A finaliser in a cycle still finds its module.
    assert (node.work / "told.txt").read_text() == "[True, True]"


def test_a_forked_worker_leaves_complete_files_and_runs_exit_handlers(nursery):
    node = nursery(FLOW + """
import ctypes, gzip, threading
stdio = ctypes.CDLL(None)
class Look(Look):
    kept = []
    def _preprocess(self):
        global own
        self.file, own = open('attribute.txt', 'w'), open('global.txt', 'w')
        atexit.register(lambda: own.write('and at exit'))
        for file in self.file, own: file.write('complete ')
        self.kept.append(gzip.open('kept.gz', 'wt'))
        self.kept[0].write('compressed')
        threading.Thread(target=lambda: open('thread.txt', 'w').write('done')).start()
        stdio.fopen.restype = ctypes.c_void_p
        stdio.fputs(b'C', ctypes.c_void_p(stdio.fopen(b'c.txt', b'w')))
graph = WorkflowGraph()
graph.connect(Source(), 'output', Look(), 'input')
""")
    rank = node.rank()
    worker = rank.ask(1)
    assert worker.read() == (READY, b"")
    worker.send(GO)
    worker.send(FINISH)
    assert worker.read() == (DONE, b"") and rank.hear(1, "status")["status"] == 0
    written = {name: (node.work / f"{name}.txt").read_text() for name in ("attribute", "global", "thread", "c")}
    assert written == {"attribute": "complete ", "global": "complete and at exit", "thread": "done", "c": "C"}
    assert gzip.open(node.work / "kept.gz", "rt").read() == "compressed"


def draws(node, count=3):
    rank, pids = node.rank(), []
    for number in range(1, count + 1):
        assert rank.ask(number).read() == (READY, b"")
        pids.append(rank.hear(number, "pid")["pid"])
    return [node.seen(pid) for pid in pids]


NUMPY = "\nimport numpy\nMORE = lambda: {'numpy': numpy.random.random()}\n"


def test_no_two_workers_draw_the_same_random_numbers(nursery):
    pytest.importorskip("numpy")
    seen = draws(nursery(FLOW + NUMPY))
    assert len({one["random"] for one in seen}) == len({one["numpy"] for one in seen}) == 3


def test_workers_begin_alike_where_the_module_seeds_its_generators(nursery):
    np = pytest.importorskip("numpy")
    import random

    seen = draws(nursery(FLOW + NUMPY + "\nrandom.seed(5)\nnumpy.random.seed(5)\n"))
    assert {one["random"] for one in seen} == {random.Random(5).random()}
    assert {one["numpy"] for one in seen} == {np.random.RandomState(5).random_sample()}


def test_a_request_that_makes_no_sense_ends_that_connection_only(nursery):
    node = nursery()
    bad, good = node.rank(), node.rank()
    bad.connection.send(b"{not json")
    assert bad.connection.recv(100) == b""
    assert good.ask(1).read() == (READY, b"")


def test_many_workers_at_once(nursery):
    node = nursery()
    ranks = [node.rank() for _ in range(4)]
    workers = [(rank, rank.ask(number)) for number, rank in zip((1, 2, 3, 4) * 5, ranks * 5)]
    for _, worker in workers:
        assert worker.read() == (READY, b"")
        worker.send(FINISH)
        assert worker.read() == (DONE, b"")
    for rank in ranks:
        while sum("status" in reply for reply in rank.replies) < 5:
            rank.replies.append(json.loads(rank.connection.recv(1 << 18)))
    assert node.end()[0] == 0


def test_ctrl_c_is_the_ranks(nursery):
    node = nursery()
    rank = node.rank()
    assert rank.ask(1).read() == (READY, b"")
    node.process.send_signal(signal.SIGINT)
    os.kill(rank.hear(1, "pid")["pid"], signal.SIGINT)
    assert rank.ask(2).read() == (READY, b"")
