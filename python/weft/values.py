# SPDX-License-Identifier: Apache-2.0
"""What passes from PE to PE as an object: which values nobody can change, and copies of the others.

A PE may change what it wrote, and its readers what they received; none sees the others' changes. A value that nobody but the
stage refers to needs no copy, which is told from its count of references.
"""

import copy
import datetime
import decimal
import enum
import fractions
import pickle
import sys
import types
import uuid

from weft import chunks
from weft.chunks import NumPy

#: Types whose values never change; grows by what is met. None is not among them: as a result it stands for no datum.
PLAIN = {
    int, float, complex, bool, str, bytes, range, type, datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
    datetime.timezone, decimal.Decimal, fractions.Fraction, uuid.UUID, types.FunctionType, types.BuiltinFunctionType,
}  # fmt: skip
#: What holds no other values and never changes.
LEAVES = {*PLAIN, type(None)}
_CONTAINERS = frozenset((list, dict, tuple, set, frozenset))
_FIXED_SIZES = {int: 28, float: 24, complex: 32, bool: 28, type(None): 16}
_MAXIMUM_DEPTH = 20

getrefcount = sys.getrefcount


def _returned(make, look):
    value = make()
    return look(value)


def _written(name, data, **details):
    return getrefcount(data)


def _member(values):
    for value in values:
        return getrefcount(value)


if sys.version_info < (3, 14):
    #: References to a value that only the stage holds, counted where a result, an argument of `write` or a member is looked at.
    RETURNED = _returned(list, lambda value: getrefcount(value))
    WRITTEN = _written("output", [])
    _MEMBER = _member([[]])
else:  # Counts leave out what is borrowed.
    RETURNED = WRITTEN = _MEMBER = 0


def never_changes(value):
    kind = type(value)
    return kind in LEAVES or _never_changes(value, kind)


def owned(value, private):
    """The value, or a copy of it where others may change it. `private`: nobody else refers to it."""
    kind = type(value)
    if kind is NumPy.array and not value.dtype.hasobject:
        return value if private and value.base is None else value.copy("A")
    if kind in _CONTAINERS and LEAVES.issuperset(map(type, value.values() if kind is dict else value)):
        return value if private or kind is tuple or kind is frozenset else value.copy()
    if never_changes(value) or private and _is_closed(value, kind, 0):
        return value
    try:
        return copied(value)
    except Exception:  # It could go to no other worker either; here it can stay what it is.
        return value


def copied(value):
    """A copy; raises what pickle raises for a value that cannot be copied."""
    kind = type(value)
    if kind is chunks.ndarray() and not value.dtype.hasobject:
        return value.copy("A")
    try:
        taken, _ = chunks.snapshot(value, _stay)
        return pickle.loads(taken) if type(taken) is chunks.Pickled else taken
    except Exception:
        try:
            return copy.deepcopy(value)
        except Exception:
            pass
        raise


def estimated_size(value):
    """About the bytes of a value, told at a glance."""
    kind = type(value)
    if kind in _FIXED_SIZES:
        return _FIXED_SIZES[kind]
    try:
        size = len(value) if kind is str or kind is bytes else getattr(value, "nbytes", None)
        if type(size) is not int:
            size = sys.getsizeof(value)
        return size if 0 <= size < 1 << 63 else 0
    except Exception:
        return 0


def _stay(buffer):
    return None


def _never_changes(value, kind):
    if kind is tuple or kind is frozenset:
        return LEAVES.issuperset(map(type, value)) or all(map(never_changes, value))
    if issubclass(kind, enum.Enum) or _is_numpy_scalar(kind):
        PLAIN.add(kind)
        LEAVES.add(kind)
        return True
    return False


def _is_numpy_scalar(kind):
    if kind.__module__ != "numpy":
        return False
    numpy = sys.modules["numpy"]
    return issubclass(kind, numpy.generic) and not issubclass(kind, (numpy.void, numpy.object_))


def _is_closed(value, kind, depth):
    """Whether nobody holds what the value holds."""
    if kind is dict:
        members = value.values()
    elif kind is list or kind is set or kind is tuple or kind is frozenset:
        members = value
    elif kind is bytearray:
        return True
    elif kind is chunks.ndarray():
        return value.base is None and not value.dtype.hasobject
    else:
        members = getattr(value, "__dict__", None)
        if type(members) is not dict:
            return True
        members = members.values()
    if LEAVES.issuperset(map(type, members)):
        return True
    if depth == _MAXIMUM_DEPTH:
        return False
    for member in members:
        kind = type(member)
        if kind not in LEAVES and (getrefcount(member) > _MEMBER or not _is_closed(member, kind, depth + 1)):
            return False
    return True
