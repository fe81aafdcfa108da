# SPDX-License-Identifier: Apache-2.0
"""Chunks: what one worker encodes is what another decodes, each datum on its own."""

import collections
import datetime
import decimal
import os
import pickle
import pickletools
import random
import struct
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from weft import chunks

np = pytest.importorskip("numpy")

SEED = int(os.environ.get("WEFT_TEST_SEED", random.randrange(1 << 30)))
#: What a native host reads (docs/native-elements.md).
PLAIN_OPCODES = set(
    "MARK EMPTY_TUPLE STOP POP BINBYTES SHORT_BINBYTES BINFLOAT BININT BININT1 BININT2 NONE BINUNICODE EMPTY_LIST APPEND APPENDS BINGET "
    "LONG_BINGET SETITEM TUPLE SETITEMS EMPTY_DICT PROTO TUPLE1 TUPLE2 TUPLE3 NEWTRUE NEWFALSE LONG1 LONG4 SHORT_BINUNICODE BINUNICODE8 "
    "BINBYTES8 EMPTY_SET ADDITEMS FROZENSET MEMOIZE FRAME BYTEARRAY8 REDUCE GLOBAL STACK_GLOBAL".split()
)


class Box:
    """An object whose class only pickle knows."""

    def __init__(self, *members):
        self.members = members


Point = collections.namedtuple("Point", "x y")


def no_place(buffer):
    return None


def snapshots(values):
    return [chunks.snapshot(value, no_place)[0] for value in values]


def body_of(values, ids=None, edge=3):
    """A frame's body with chunks for the values, all inline."""
    body, first = b"", 0
    for count, parts, parcel in chunks.encode(values):
        assert parcel is None
        own = range(first, first + count) if ids is None else ids[first : first + count]
        first += count
        body += chunks.header(edge, 0, own, sum(map(len, parts)), (), 0, False) + b"".join(parts)
    return body


def through(values):
    """The values as their reader gets them."""
    decoded = list(chunks.decode(body_of(snapshots(values)), None))
    assert [id for chunk in decoded for id in chunk.ids] == list(range(len(values)))
    return [value for chunk in decoded for value in chunk.values]


