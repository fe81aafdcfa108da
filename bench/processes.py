# SPDX-License-Identifier: Apache-2.0
"""Runs a command and accounts for all processes that it leads to, also those whose parent has ended."""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
GRACE = 10
#: Open MPI refuses to run as root without these; it ignores them otherwise.
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


@dataclass
class Finished:
    """How a command ended: exit status (None when its time was over), what it printed, wall and CPU time of all its processes."""

    status: int | None
    output: str
    seconds: float
    cpu_seconds: float
    #: Resident kB of each process over time: {(pid, name): [(monotonic time, kB), ...]}. Empty unless asked for.
    memory: dict = field(default_factory=dict)


def run(command, time_limit, sample_every=None):
    """Runs the command to its end, or ends it with all its processes when the time is over."""
    _adopt_orphans()
    memory, over = {}, threading.Event()
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder, tempfile.TemporaryFile() as output:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, **AS_ROOT})
        ended = threading.Event()
        helpers = [threading.Thread(target=_limit, args=(time_limit, ended, over))]
        if sample_every:
            helpers.append(threading.Thread(target=_sample, args=(sample_every, ended, memory)))
        for helper in helpers:
            helper.start()
        process.wait()
        seconds = time.monotonic() - began
        _reap_orphans()
        ended.set()
        for helper in helpers:
            helper.join()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        output.seek(0)
        text = output.read().decode(errors="replace")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Finished(None if over.is_set() else process.returncode, text, seconds, cpu, memory)


def _adopt_orphans():
    """Makes a process whose parent ends a child of this one, so that its times are counted and it is not left behind."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this process cannot become the reaper of its descendants")


def _reap_orphans():
    """Waits for what the command left running, and ends it when it does not end by itself."""
    deadline, kind = time.monotonic() + GRACE, None
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if time.monotonic() > deadline:
                kind = signal.SIGKILL if kind else signal.SIGTERM
                _signal_all(kind)
                deadline = time.monotonic() + GRACE
            time.sleep(0.01)


def _limit(seconds, ended, over):
    if ended.wait(seconds):
        return
    over.set()
    _signal_all(signal.SIGTERM)
    if not ended.wait(GRACE):
        _signal_all(signal.SIGKILL)


def _signal_all(kind):
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, kind)


def descendants(ancestor):
    """Ids of all processes below this one."""
    children = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found, open_ids = [], [ancestor]
    while open_ids:
        below = children.get(open_ids.pop(), [])
        found += below
        open_ids += below
    return found


def _sample(every, ended, memory):
    while not ended.wait(every):
        for pid in descendants(os.getpid()):
            with contextlib.suppress(OSError, KeyError, StopIteration):
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
                sample = (time.monotonic(), int(fields["VmRSS"].split()[0]))
                memory.setdefault((pid, fields["Name"]), []).append(sample)
