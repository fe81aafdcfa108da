# SPDX-License-Identifier: Apache-2.0
"""What a stage writes for others: to whom it goes, when it is enough, and what is said of what cannot leave."""

import collections
import os
import random
import time

import pytest

from weft import chunks, outbox, records
from weft.arena import Arena, Arenas
from weft.hashing import stable_hash

SEED = int(os.environ.get("WEFT_TEST_SEED", random.randrange(1 << 30)))


class Frames:
    """In place of the channel: what was sent, as the readers see it."""

    def __init__(self, arenas=None):
        self.bodies = []
        self.arenas = arenas
        self.waits = 0

    def send_frame(self, kind, *parts):
        assert kind == records.OUTPUT
        self.bodies.append(b"".join(parts))

    def wait(self, seconds):
        self.waits += 1
        assert self.waits < 1000

    def read(self):
        """By edge and replica, the data in order as (id, value)."""
        found = collections.defaultdict(list)
        for body in self.bodies:
            position = 0
            for edge, ids, values in chunks.decode(body, self.arenas):
                length, _, replica = chunks._HEADER.unpack_from(body, position)[:3]
                position += length
                found[edge, replica] += zip(ids, values)
        self.bodies.clear()
        return found


class Failed(Exception):
    pass


def fail(cause, message, error):
    raise Failed(cause, message) from error


def document(groupings, replicas, workers=1):
    """A0's output leads to one PE for each grouping."""
    count = len(groupings)
    elements = [{"id": "A0", "inputs": []}]
    elements += [{"id": f"B{n + 1}", "inputs": [{"name": "in", "grouping": grouping}]} for n, grouping in enumerate(groupings)]
    stages = [{"elements": [n], "workers": replicas[n - 1] if n else workers} for n in range(count + 1)]
    return {
        "graph": {"elements": elements, "edges": [{"from": "A0", "output": "out", "to": f"B{n + 1}", "input": "in"} for n in range(count)]},
        "plan": {
            "stages": stages,
            "workers": [{"stage": s, "replica": r, "rank": 0} for s, stage in enumerate(stages) for r in range(stage["workers"])],
        },
    }  # fmt: skip


def make(grouping, replicas, worker=0, arena=None, arenas=None):
    frames = Frames(arenas)
    return outbox.Outbox(document([grouping], [replicas], worker + 1), worker, frames, arena, fail), frames


def reference(grouping, replicas, worker, values):
    """By replica, the data in order as (id, value): the rules, one datum at a time."""
    found, turn = collections.defaultdict(list), worker
    for id, value in values:
        if grouping == "all":
            chosen = range(replicas)
        elif grouping == "global":
            chosen = [0]
        elif grouping == "round_robin":
            chosen, turn = [turn % replicas], turn + 1
        else:
            chosen = [stable_hash(tuple(value[part] for part in grouping["by_key"])) % replicas]
        for replica in chosen:
            found[replica].append((id, value))
    return found


def keyed(rng):
    key = rng.choice((rng.randrange(50), float(rng.randrange(50)), f"w{rng.randrange(50)}", None, True, (1, "a"), [1, rng.randrange(3)]))
    return rng.choice(((key, 1), [key, "x"], {0: key, "k": 2, 1: rng.random()}))


@pytest.mark.parametrize("grouping", ["all", "global", "round_robin", {"by_key": [0]}, {"by_key": [1, 0]}], ids=str)
def test_routing_is_that_of_the_rules(grouping):
    print(f"WEFT_TEST_SEED={SEED}")
    rng = random.Random(SEED)
    for _ in range(40):
        replicas, worker = rng.randrange(1, 6), rng.randrange(4)
        box, frames = make(grouping, replicas, worker)
        make_value = rng.choice((keyed, lambda rng: ("w%d" % rng.randrange(99), 1)))
        next_id, written, read = rng.choice((0, 7 << 48)), [], collections.defaultdict(list)
        for _ in range(rng.randrange(1, 30)):
            values = [make_value(rng) for _ in range(rng.choice((1, 2, 30)))]
            next_id += rng.choice((0, 0, 3))
            ids = range(next_id, next_id + len(values))
            written += zip(ids, values)
            next_id = ids.stop
            if rng.random() < 0.5:
                box.put(0, values, ids.start)
            else:
                for id, value in zip(ids, values):
                    box.put_now(0, value, id)
            if rng.random() < 0.2:
                box.flush()
                for (_, replica), data in frames.read().items():
                    read[replica] += data
        box.flush()
        for (_, replica), data in frames.read().items():
            read[replica] += data
        assert read == reference(grouping, replicas, worker, written)


def test_equal_keys_go_the_same_way_whatever_was_asked_first():
    for first, then in ((1, True), (1.0, 1), ("a", "a")):
        box, frames = make({"by_key": [0]}, 7)
        box.put(0, [(first,)] * 3, 0)
        box.put_now(0, (then,), 3)
        box.put_now(0, [[1, 2]], 4)
        box.put_now(0, [(1, 2)], 5)
        box.flush()
        assert sorted(len(data) for data in frames.read().values()) in ([2, 4], [6])


