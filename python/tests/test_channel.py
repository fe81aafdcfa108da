# SPDX-License-Identifier: Apache-2.0
"""The worker's end of the socket, against the rank's end of it."""

import array
import contextlib
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from weft.channel import FLUSH_BYTES, Channel

TIMEOUT = 20
PACKAGE = str(Path(__file__).resolve().parent.parent)


@pytest.fixture
def ends():
    """A channel, and the rank's end of its socket."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(TIMEOUT)
    channel = Channel(ours.detach())
    yield channel, theirs
    theirs.close()
    # Its thread stays: it must not find the socket closed.
    channel.busy.clear()
    with channel._sending:  # The thread that sends must not be in the middle of it.
        channel._outbound.clear()


@contextlib.contextmanager
def meanwhile(function, *arguments):
    """Runs the function in another thread, and waits for its end."""
    raised = []

    def run():
        try:
            function(*arguments)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join(TIMEOUT)
    assert not thread.is_alive() and not raised, raised


def exactly(theirs, count):
    data = bytearray()
    while len(data) < count:
        part = theirs.recv(min(count - len(data), 1 << 20))
        assert part, "the stream ends"
        data += part
    return bytes(data)


def read_frame(theirs):
    length, kind = struct.unpack("<IB", exactly(theirs, 5))
    return kind, exactly(theirs, length)


def frame(kind, body=b""):
    return struct.pack("<IB", len(body), kind) + body


def test_frames_arrive_however_they_are_cut(ends):
    channel, theirs = ends
    rng = random.Random(1)
    bodies = [rng.randbytes(rng.choice((0, 1, 100, 70_000, 65_536, 65_531, 300_000))) for _ in range(60)]
    stream = b"".join(frame(n % 7, body) for n, body in enumerate(bodies))

    def send():
        position = 0
        while position < len(stream):
            step = rng.choice((1, 4, 5, 6, 1000, 65_536, 200_000))
            theirs.sendall(stream[position : position + step])
            position += step

    with meanwhile(send):
        received = [channel.receive() for _ in bodies]
    assert [(kind, bytes(body)) for kind, body in received] == [(n % 7, body) for n, body in enumerate(bodies)]
    assert all(type(body) is memoryview for _, body in received)


def test_frames_leave_in_order_whatever_their_parts_are(ends):
    channel, theirs = ends
    large = bytearray(os.urandom(3 << 20))
    numbers = array.array("Q", range(5000))
    channel.send_frame(16)
    channel.send_frame(17, b"ab", bytearray(b"c"), memoryview(b"d"))
    channel.send_frame(18, b"head", memoryview(large), b"", memoryview(numbers), b"tail")
    assert channel.size > 3 << 20
    with meanwhile(channel.flush):
        assert read_frame(theirs) == (16, b"")
        assert read_frame(theirs) == (17, b"abcd")
        assert read_frame(theirs) == (18, b"head" + large + numbers.tobytes() + b"tail")
    assert channel.size == 0


def test_large_parts_are_not_copied(ends):
    channel, _ = ends
    large = bytearray(1 << 20)
    channel.send_frame(17, b"small", large)
    assert any(part.obj is large for part in channel._outbound)


def test_pump_sends_what_fits_and_flush_the_rest(ends):
    channel, theirs = ends
    channel.send_frame(17, bytes(4 << 20))
    channel.pump()
    assert 0 < channel.size < 4 << 20, "the socket holds less, and nobody waited"
    with meanwhile(lambda: read_frame(theirs)):
        channel.flush()
    assert channel.size == 0


def test_frames_that_come_while_output_waits_are_received(ends):
    channel, theirs = ends
    channel.send_frame(17, bytes(4 << 20))

    def rank():
        theirs.sendall(frame(1, bytes(2 << 20)) + frame(2))  # Times out if the worker does not read while it waits to write.
        assert read_frame(theirs) == (17, bytes(4 << 20))

    with meanwhile(rank):
        channel.flush()
        # The last frame is there already: nothing more comes that could wake who waits for it.
        assert channel.receive() == (1, bytes(2 << 20))
        assert channel.receive() == (2, b"")


def test_a_log_line_leaves_at_once(ends):
    channel, theirs = ends
    channel.log(0xFFFF, 2, b"about to crash")
    assert read_frame(theirs) == (20, b"\xff\xff\2about to crash")


def test_much_that_is_printed_waits_for_the_rank(ends):
    channel, theirs = ends
    lines = 30_000

    def rank():
        for n in range(lines):
            assert read_frame(theirs) == (20, b"\0\0\1%090d" % n)

    sizes = []
    with meanwhile(rank):
        for n in range(lines):
            channel.log(0, 1, b"%090d" % n)
            sizes.append(channel.size)
        channel.flush()
    assert max(sizes) <= FLUSH_BYTES + 200


def test_a_finaliser_that_prints_while_the_channel_sends_does_not_wait_for_itself(ends):
    channel, theirs = ends
    with channel._sending:
        channel.log(1, 1, b"from a finaliser")
    channel.pump()
    assert read_frame(theirs) == (20, b"\1\0\1from a finaliser")


def test_threads_may_print(ends):
    channel, theirs = ends

    def talk(n):
        for _ in range(200):
            channel.log(n, 1, b"x" * 500)

    counts = [0] * 4
    threads = [threading.Thread(target=talk, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(800):
        kind, body = read_frame(theirs)
        assert kind == 20 and body[2:] == b"\1" + b"x" * 500
        counts[body[0]] += 1
        if not any(thread.is_alive() for thread in threads):
            channel.pump()
    assert counts == [200] * 4


def test_what_is_encoded_leaves_while_a_pe_computes(ends):
    channel, theirs = ends
    channel.busy.set()
    channel.send_frame(17, bytes(2 << 20))
    assert read_frame(theirs) == (17, bytes(2 << 20))  # This thread calls nothing of the channel.


def test_output_is_due_after_5_ms_of_work_but_not_of_waiting(ends):
    channel, theirs = ends
    called = threading.Event()
    channel.on_due = called.set
    assert not channel.due
    channel.busy.set()
    assert called.wait(TIMEOUT) and channel.due
    channel.on_due = None
    theirs.sendall(frame(3))
    assert channel.receive() == (3, b"")
    assert channel.busy.is_set()


def test_waiting_costs_no_cpu(ends):
    channel, theirs = ends
    timer = threading.Timer(0.5, theirs.sendall, [frame(3)])
    timer.start()
    start = time.process_time()
    assert channel.receive() == (3, b"")
    assert time.process_time() - start < 0.05
    assert channel.due, "the next datum need not wait"


def test_wait_ends_in_time_and_reads(ends):
    channel, theirs = ends
    channel.wait(0.001)
    theirs.sendall(frame(1, b"abc"))
    channel.wait(TIMEOUT)
    assert channel.receive() == (1, b"abc")


def test_a_frame_that_is_too_long(ends):
    channel, theirs = ends
    theirs.sendall(struct.pack("<IB", (1 << 30) + 1, 1))
    with pytest.raises(ValueError, match="a frame of 1073741825 bytes"):
        channel.receive()


def test_room_is_made_for_a_last_frame(ends):
    channel, theirs = ends
    channel.send_frame(17, bytes(4 << 20))
    channel.pump()
    held = channel.size
    channel.make_room()
    channel.pump()
    assert held - channel.size > 100_000


CHILD = """
import os, socket, sys, time
from weft.channel import Channel
channel = Channel(int(sys.argv[1]))
"""


def child(body, theirs):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + body, str(theirs.fileno())], pass_fds=[theirs.fileno()],
        env={**os.environ, "PYTHONPATH": PACKAGE}, stdout=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "channel.receive()",
        "channel.send_frame(17, bytes(4 << 20)); channel.flush()",
        "channel.busy.set(); channel.send_frame(17, bytes(4 << 20))\nwhile True: pass",
    ],
    ids=["reading", "writing", "computing"],
)
def test_a_worker_ends_with_its_rank(body):
    ours, theirs = socket.socketpair()
    ours.settimeout(TIMEOUT)
    process = child(f"channel.log(0, 1, b'ready')\n{body}", theirs)
    theirs.close()
    read_frame(ours)
    ours.close()
    assert process.wait(TIMEOUT) == 1
    process.stdout.close()


def test_a_process_that_a_pe_forks_leaves_the_socket_alone():
    ours, theirs = socket.socketpair()
    ours.settimeout(TIMEOUT)
    process = child(
        """
channel.send_frame(17, b"early")
child = os.fork()
if child == 0:
    channel.log(0, 1, b"not to the rank")
    print("from the child", flush=True)
    os._exit(0)
os.waitpid(child, 0)
channel.flush()
channel.send_frame(21)
channel.flush()
""",
        theirs,
    )
    theirs.close()
    assert read_frame(ours) == (17, b"early") and read_frame(ours) == (21, b"")
    assert process.wait(TIMEOUT) == 0 and process.stdout.read() == b"from the child\n"
    process.stdout.close()
    ours.close()
