# SPDX-License-Identifier: Apache-2.0
"""Shared memory: what is put there is read by others, stays theirs, and is used again once they are done."""

import gc
import mmap
import os
import random

import pytest

from weft import arena
from weft.arena import LARGE_BYTES, Arena, Arenas

SEED = int(os.environ.get("WEFT_TEST_SEED", random.randrange(1 << 30)))
MB = 1 << 20


@pytest.fixture
def own():
    descriptor = os.memfd_create("weft-arena")
    return Arena(descriptor, os.getpid(), descriptor)


def blocks(own):
    """Bytes of memory that the arena takes."""
    return os.fstat(own._descriptor).st_blocks * 512


def test_buffers_are_read_as_they_were_put(own):
    arenas = Arenas()
    (first,) = own.put([b"abc", memoryview(b"defg")], 7)
    (second,) = own.put([bytes(MB)], MB)
    assert bytes(arenas.buffer(*first)) == b"abcdefg"
    assert first[2] >= arena.SLOTS * arena.READERS and first[2] % mmap.PAGESIZE == 0 == second[2] % mmap.PAGESIZE
    with arenas.content(*second) as memory:
        assert memory[:] == bytes(MB)
    assert own._is_empty()


def test_each_reader_may_change_his_own(own):
    arenas = Arenas()
    one, other = (arenas.buffer(*piece) for piece in own.put([b"same"], 4, readers=2))
    one[:] = b"mine"
    assert (bytes(one), bytes(other)) == (b"mine", b"same")


def test_space_is_free_once_every_reader_has_dropped_all_that_refers_to_it(own):
    arenas = Arenas()
    pieces = own.put([bytes(MB)], MB, readers=3)
    buffers = [arenas.buffer(*piece) for piece in pieces]
    assert arenas.mapped == 3
    view = memoryview(buffers[0])[8:80]
    buffers.clear()
    assert not own._is_empty() and arenas.mapped == 1
    np = pytest.importorskip("numpy")
    array = np.frombuffer(view)[2:]
    del view
    gc.collect()
    assert not own._is_empty() and (array == 0).all()
    del array
    assert own._is_empty() and arenas.mapped == 0 == arenas.mapped_bytes


def test_pages_are_used_again(own):
    arenas = Arenas()
    for _ in range(200):
        (piece,) = own.put([bytes(MB)], MB)
        with arenas.content(*piece):
            pass
    assert blocks(own) <= 2 * MB


def test_first_fit_with_merging_never_overlaps():
    print(f"WEFT_TEST_SEED={SEED}")
    rng = random.Random(SEED)
    descriptor = os.memfd_create("weft-arena")
    own = Arena(descriptor, os.getpid(), descriptor)
    arenas, held = Arenas(), []
    for n in range(600):
        if held and rng.random() < 0.5:
            held.pop(rng.randrange(len(held)))
        else:
            size = rng.choice((1, 4096, 5000, rng.randrange(1, MB)))
            content = rng.randbytes(min(size, 64)).ljust(size, b"\1")
            held += [(arenas.buffer(*piece), content) for piece in own.put([content], size, rng.choice((1, 2)))]
        spans = sorted([(start, end) for _, _, start, end in own._used] + own._free)
        assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:])), SEED
    assert all(buffer[:] == content for buffer, content in held), SEED
    held.clear()
    assert own._is_empty() and len(own._slots) == arena.SLOTS


def test_there_is_a_bound(own):
    pieces = []
    while len(pieces) < 1000:
        placed = own.put([bytes(4 * MB)], 4 * MB)
        if placed is None:
            break
        pieces += placed
    assert len(pieces) == 16
    own.drop(pieces[10:11])
    assert own.put([bytes(4 * MB)], 4 * MB)[0][2] == pieces[10][2]


def test_there_are_no_more_slots_than_flags(own):
    count = 0
    while own.put([b"x"], 1):
        count += 1
        assert count <= arena.SLOTS
    assert count == arena.SLOTS


