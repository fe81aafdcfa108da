# SPDX-License-Identifier: Apache-2.0
"""The end of a forked worker: what Python does at its end, but for taking apart every module.

That would make each worker copy what it shares with the others, only to throw it away: with a scientific stack many milliseconds.
"""

import atexit
import gc
import io
import signal
import sys
import threading
import types

from weft import chains

try:
    import ctypes

    _exit = ctypes.CDLL(None).exit
except (ImportError, AttributeError, OSError):
    _exit = None

_CODE = (type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType, staticmethod, classmethod, property)


def end(pes, modules):
    """Ends the process where that can be done fast, else returns. `modules` are those of the workflow itself.

    What they, their classes and the PEs hold is dropped, files are complete, and all exit handlers run, those of C libraries too.
    """
    if _exit is None or any(hasattr(type(pe), "__del__") for pe in pes):
        return
    threading._shutdown()
    atexit._run_exitfuncs()
    threading.excepthook = lambda *_: None  # Threads that go on miss what they need from now on.
    signal.signal(signal.SIGURG, signal.SIG_DFL)
    chains.compiled.clear()
    for pe in pes:
        getattr(pe, "__dict__", {}).clear()
    gc.collect()
    # Finalisers that run from here on still find the functions and modules that they call.
    for module in modules:
        for kind in [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__]:
            _drop(kind)
        _drop(module)
    gc.collect()
    files = [held for held in gc.get_objects() if issubclass(type(held), io.IOBase)]
    # Those that write through others first: a compressed file ends with what only its close() writes.
    for file in files:
        if type(file).__module__ != "_io":
            _complete(file, "close")
    for file in [*files, sys.stdout, sys.stderr]:
        _complete(file, "flush")
    _exit(0)


def _drop(holder):
    for name, value in list(vars(holder).items()):
        if not isinstance(value, _CODE) and not (name.startswith("__") and name.endswith("__")):
            try:
                delattr(holder, name)
            except Exception:  # Something of the interpreter's own.
                pass


def _complete(file, method):
    try:
        getattr(file, method)()
    except Exception:  # Closed, or its reader is gone: there is nobody to tell.
        pass
