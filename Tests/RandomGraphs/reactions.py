# SPDX-License-Identifier: Apache-2.0
"""What the PEs of a random graph do with a datum: functions of its number alone, so that a plain loop can tell what must come out.

The text of this file goes in front of the workflow that Weft runs (`elements.py`), and is imported by the reference.
"""

import hashlib


def number(*parts):
    """56 bits that depend on the parts only."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=7).digest(), "little")


def key(datum):
    """One of seven keys; numbers and texts, since both group."""
    k = number("key", datum) % 7
    return k if k < 4 else f"k{k}"


def written_key(datum):
    """The key in one of its forms that are equal in Python."""
    k = key(datum)
    return (k, float(k))[number("form", datum) % 2] if isinstance(k, int) else k


def size(element, datum):
    """Bytes that a datum carries along: mostly few, now and then more than a batch or a shared buffer begins at."""
    chance = number("size", datum)
    if element["size"] == "small":
        return chance % 64
    if element["size"] == "large" and chance % 13 == 0:
        return 270_000 + chance % 100_000
    return chance % 5000


def reaction(element, port, datum):
    """Data that a call writes: pairs of output port and number."""
    outputs = element["outputs"]
    chance = number(element["name"], port, datum, "writes")
    if not outputs or element["filter"] and chance % element["filter"] == 0:
        return []
    count = element["burst"] if element["burst"] and chance % 11 == 0 else (chance >> 8) % (element["writes"] + 1)
    return [
        (outputs[number(element["name"], datum, port, i, "port") % len(outputs)], number(element["name"], port, datum, i))
        for i in range(count)
    ]


def constants(element, when, count):
    """What `preprocess` or `postprocess` of each instance writes, whatever it has seen."""
    outputs = element["outputs"]
    return [(outputs[i % len(outputs)], number(element["name"], when, i)) for i in range(count)] if outputs else []


def conclusion(element, seen):
    """What `postprocess` writes of what its instance has seen: pairs of input port and number, in any order."""
    outputs = element["outputs"]
    if not outputs or element["state"] is None:
        return []
    if element["state"] == "constant":
        return constants(element, "postprocess", 2)
    groups = {}
    for port, datum in seen:
        group = "" if element["state"] == "total" else key(datum)
        count, total = groups.get(group, (0, 0))
        groups[group] = count + 1, (total + number(port, datum)) % (1 << 55)
    if element["state"] == "total":
        groups = groups or {"": (0, 0)}
    return [(outputs[number(g) % len(outputs)], number(element["name"], "state", g, *sums)) for g, sums in groups.items()]