def test_a_reader_who_keeps_much_has_copies(own):
    arenas = Arenas()
    kept = [arenas.buffer(*own.put([b"%03d" % n], 3)[0]) for n in range(300)]
    assert arenas.mapped == arena._MAXIMUM_MAPPED
    assert [bytes(buffer) for buffer in kept] == [b"%03d" % n for n in range(300)]
    own._reclaim_all()
    assert len(own._used) == arena._MAXIMUM_MAPPED
    kept = [arenas.buffer(*own.put([bytes(8 * MB)], 8 * MB)[0]) for _ in range(12)]
    assert arenas.mapped_bytes <= arena.CAPACITY // 2 and all(len(buffer) == 8 * MB for buffer in kept)


def test_a_huge_buffer_passes_though_others_keep_the_rest(own, monkeypatch):
    monkeypatch.setattr(arena, "HUGE_BYTES", MB)
    arenas, small = Arenas(), []
    while True:
        placed = own.put([bytes(LARGE_BYTES)], LARGE_BYTES)
        if placed is None:
            break
        small += placed
    for _ in range(3):
        (piece,) = own.put([b"\1" * MB, b"\2"], MB + 1)
        assert own.put([bytes(MB)], MB) is None, "one at a time"
        buffer = arenas.buffer(*piece)
        assert arenas.mapped == 0 and buffer[0] == 1 and buffer[MB] == 2
    assert len(small) * LARGE_BYTES == arena.CAPACITY


def test_memory_is_given_back_when_it_was_not_needed_for_a_while(own, monkeypatch):
    arenas = Arenas()
    kept = arenas.buffer(*own.put([bytes(MB)], MB)[0])
    pieces = [own.put([b"x" * (8 * MB)], 8 * MB)[0] for _ in range(6)]
    own.drop(pieces)
    assert blocks(own) > 48 * MB
    own.tidy()
    assert blocks(own) > 48 * MB, "not at once"
    monkeypatch.setattr(arena, "_IDLE_SECONDS", 0)
    own.tidy()
    assert blocks(own) < 20 * MB
    (piece,) = own.put([b"y" * (8 * MB)], 8 * MB)
    assert arenas.buffer(*piece)[: MB] == b"y" * MB and kept[:] == bytes(MB)


def test_what_is_mapped_when_a_pe_forks_stays_as_it_is_for_both(own):
    arenas = Arenas()
    buffer = arenas.buffer(*own.put([b"a" * MB], MB)[0])
    go = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(go[0], 1)
        os._exit(0 if buffer[:] == b"a" * MB and own.put([bytes(MB)], MB) is None else 1)
    del buffer
    for _ in range(5):
        assert own.put([b"b" * MB], MB)
    os.write(go[1], b"x")
    assert os.waitpid(child, 0)[1] == 0, "it saw what was put there later, or put something itself"
    buffer = arenas.buffer(*own.put([b"c" * MB], MB)[0])
    assert buffer == b"c" * MB and arenas.mapped == 0, "from now on there are copies, which take no place from the producer"
    for end in go:
        os.close(end)


def test_a_process_that_a_pe_forks_frees_nothing(own):
    arenas = Arenas()
    buffer = arenas.buffer(*own.put([bytes(MB)], MB)[0])
    child = os.fork()
    if child == 0:
        del buffer
        gc.collect()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert not own._is_empty() and buffer[:] == bytes(MB)


def test_pieces_that_are_none(own):
    arenas = Arenas()
    ((process, number, offset, length, slot, reader),) = own.put([bytes(MB)], MB)
    ordinary = os.open(__file__, os.O_RDONLY)
    for bad in (
        (process, number, offset + 1, length, slot, reader), (process, number, 0, length, slot, reader),
        (process, ordinary, offset, 1, 0, 0), (process, number, offset, 0, slot, reader),
        (process, number, offset, length, arena.SLOTS, 0), (process, number, offset, length, 0, arena.READERS),
        (process, number, 1 << 62, length, slot, reader), (process, 9999, offset, length, slot, reader), (1 << 31, 3, offset, length, 0, 0),
    ):  # fmt: skip
        with pytest.raises((ValueError, OSError, OverflowError)):
            arenas.buffer(*bad)
    os.close(ordinary)