def test_more_keys_than_are_remembered(monkeypatch):
    monkeypatch.setattr(outbox, "_CACHED_KEYS", 10)
    box, frames = make({"by_key": ["k"]}, 3)
    values = [{"k": n % 37} for n in range(500)] + [{"k": "long" * 1000}]
    box.put(0, values, 0)
    for id, value in enumerate(values, len(values)):
        box.put_now(0, value, id)
    assert len(box._routes[0]._known) <= 10
    box.flush()
    read = {replica: data for (_, replica), data in frames.read().items()}
    assert read == reference({"by_key": ["k"]}, 3, 0, enumerate(values * 2))


def test_edges_have_their_own_turns_and_frames_stay_small():
    frames = Frames()
    box = outbox.Outbox(document(["round_robin", "round_robin"], [2, 3]), 0, frames, None, fail)
    for n in range(12):
        box.put(0, [n], n)
        if n % 2:
            box.put(1, ["x" * 300_000], n)
    box.flush()
    assert len(frames.bodies) > 1 and all(len(body) < 2 << 20 for body in frames.bodies)
    read = frames.read()
    assert [id for id, _ in read[0, 0]] == list(range(0, 12, 2)) and [id for id, _ in read[1, 1]] == [3, 9]


def test_an_edge_within_the_stage_is_not_the_outboxs():
    graph = document(["all"], [1])
    graph["plan"]["stages"] = [{"elements": [0, 1], "workers": 1}]
    box = outbox.Outbox(graph, 0, Frames(), None, fail)
    with pytest.raises(KeyError):
        box.put(0, [1], 0)


def test_it_is_full_at_320_kilobytes_or_1024_data():
    def puts_until_full(grouping, replicas, value, put_now):
        box, frames = make(grouping, replicas)
        for n in range(100_000):
            box.put_now(0, value, n) if put_now else box.put(0, [value], n)
            if box.full:
                box.flush()
                assert not box.full and box.size == box.count == 0
                assert sum(map(len, frames.bodies)) < 3 << 20
                return n + 1
        raise AssertionError("never full")

    for put_now in (False, True):
        assert puts_until_full("round_robin", 1, 5, put_now) == 1024
        assert puts_until_full("round_robin", 3, 5, put_now) == 3 * 1024
        assert 300 <= puts_until_full("all", 3, "x" * 1000, put_now) <= 330
        assert 300 <= puts_until_full("global", 3, ("x" * 1000, 1), put_now) <= 330
        assert 30 <= puts_until_full({"by_key": [0]}, 1, (1, b"x" * 10_000), put_now) <= 34
        assert 30 <= puts_until_full("round_robin", 1, [["x" * 10_000]], put_now) <= 34
        assert puts_until_full("round_robin", 4, bytes(2 << 20), put_now) == 1


def test_what_edges_grow_by():
    frames = Frames()
    box = outbox.Outbox(document(["round_robin", "all"], [2, 3]), 0, frames, None, fail)
    box.put(0, [1, 2, 3], 0)
    box.put_now(1, "x" * 100, 3)
    grown = box.encode()
    assert set(grown) == {0, 1} and 100 < grown[1] < 150 and box.count == 0
    assert not frames.bodies
    box.put(0, ["later"], 4)
    assert set(box.encode()) == {0} and box.encode() == {}
    box.flush()
    read = frames.read()
    assert [value for _, value in read[0, 0] + read[0, 1]] == [1, 3, 2, "later"]
    assert all(read[1, replica] == [(3, "x" * 100)] for replica in range(3))


@pytest.mark.parametrize("value, error", [([], "IndexError"), (5, "TypeError"), ({"a": 1}, "KeyError"), ((object(),), "TypeError")])
@pytest.mark.parametrize("put_now", [False, True])
def test_a_datum_without_its_key(value, error, put_now):
    box, frames = make({"by_key": [0]}, 2)
    box.put(0, [("good",)], 0)
    with pytest.raises(Failed) as caught:
        box.put_now(0, value, 1) if put_now else box.put(0, [("a",), value][-1:], 1)
    cause, message = caught.value.args
    assert cause == "exception" and error in message
    assert message.startswith("A0 wrote to output 'out' a datum that cannot be grouped by the key [0] of B1, input 'in': ")
    box.put_now(0, ("good",), 1)
    box.flush()
    assert [data for data in frames.read().values()] == [[(0, ("good",)), (1, ("good",))]]


@pytest.mark.parametrize("make_value", [lambda: (n for n in ()), lambda: lambda: 1, lambda: [open(os.devnull)]])
@pytest.mark.parametrize("put_now", [False, True])
def test_a_value_that_cannot_be_pickled(make_value, put_now):
    box, frames = make("all", 2)
    value = make_value()
    with pytest.raises(Failed) as caught:
        box.put_now(0, value, 1) if put_now else box.put(0, [value], 1)
    cause, message = caught.value.args
    assert cause == "unpicklable" and message.startswith(f"A0 wrote a value of type {type(value).__name__} to output 'out' that cannot be")
    assert box.count == 0


