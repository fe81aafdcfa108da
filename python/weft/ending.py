# SPDX-License-Identifier: Apache-2.0
"""The end of a forked worker: what Python does at its end, but for taking apart every module.

That would make each worker copy what it shares with the others, only to throw it away: with a scientific stack many milliseconds.
"""

import atexit
import gc
import io
import sys
import threading

try:
    import ctypes

    _exit = ctypes.CDLL(None).exit
except (ImportError, AttributeError, OSError):
    _exit = None


def end(pes, modules):
    """Ends the process where that can be done fast, else returns. `modules` are those of the workflow itself.

    Everything that they and the PEs hold is dropped, files are complete, and all exit handlers run, those of C libraries too.
    """
    if _exit is None or any(hasattr(type(pe), "__del__") for pe in pes):
        return
    threading._shutdown()
    atexit._run_exitfuncs()
    threading.excepthook = lambda *_: None  # Threads that go on miss what they need from now on.
    for holder in [*pes, *modules]:
        getattr(holder, "__dict__", {}).clear()
    gc.collect()
    for held in gc.get_objects():
        if isinstance(held, io.IOBase):
            _flush(held)
    for stream in sys.stdout, sys.stderr:
        _flush(stream)
    _exit(0)


def _flush(stream):
    try:
        stream.flush()
    except Exception:  # Closed, or its reader is gone: there is nobody to tell.
        pass