def same(a, b):
    """Equal, in type and all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool(np.all((a == b) | (a != a)))
    if isinstance(a, Box):
        return same(a.members, b.members)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    return a == b or a != a


def mutables(value, found):
    """Identities of all that can be changed in the value."""
    if isinstance(value, (list, dict, set, bytearray, Box)):
        if id(value) in found:
            return found
        found.add(id(value))
    if isinstance(value, np.ndarray) and value.nbytes:
        found.add(value.__array_interface__["data"][0])
    members = value if isinstance(value, (list, tuple)) else value.values() if isinstance(value, dict) else ()
    for member in value.members if isinstance(value, Box) else members:
        mutables(member, found)
    return found


def random_value(rng, depth=0):
    kinds = ["int", "float", "str", "bytes", "none", "bool", "array", "scalar"]
    if depth < 4:
        kinds += ["list", "dict", "tuple", "set", "box", "bytearray", "twice"]
    kind = rng.choice(kinds)
    several = range(rng.choice((0, 1, 2, 5, 40)))
    return {
        "int": lambda: rng.choice((0, -1, 255, 1 << 40, -(1 << 80), rng.randrange(1 << 16))),
        "float": lambda: rng.choice((0.5, -1e300, float("inf"), float("nan"))),
        "str": lambda: rng.choice(("", "word", "é" * 300, "\ud800")),
        "bytes": lambda: rng.randbytes(rng.choice((0, 5, 300))),
        "none": lambda: None,
        "bool": lambda: rng.random() < 0.5,
        "array": lambda: np.arange(float(rng.randrange(40))).astype(rng.choice(("<f8", ">i4", "?", "U5", "M8[s]"))),
        "scalar": lambda: np.float32(rng.random()),
        "list": lambda: [random_value(rng, depth + 1) for _ in several],
        "dict": lambda: {rng.choice(("a", 1, (2, "b"), n)): random_value(rng, depth + 1) for n in several},
        "tuple": lambda: tuple(random_value(rng, depth + 1) for _ in several),
        "set": lambda: {rng.randrange(100) for _ in several},
        "box": lambda: Box(random_value(rng, depth + 1)),
        "bytearray": lambda: bytearray(rng.randbytes(5)),
        "twice": lambda: [random_value(rng, depth + 1)] * 2,
    }[kind]()


def test_any_values_arrive_as_they_were_written_and_share_nothing():
    print(f"WEFT_TEST_SEED={SEED}")
    rng = random.Random(SEED)
    for _ in range(150):
        values = [random_value(rng) for _ in range(rng.randrange(1, 12))]
        values += rng.choices(values, k=3)  # Some are written more than once.
        read = through(values)
        assert len(read) == len(values) and all(map(same, values, read))
        seen = set()
        for value in read:
            own = mutables(value, set())
            assert not own & seen, "two data share what can be changed"
            seen |= own


@pytest.mark.parametrize(
    "value",
    [[1], {"a": 1}, {1, 2}, bytearray(b"x"), ([1],), {"a": [1]}, Box([1]), np.ones(3), {"a": np.ones(3)}],
    ids=lambda value: type(value).__name__,
)
def test_what_changes_after_it_was_written(value):
    expected = pickle.loads(pickle.dumps(value))
    (item,) = snapshots([value])
    inner = value[0] if type(value) is tuple else value.members[0] if type(value) is Box else value
    if isinstance(inner, np.ndarray):
        inner[0] = 99
    elif type(inner) is dict:
        for member in inner.values():
            if isinstance(member, np.ndarray):
                member[0] = 99
            elif type(member) is list:
                member.append(99)
        inner["new"] = 1
    else:
        getattr(inner, "append", getattr(inner, "add", None))(99)
    ((_, _, (read,)),) = chunks.decode(body_of([item]), None)
    assert same(read, expected)


def test_what_is_one_object_within_a_datum_stays_one():
    inner, array = [1, [2]], np.ones(2)
    cyclic = [[0]]
    cyclic.append(cyclic)
    shared, arrays, own, boxes, deep = through(
        [[inner, inner], {"a": array, "b": [array]}, cyclic, Box(inner, inner), [inner, Box(inner)]]
    )
    assert shared[0] is shared[1] and shared[0] == inner
    assert arrays["a"] is arrays["b"][0]
    assert own[1] is own and own[0] == [0]
    assert boxes.members[0] is boxes.members[1]
    assert deep[1].members[0] is deep[0]


@pytest.mark.parametrize("value", [Point(1, [2]), collections.OrderedDict(a=1), datetime.datetime.now(), decimal.Decimal("1.5"),
                                   uuid.uuid4(), True, range(3), frozenset((1, (2, 3))), {(1, 2): {3}}, type, len])  # fmt: skip
def test_other_types_keep_their_type(value):
    assert all(map(same, [value, 1, value], through([value, 1, value])))


def test_deep_data():
    deep = []
    for _ in range(200):
        deep = [deep, 1]
    assert through([deep, deep]) == [deep, deep]
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        chunks.snapshot(deep, no_place)


def test_plain_data_are_pickles_that_native_hosts_read():
    plain = [None, True, 7, 1 << 70, 1.5, "text", b"bytes", (1, "a"), [1, [2]], {"a": {"b": [(1,)]}}, {1, 2}, bytes(300_000), bytearray(3)]
    for values in (plain, [1, 2], [("a", 1)] * 3, [{"k": 1}] * 3):
        for count, parts, parcel in chunks.encode(snapshots(values)):
            content = b"".join(parts)
            assert {opcode.name for opcode, _, _ in pickletools.genops(content)} <= PLAIN_OPCODES
            assert len(pickle._loads(content)) == count


def test_every_content_is_one_pickle_of_a_list_also_for_another_reader_of_pickles():
    values = [1, "a", [1], Box(2), Box(3), np.ones((2, 3)), np.zeros((2, 3)), bytes(300_000), Box(4), ("a", 1)]
    read = [
        value
        for _, parts, _ in chunks.encode(snapshots(values))
        for content in [b"".join(parts)]
        for value in pickle._loads(content)
        if pickletools.dis(content, out=open(os.devnull, "w")) is None
    ]
    assert all(map(same, values, read))


# Arrays


ARRAYS = {
    "1d": np.arange(5.0), "2d": np.arange(6).reshape(2, 3), "fortran": np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
    "sliced": np.arange(20.0)[::3], "transposed part": np.arange(24.0).reshape(4, 6)[1:3].T, "other endian": np.arange(4, dtype=">i8"),
    "bool": np.array([True, False]), "text": np.array(["a", "bcd"]), "date": np.array(["2020-01-01"], "M8[D]"),
    "structured": np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), "scalar array": np.array(5.0), "empty": np.empty((0, 3)),
    "objects": np.array([[1], None], dtype=object), "complex": np.ones(3, complex), "masked": np.ma.masked_array([1, 2], [True, False]),
    "metadata": np.ones(2, np.dtype("f8", metadata={"unit": "m"})), "read-only": np.frombuffer(b"12345678", "f8"),
    "no width": np.array(["", ""]),
}  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("count", [1, 3])
def test_arrays(array, count):
    arrays = [array.copy("K") if count > 1 else array for _ in range(count)]
    alone = pickle.loads(pickle.dumps(array, 4))
    read = through(arrays)
    assert len(read) == count
    for value in read:
        assert type(value) is type(array) and value.dtype == array.dtype and value.shape == array.shape
        assert value.dtype.metadata == alone.dtype.metadata and np.array_equal(value, array)
        assert (value.flags.c_contiguous, value.flags.f_contiguous) == (alone.flags.c_contiguous, alone.flags.f_contiguous)
        assert value.flags.writeable
    assert not any(np.shares_memory(a, b) for a in read for b in read if a is not b)


def test_a_row_keeps_only_its_own_memory():
    rows = through([np.full(100, n) for n in range(50)])
    assert all(row.base is None and row.flags.owndata for row in rows)
    rows[0][:] = -1
    assert (rows[1] == 1).all()


def test_arrays_of_several_kinds_keep_their_order():
    values = [np.arange(n % 3 + 1).astype("f8" if n % 5 else "i4") for n in range(40)] + [1, np.ones(2), "x"]
    assert all(map(same, values, through(values)))


# Frames


def test_ids():
    def ids_of(ids):
        ((_, read, values),) = chunks.decode(body_of([0] * len(ids), ids), None)
        assert len(values) == len(ids)
        return read

    for ids in (range(5, 8), range(5, 20, 4), range(1 << 48, (1 << 48) + 1), range((1 << 64) - 1, 1 << 64), range(9, 10, 7)):
        assert ids_of(ids) == ids
    assert ids_of([9, 2, (1 << 64) - 1]) == [9, 2, (1 << 64) - 1]


def test_the_header_says_what_the_rank_needs():
    count, parts, _ = chunks.encode([("a", 1)] * 3)[0]
    head = chunks.header(7, 2, [4, 5, 9], len(parts[0]), (), 0, False)
    length, edge, replica, count, form, zero, pieces, weight = struct.unpack_from("<IHHIBBHQ", head)
    assert (edge, replica, count, form, zero, pieces) == (7, 2, 3, 1, 0, 0)
    assert length == weight == len(head) + len(parts[0]) and struct.unpack_from("<3Q", head, 24) == (4, 5, 9)


def test_several_chunks_in_a_frame():
    body = body_of([1, 2], edge=1) + body_of(["a"], edge=2)
    assert [(edge, values) for edge, _, values in chunks.decode(memoryview(bytearray(body)), None)] == [(1, [1, 2]), (2, ["a"])]


def test_content_that_is_no_list_of_the_values():
    for content in (b"no pickle", pickle.dumps([1]), pickle.dumps((1, 2)), pickle.dumps([1, 2])[:-3], b"cno_such_module\nx\n."):
        body = chunks.header(5, 0, [7, 9], len(content), (), 0, False) + content
        with pytest.raises(chunks.ContentError) as caught:
            list(chunks.decode(body, None))
        assert (caught.value.edge, caught.value.ids) == (5, [7, 9]) and caught.value.__cause__ is not None


def test_frames_that_are_broken():
    good = body_of([1, 2, 3])
    for bad in (good[:-1], good[:10], good + b"\0", b"\0" * 24, good[:8] + b"\0\0\0\0" + good[12:], good[:12] + b"\x02" + good[13:]):
        with pytest.raises(ValueError):
            list(chunks.decode(bad, None))


FUZZ = """
import pickle, random, resource, signal, sys
sys.path[:0] = sys.argv[2:]
import numpy
from weft import arena, chunks
from test_chunks import Box, body_of, snapshots
rng = random.Random(int(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
signal.alarm(100)
values = [1, 'word', ('a', 1), [1, {'a': 2}], Box(1), numpy.ones(5), b'x' * 50, None, 1.5]
seeds = [body_of(snapshots(rng.choices(values, k=rng.randrange(1, 9)))) for _ in range(50)]
arenas = arena.Arenas()
read = refused = 0
for n in range(30000):
    if n % 4:
        data = bytearray(rng.choice(seeds))
        # What is in a pickle comes from a worker of the same run, and may do what its module may: only the frame around it is looked at.
        end = min(len(data), 40 if n % 2 else 24)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(end)] = rng.choice((0, 1, 0x80, 0xff, rng.randrange(256)))
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)):]
    else:
        data = rng.randbytes(rng.randrange(200))
    try:
        read += len(list(chunks.decode(bytes(data), arenas)))
    except ValueError:
        refused += 1
print(read, refused)
"""


def test_what_no_worker_sends_is_refused_and_does_no_harm():
    seed = random.Random(SEED).randrange(1 << 30)
    here = Path(__file__).resolve().parent
    command = [sys.executable, "-c", FUZZ, str(seed), str(here.parent), str(here)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (SEED, done.returncode, done.stderr)
    assert all(int(count) > 100 for count in done.stdout.split()), (SEED, done.stdout)


def test_speed_is_of_the_right_order():
    """Ten times slower than it should be, and something is done for each datum that should be done for each chunk."""
    import timeit

    def nanoseconds(values, per):
        return min(timeit.repeat(per, number=1, repeat=15)) / len(values) * 1e9

    ints, arrays = list(range(1024)), [np.arange(125.0) + n for n in range(64)]
    assert nanoseconds(ints, lambda: list(chunks.decode(body_of(ints), None))) < 600
    assert nanoseconds(arrays, lambda: through(arrays)) < 15_000
