# SPDX-License-Identifier: Apache-2.0
"""Finds out whether calls change a PE that does not declare state: its attributes before and after some of its first calls."""

import collections
import gc
import pickle
import types

from weft import elements, values

#: These calls are looked at; after the last one no more.
CALLS = frozenset((1, 2, 3, 10, 100))
_LAST = max(CALLS)
MAXIMUM_BYTES = 64 * 1024
#: Put in place by the worker.
_NOT_STATE = frozenset(("write", "_write", "update_prov_state", "rank", "_mpi_rank", "inputconnections", "outputconnections"))
_CODE = frozenset((type, types.FunctionType, types.MethodType, types.BuiltinFunctionType))


def watched(host, function, on_change):
    """The function of the PE; takes itself out of the way after the last call that is looked at."""
    pe, calls = host.pe, 0

    def call(*datum):
        nonlocal calls
        calls += 1
        if calls not in CALLS:
            return function(*datum)
        if calls == _LAST:
            host.call(function)
        before = _attributes(pe)
        try:
            return function(*datum)
        finally:
            changed = _changes(pe, before) - host.changed
            if changed:
                host.changed |= changed
                on_change(host)

    return call


def _attributes(pe):
    """The values of the attributes, each with its pickle or, where it has none, its identity.

    As the collector sees them: before Python 3.13 `vars` would slow the attributes down for good, and so would a pickle of the
    PE, which its methods hold.
    """
    held = gc.get_referents(pe)
    for value in held:
        if type(value) is dict and value.get("inputconnections") is pe.inputconnections:  # It is slow already.
            held = list(value.values())
    return [(_frozen(value) or id(value), value) for value in held if type(value) not in _CODE]


def _changes(pe, before):
    """Names of the attributes that have other values than before."""
    known = collections.Counter(key for key, _ in before)
    changed = []
    for key, value in _attributes(pe):
        if known[key]:
            known[key] -= 1
        else:
            changed.append(value)
    if not changed:
        return set()
    named = {name for name in _names(type(pe)) if any(getattr(pe, name, None) is value for value in changed)}
    named = named or {name for name, value in vars(pe).items() if any(value is other for other in changed)}
    return named - _NOT_STATE


def _names(kind):
    """What the author's methods, but for the first one, call attributes."""
    names = set()
    for base in kind.__mro__:
        if base.__module__ != elements.__name__:
            for name, function in vars(base).items():
                code = getattr(function, "__code__", None)
                if code is not None and name != "__init__":
                    names.update(code.co_names)
    return {name for name in names if not hasattr(getattr(kind, name, None), "__get__")}


def _frozen(value):
    """None for what cannot be pickled or is too large: only its identity tells."""
    if values.estimated_size(value) > MAXIMUM_BYTES:
        return None
    try:
        file = _Bounded()
        pickle.Pickler(file, 5).dump(value)
        return b"".join(file.parts)
    except Exception:
        return None


class _Bounded:
    def __init__(self):
        self.parts = []
        self._size = 0

    def write(self, data):
        self.parts.append(bytes(data))
        self._size += len(data)
        if self._size > MAXIMUM_BYTES:
            raise ValueError("too large")
