# SPDX-License-Identifier: Apache-2.0
"""A hash of keys that is the same in every process, run and machine, as Python's own `hash` is not."""

import datetime
import enum
import functools
import hashlib
import math
import uuid


def stable_hash(key):
    """64 bits of a key, which is a tuple of values. Keys that are equal in Python have equal hashes.

    Raises TypeError for a value that has no canonical form.
    """
    try:
        return _cached_hash(key)
    except TypeError:  # Not hashable: a list or dictionary in it.
        return _hash(key)


def _hash(key):
    return int.from_bytes(hashlib.blake2b(_canonical(key), digest_size=8).digest(), "little")


_cached_hash = functools.lru_cache(maxsize=1 << 16)(_hash)


def _canonical(value):
    if isinstance(value, str):
        return _tagged(b"s", value.encode("utf-8", "surrogatepass"))
    if isinstance(value, int):
        return b"n%x/1;" % value
    if isinstance(value, (bytes, bytearray)):
        return _tagged(b"b", bytes(value))
    if value is None:
        return b"0"
    if isinstance(value, (tuple, list)):
        return _tagged(b"t", b"".join(map(_canonical, value)))
    if isinstance(value, (set, frozenset)):
        return _tagged(b"e", b"".join(sorted(map(_canonical, value))))
    if isinstance(value, dict):
        return _tagged(b"d", b"".join(sorted(_canonical(k) + _canonical(v) for k, v in value.items())))
    if isinstance(value, enum.Enum):
        return _tagged(b"m", f"{type(value).__qualname__}.{value.name}".encode())
    if isinstance(value, uuid.UUID):
        return _tagged(b"u", value.bytes)
    if isinstance(value, datetime.datetime):
        aware = value.utcoffset() is not None
        return _tagged(b"a" if aware else b"l", (value.astimezone(datetime.timezone.utc) if aware else value).isoformat().encode())
    if isinstance(value, datetime.date) or isinstance(value, datetime.time) and value.tzinfo is None:
        return _tagged(b"c", value.isoformat().encode())
    if isinstance(value, datetime.timedelta):
        return _tagged(b"i", b"%d,%d,%d" % (value.days, value.seconds, value.microseconds))
    if hasattr(value, "as_integer_ratio"):  # float, Fraction, Decimal, NumPy's floats
        return _real(value)
    if isinstance(value, complex):
        return _real(value.real) if value.imag == 0 else _tagged(b"z", _real(value.real) + _real(value.imag))
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        item = value.item()
        if type(item) is not type(value):
            return _canonical(item)
    raise TypeError(
        f"a value of type {type(value).__qualname__} cannot be part of a key: "
        "use text, bytes, numbers, dates, None, or tuples and lists of these"
    )


def _real(value):
    if math.isfinite(value):
        return b"n%x/%x;" % value.as_integer_ratio()
    return b"N" if math.isnan(value) else b"P" if value > 0 else b"M"


def _tagged(tag, content):
    return b"%b%d:%b" % (tag, len(content), content)