# With shared memory


@pytest.fixture
def arena():
    descriptor = os.memfd_create("weft-arena")
    return Arena(descriptor, os.getpid(), descriptor)


LARGE = {
    "bytes": lambda: bytes(1 << 20), "text": lambda: "é" * (1 << 20), "within": lambda: {"a": [b"x" * (1 << 20)], "b": 1},
    "list": lambda: list(range(200_000)), "bytearray": lambda: bytearray(1 << 20),
}  # fmt: skip


@pytest.mark.parametrize("replicas", [1, 3, 20])
@pytest.mark.parametrize("value", LARGE.values(), ids=LARGE)
def test_large_data_go_through_shared_memory(arena, value, replicas):
    box, frames = make("all", replicas, arena=arena, arenas=Arenas())
    value = value()
    box.put_now(0, value, 5)
    assert box.full
    box.flush()
    assert sum(map(len, frames.bodies)) < 2000 * replicas
    weights = [chunks._HEADER.unpack_from(frames.bodies[0])[7]]
    assert weights[0] > 1 << 18
    read = frames.read()
    assert len(read) == replicas and all(data == [(5, value)] and type(data[0][1]) is type(value) for data in read.values())
    assert arena._is_empty()


def test_large_arrays_go_through_shared_memory(arena):
    np = pytest.importorskip("numpy")
    box, frames = make("all", 2, arena=arena, arenas=Arenas())
    arrays = [np.arange(1e5), np.asfortranarray(np.ones((300, 300))), np.arange(3e5)[::2], np.full(100_000, "ab")]
    inside = {"left": np.zeros(1 << 16), "right": [np.ones(1 << 16)]}
    for id, value in enumerate([*arrays, inside]):
        box.put_now(0, value, id)
    arrays[0][:] = inside["right"][0][:] = -1
    box.flush()
    assert sum(map(len, frames.bodies)) < 5000
    read = frames.read()
    for data in read[0, 0], read[0, 1]:
        assert [id for id, _ in data] == list(range(5))
        *own, both = [value for _, value in data]
        assert (own[0] == np.arange(1e5)).all() and (own[2] == arrays[2]).all() and (own[3] == "ab").all()
        assert own[1].flags.f_contiguous and all(array.flags.writeable for array in own)
        assert (both["left"] == 0).all() and (both["right"][0] == 1).all()
        own[0][:] = 7  # The other reader sees nothing of it.
    assert (read[0, 0][0][1] == 7).all() and read[0, 1][0][1] is not read[0, 0][0][1]
    del read, data, own, both
    assert arena._is_empty()


def test_without_room_large_data_go_inline(arena, monkeypatch):
    monkeypatch.setattr("weft.arena.CAPACITY", 1 << 20)
    box, frames = make("round_robin", 1, arena=arena, arenas=Arenas())
    free, arena._free = arena._free, []
    np = pytest.importorskip("numpy")
    waits = []
    frames.wait = lambda seconds: waits.append(seconds) or time.sleep(seconds)
    for id, value in enumerate([bytes(300_000), np.ones(100_000)]):
        box.put_now(0, value, id)
    box.flush()
    assert sum(map(len, frames.bodies)) > 1_000_000
    (data,) = frames.read().values()
    assert data[0][1] == bytes(300_000) and (data[1][1] == 1).all()
    waited = sum(waits)
    assert outbox._PATIENCE / 2 < waited, "for room"
    box.put_now(0, np.ones(100_000), 2)
    assert sum(waits) == waited, "not again before there was room"
    arena._free = free
    box.put_now(0, np.ones(100_000), 3)
    arena._free = []
    frames.wait = lambda seconds: setattr(arena, "_free", free)
    box.put_now(0, np.ones(100_000), 4)
    box.flush()
    assert sum(map(len, frames.bodies)) < 2_000_000, "there was room in time"


@pytest.mark.parametrize("kind", ["bytes", "array"])
@pytest.mark.parametrize("replicas", [1, 20])
def test_huge_data_wait_for_room_and_what_was_gathered_leaves_first(arena, monkeypatch, kind, replicas):
    np = pytest.importorskip("numpy")
    for module in "weft.arena", "weft.outbox":
        monkeypatch.setattr(f"{module}.HUGE_BYTES", 1 << 20)
    box, frames = make("all", replicas, arena=arena, arenas=Arenas())
    arena._free = arena._free[:0]  # Only the place behind the rest is there, for one at a time.
    got = collections.defaultdict(list)

    def read(seconds=0):
        for (_, replica), data in frames.read().items():
            got[replica] += [(id, len(value)) for id, value in data]

    frames.wait = read
    for id in range(4):
        box.put_now(0, bytes(2 << 20) if kind == "bytes" else np.ones(2 << 18), id)
    box.flush()
    read()
    assert len(got) == replicas and all(data == [(id, 2 << (20 if kind == "bytes" else 18)) for id in range(4)] for data in got.values())
