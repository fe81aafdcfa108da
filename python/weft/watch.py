# SPDX-License-Identifier: Apache-2.0
"""Finds out whether calls change a PE that does not declare state: its attributes before and after some of its first calls."""

import pickle

from weft import values

#: These calls are looked at; after the last one no more.
CALLS = frozenset((1, 2, 3, 10, 100))
_LAST = max(CALLS)
MAXIMUM_BYTES = 64 * 1024
#: Put in place by the worker.
_NOT_STATE = frozenset(("write", "_write", "update_prov_state", "rank", "_mpi_rank", "inputconnections", "outputconnections"))


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
            changed = _changes(before, _attributes(pe)) - host.changed
            if changed:
                host.changed |= changed
                on_change(host)

    return call


def _attributes(pe):
    """Each attribute's value and, where it can change in place, its pickle."""
    return {name: (value, _frozen(value)) for name, value in list(vars(pe).items()) if name not in _NOT_STATE}


def _changes(before, after):
    changed = before.keys() ^ after.keys()
    for name in before.keys() & after.keys():
        (old, old_pickle), (new, new_pickle) = before[name], after[name]
        if old is new and old_pickle == new_pickle:
            continue
        if old_pickle is None or old_pickle != new_pickle:
            changed.add(name)
    return changed


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
