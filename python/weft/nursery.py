# SPDX-License-Identifier: Apache-2.0
"""Loads a workflow's module once on a node, and forks itself for each worker (docs/worker-protocol.md, The nursery).

    python -u -m weft.nursery FOLDER [MODULE_FILE [ATTRIBUTE]]

Descriptor 3 is a socket that listens for the node's ranks. With a module's file FOLDER may get its run.json later: before, descriptor
4 receives what `weft.loader` writes, and `"nursery": true` where workers can be forked from this process; otherwise it ends.
"""

import _thread
import contextlib
import fcntl
import gc
import json
import os
import random
import re
import select
import signal
import socket
import struct
import sys
import sysconfig
import traceback

from weft import ending, failures, loader, worker

try:
    import ctypes

    _prctl = ctypes.CDLL(None).prctl
except (ImportError, AttributeError, OSError):  # Then a worker ends when its rank does.
    _prctl = None

_PR_SET_PDEATHSIG = 1
_MAXIMUM_MESSAGE = 1 << 18
_MAXIMUM_TEXT = 16 << 10
#: A rank that takes no answer for 10 seconds is given up.
_SEND_TIMEOUT = struct.pack("@ll", 10, 0)
_CREDENTIALS = struct.Struct("3i")
#: Folders whose modules are not the workflow's own.
_INSTALLED = tuple(
    folder + os.sep
    for name in (os.path.dirname(os.path.abspath(__file__)), *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")))
    for folder in {name, os.path.realpath(name)}
)
_PACKAGES = re.compile(r"[/\\](site|dist)-packages[/\\]")
_SEEDS = re.compile(r"\b(seed|setstate|set_state)\s*\(")
_UNSEEDED = re.compile(r"\b(default_rng|Random|RandomState|PCG64|PCG64DXSM|MT19937|Philox|SFC64)\s*\(\s*\)")


def main():
    folder, *tried = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the rank to handle.
    listener = socket.socket(fileno=fcntl.fcntl(3, fcntl.F_DUPFD_CLOEXEC, 100))
    told = fcntl.fcntl(4, fcntl.F_DUPFD_CLOEXEC, 100) if tried else None
    for reserved in 0, 3, 4:  # Nothing that the module opens takes the places of a worker's descriptors.
        _replace(reserved, os.open(os.devnull, os.O_RDWR))
    module = Module(folder)
    if tried:
        module.describe(told, *tried)
    else:
        module.load()
    number = Nursery(listener, module).run()
    if number is not None:
        worker.run_forked(module.loaded, folder, number)
        ending.end(module.loaded.graph.objToNode, module.own)
    else:
        os._exit(0)  # What the module has for the end is the workers' to do.


class Nursery:
    def __init__(self, listener, module):
        self._module = module
        self._listener = listener
        self._poller = select.poll()
        self._ranks = {}
        #: By process id: the rank's connection and the worker's number.
        self._children = {}
        self._handler = signal.signal(signal.SIGCHLD, lambda *_: None)
        self._ended, self._wake = socket.socketpair()
        for end in self._ended, self._wake:
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for end in self._ended, self._listener:
            self._poller.register(end, select.POLLIN)
        # What is printed goes to the rank that has started this process: it ends when that rank does.
        self._poller.register(1, 0)

    def run(self):
        """Serves the ranks of the node until the last one has gone. In a forked worker: returns the worker's number."""
        connected = False
        while self._ranks or not connected:
            for descriptor, events in self._poller.poll():
                if descriptor == self._ended.fileno():
                    self._reap()
                elif descriptor == self._listener.fileno():
                    connected = self._accept() or connected
                elif descriptor == 1:
                    self._poller.unregister(1)
                    connected = True
                elif descriptor in self._ranks:
                    number = self._serve(self._ranks[descriptor])
                    if number is not None:
                        return number
        return None

    def _accept(self):
        rank, _ = self._listener.accept()
        _, user, _ = _CREDENTIALS.unpack(rank.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if user != os.geteuid():
            rank.close()
            return False
        rank.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
        self._ranks[rank.fileno()] = rank
        self._poller.register(rank, select.POLLIN)
        return True

    def _serve(self, rank):
        """Answers a request; in the child that it forks, returns the worker's number."""
        try:
            message, descriptors, flags, _ = socket.recv_fds(rank, _MAXIMUM_MESSAGE, 3, socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return self._leave(rank)
        try:
            if not message:
                return self._leave(rank)
            request = json.loads(message)
            number, environment = request["worker"], request["environment"]
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(descriptors) != 3:
                raise ValueError(f"a request with {len(descriptors)} descriptors")
            if self._module.read().failure is not None:
                return self._tell(rank, worker=number, failed=self._module.failure)
            if self._module.unsafe is not None:
                return self._tell(rank, worker=number, refused=self._module.unsafe)
            nursery = os.getpid()
            pid = os.fork()
            if pid == 0:
                self._become(nursery, descriptors, environment)
                descriptors = ()
                return number
            with contextlib.suppress(OSError):  # Whichever comes first, parent or child: a rank kills the group.
                os.setpgid(pid, pid)
            self._children[pid] = rank, number
            self._tell(rank, worker=number, pid=pid)
        except (KeyError, TypeError, ValueError) as error:
            print(f"the nursery cannot understand a rank: {error}", file=sys.stderr)
            self._leave(rank)
        except OSError as error:
            self._tell(rank, worker=number, refused=f"the nursery cannot fork: {error}")
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return None

    def _tell(self, rank, **message):
        try:
            rank.send(json.dumps(message, ensure_ascii=False).encode("utf-8", "backslashreplace"))
        except OSError:
            self._leave(rank)

    def _leave(self, rank):
        """The rank is gone: so are its workers."""
        if self._ranks.pop(rank.fileno(), None) is None:
            return
        self._poller.unregister(rank)
        for pid, (owner, _) in self._children.items():
            if owner is rank:
                _kill_group(pid)
        rank.close()

    def _reap(self):
        try:
            while self._ended.recv(4096):
                pass
        except BlockingIOError:
            pass
        for pid in list(self._children):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            _kill_group(pid)  # What it has started, while the id is still its own.
            status = os.waitpid(pid, 0)[1]
            rank, number = self._children.pop(pid)
            if rank.fileno() in self._ranks:
                self._tell(rank, worker=number, pid=pid, status=status)

    def _become(self, parent, descriptors, environment):
        """In the child: what a worker has that was started by its rank, and nothing of the nursery's."""
        try:
            os.setpgid(0, 0)
            _end_with(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, self._handler or signal.SIG_DFL)
            for own in self._listener, self._ended, self._wake, *self._ranks.values():
                own.close()
            channel, output, arena = descriptors
            os.dup2(output, 1)
            for place, descriptor in (2, output), (3, channel), (4, arena):
                _replace(place, descriptor)
            os.environ.update(environment)
            self._module.renew()
        except BaseException:
            traceback.print_exc()
            os._exit(1)


class Module:
    """The workflow's module, loaded; or why it cannot be; and why a process that has loaded it must not be forked."""

    def __init__(self, folder):
        self._folder = folder
        self.loaded = None
        #: The workflow's own modules.
        self.own = []
        self._known = set(sys.modules)
        #: The object of a FAILED frame.
        self.failure = None
        self.unsafe = None
        self._random_state = None
        self._opened = _open_files()

    def load(self):
        """The module that the run's document names."""
        try:
            self.loaded = worker.load(self._folder)
        except failures.Failure as failure:
            self._fail(failure)
        else:
            self._settle()

    def describe(self, descriptor, path, attribute=None):
        """A module of which somebody wants to know before there is a document. Ends this process where it is good for no worker."""
        report, graph = loader.report(path, attribute)
        if graph is not None:
            self.loaded = worker.Loaded(None, graph)
            self._settle()
            report["nursery"] = self.unsafe is None and os.environ.get("WEFT_NO_FORK") != "1"
        loader.write(report, descriptor)
        if not report.get("nursery"):
            os._exit(0)

    def read(self):
        """Has the document, if it was not there when the module was loaded."""
        if self.failure is None and self.loaded.document is None:
            try:
                self.loaded = self.loaded._replace(document=worker.read(self._folder))
            except failures.Failure as failure:
                self._fail(failure)
        return self

    def _fail(self, failure):
        # So that it fits one message; of a traceback the end tells most.
        self.failure = dict(failure.report)
        self.failure["message"] = self.failure["message"][:_MAXIMUM_TEXT]
        self.failure["traceback"] = self.failure.get("traceback", "")[-_MAXIMUM_TEXT:]

    def _settle(self):
        self.own = [module for name, module in list(sys.modules.items()) if name not in self._known and _is_own(module)]
        self.unsafe = self._risk(_open_files() - self._opened)
        for stream in sys.stdout, sys.stderr:
            stream.flush()
        gc.freeze()  # What is shared stays shared: the collector would write to it.

    def _risk(self, opened):
        modules = self.own
        if any(getattr(module, "WEFT_FORK", True) is False for module in modules):
            return "the module says WEFT_FORK = False"
        threads = _thread._count()
        if threads:
            return f"the module has started {threads} thread{'s' if threads > 1 else ''}"
        if opened:
            # Workers would share the place in the file, or a connection.
            return f"the module keeps {min(opened)} open"
        text = "\n".join(map(_source, modules))
        if _UNSEEDED.search(text) and any(map(_has_generator, [*modules, *self.loaded.graph.objToNode])):
            return "the module makes a random generator while it is loaded"
        if _SEEDS.search(text):
            self._random_state = random.getstate()
        return None

    def renew(self):
        """In a forked worker: the global generators as if it had loaded the module itself, so that no two workers draw the same.

        Where the module seeds them its author wants each process to begin alike. Python has given `random` a new seed already.
        """
        if self._random_state is not None:
            random.setstate(self._random_state)
        elif "numpy.random" in sys.modules:
            sys.modules["numpy.random"].seed()


def _is_own(module):
    """Whether it is the workflow's, and neither Python's, nor Weft's, nor installed."""
    path = getattr(module, "__file__", None)
    return isinstance(path, str) and not path.startswith(_INSTALLED) and not _PACKAGES.search(path)


def _source(module):
    with contextlib.suppress(OSError), open(module.__file__, encoding="utf-8", errors="replace") as file:
        return file.read()
    return ""


def _has_generator(holder):
    kinds = [random.Random]
    if "numpy.random" in sys.modules:
        kinds += [sys.modules["numpy.random"].Generator, sys.modules["numpy.random"].RandomState]
    return any(isinstance(value, tuple(kinds)) for value in vars(holder).values())


def _open_files():
    """What this process has open that two processes cannot use at a time."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # It was that of the folder itself.
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    return found - {"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"}


def _end_with(parent):
    """Ends this process when its parent does."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _kill_group(pid):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _replace(place, descriptor):
    if descriptor != place:
        os.dup2(descriptor, place)
        os.close(descriptor)


if __name__ == "__main__":
    main()
