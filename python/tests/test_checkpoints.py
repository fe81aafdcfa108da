# SPDX-License-Identifier: Apache-2.0
"""What PEs keep, at checkpoints: when it is saved, what it holds, and how a later attempt begins with it."""

import pickle
import struct

import pytest
from rank import DONE, FAILED, FINISH, GO, NONE, READY, Frames

CHECKPOINT, CHECKPOINTED, PAUSED, LAST = 4, 23, 24, 25

FLOW = """
import os, time
from dispel4py.base import *
from dispel4py.workflow_graph import WorkflowGraph

class Source(IterativePE):
    seen = 0
    def _preprocess(self):
        self.write('output', 'begun')
    def _process(self, item):
        self.seen += 1
        if item == 'wait':
            while not os.path.exists('go on'): time.sleep(0.001)
        return item

class Total(IterativePE):
    snapshot_every = 0.5
    total = 0
    def _process(self, number):
        self.total += number != 'begun' and number != 'wait'
        return self.total
    def snapshot(self):
        return {'total': self.total}
    def restore(self, state):
        self.total = state['total']

def flow(*pes):
    graph = WorkflowGraph()
    for source, reader in zip(pes, pes[1:]):
        graph.connect(source, 'output', reader, 'input')
    return graph
"""


def ask(worker, number, items=1000):
    worker.send(CHECKPOINT, struct.pack("<IQ", number, items))


def answer(worker, frames):
    """Number and items of the next CHECKPOINTED."""
    while True:
        kind, body = worker.read()
        if kind == CHECKPOINTED:
            number, items = struct.unpack("<IQ", body)
            return number, None if items == NONE else items
        frames.add(kind, body)
        assert kind not in (DONE, FAILED), frames.failure


def saved(flow, number, worker=0):
    path = flow.folder / "checkpoints" / f"{number}-{worker}.state"
    return {id: pickle.loads(state) for id, state in pickle.loads(path.read_bytes()).items()}


def begin(worker):
    frames = Frames()
    worker.read_until(frames, READY, FAILED)
    worker.send(GO)
    return frames


def test_only_a_pe_that_defines_both_takes_snapshots(attempt):
    source = FLOW + "class Half(Total):\n    restore = None\nclass Not(Total):\n    stateful = False\ngraph = flow(Source(), Total(), Half(), Not())"
    elements = attempt(source).graph["elements"]
    assert [element["snapshot_every"] for element in elements] == [None, 0.5, None, None]
    assert [element["stateful"] for element in elements] == [None, True, None, False]


def test_a_source_is_asked_between_two_items(attempt):
    flow = attempt(FLOW + "graph = flow(Source(), Total())", inputs={"Source0": [{"input": 1}, {"input": "wait"}, {"input": 1}]})
    with flow.worker() as worker:
        frames = begin(worker)
        while len(frames.results) < 2:  # It is in its second item now, or about to begin it.
            frames.add(*worker.read())
        ask(worker, 7)
        (flow.folder / "work" / "go on").touch()
        number, items = answer(worker, frames)
        assert number == 7 and items in (1, 2) and saved(flow, 7) == {"Total1": {"total": 1}}
        # All that was written by then has left.
        assert [value for _, _, value in frames.results] == [0, 1, 1][: items + 1]
        worker.read_until(frames, DONE, FAILED)
        assert [value for _, _, value in frames.results] == [0, 1, 1, 2]


def test_a_source_runs_ahead_of_a_checkpoint_by_so_many_items_only(attempt):
    flow = attempt(FLOW + "graph = flow(Source(), Total())", inputs={"Source0": [{"input": 1}] * 100})
    with flow.worker() as worker:
        frames = begin(worker)
        for number, done in (1, 16), (2, 26), (3, 36):
            worker.read_until(frames, PAUSED, DONE, FAILED)
            assert frames.last == PAUSED and [value for _, _, value in frames.results] == list(range(done + 1))
            ask(worker, number, items=10)
            assert answer(worker, frames) == (number, done) and saved(flow, number) == {"Total1": {"total": done}}
        worker.read_until(frames, PAUSED, DONE, FAILED)
        worker.send(GO)
        worker.read_until(frames, PAUSED, DONE, FAILED)
        assert frames.last == DONE and len(frames.results) == 101


@pytest.mark.parametrize("items", [1, 16])
def test_before_its_last_item_a_source_says_so_and_pauses_no_more(attempt, items):
    flow = attempt(FLOW + "graph = flow(Source(), Total())", inputs={"Source0": [{"input": 1}] * (items - 1) + [{"input": "wait"}]})
    with flow.worker() as worker:
        frames = begin(worker)
        worker.read_until(frames, LAST, PAUSED, DONE, FAILED)
        assert frames.last == LAST
        (flow.folder / "work" / "go on").touch()
        worker.read_until(frames, PAUSED, DONE, FAILED)
        assert frames.last == DONE and frames.kinds.count(LAST) == 1


def test_a_reader_is_asked_after_what_it_was_given(attempt):
    flow = attempt(FLOW + "graph = flow(Source(), Total())", stages=[[0], [1]])
    with flow.worker(1) as worker:
        frames = begin(worker)
        worker.send_input(0, [(0, 0, 1), (0, 1, 1)])
        ask(worker, 1)
        worker.send_input(1, [(0, 2, 1)])
        assert answer(worker, frames) == (1, None)
        assert frames.consumed == [0] and saved(flow, 1, 1) == {"Total1": {"total": 2}}
        ask(worker, 2)
        assert answer(worker, frames) == (2, None) and saved(flow, 2, 1) == {"Total1": {"total": 3}}
        worker.send(FINISH)
        worker.read_until(frames, DONE, FAILED)
        assert frames.last == DONE


def test_a_worker_without_such_pes_answers_too(attempt):
    flow = attempt(FLOW + "graph = flow(Source(), Total())", stages=[[0], [1]], inputs={"Source0": [{"input": "wait"}, {"input": 1}]})
    with flow.worker(0) as worker:
        frames = begin(worker)
        ask(worker, 1)
        (flow.folder / "work" / "go on").touch()
        assert answer(worker, frames) == (1, 1)
        assert not (flow.folder / "checkpoints").exists()


def test_a_later_attempt_begins_with_what_was_kept(attempt):
    flow = attempt(FLOW + "graph = flow(Source(), Total())", inputs={"Source0": [{"input": 1}] * 5})
    (flow.folder / "before").mkdir()
    (flow.folder / "before" / "3-0.state").write_bytes(pickle.dumps({"Total1": pickle.dumps({"total": 40})}))
    flow.document.update(restored={"folder": str(flow.folder / "before"), "checkpoint": 3}, replayed={"Source0": [[3, 2]]})
    flow.write()
    frames = flow.run()
    # What the source writes in preprocess was counted before.
    assert frames.failure is None and [value for _, _, value in frames.results] == [41, 42]


@pytest.mark.parametrize(
    "addition, cause, message",
    [
        ("    def snapshot(self): raise ValueError('no')", "exception", "In snapshot, Total1 raised ValueError: no"),
        ("    def snapshot(self): return lambda: 1", "unpicklable", "snapshot() of Total1 returned a function that cannot be pickled"),
    ],
)
def test_a_snapshot_that_cannot_be_had_fails_the_run(attempt, addition, cause, message):
    flow = attempt(FLOW.replace("\ndef flow", addition + "\n\ndef flow") + "graph = flow(Source(), Total())", stages=[[0], [1]])
    with flow.worker(1) as worker:
        frames = begin(worker)
        ask(worker, 1)
        worker.read_until(frames, FAILED)
    assert frames.failure["cause"] == cause and frames.failure["message"].startswith(message)
    assert (frames.failure["element"], frames.failure["instance"]) == ("Total1", 1)


@pytest.mark.parametrize(
    "state, cause, message",
    [
        (None, "load", "The state of checkpoint 3 cannot be read from "),
        (b"no pickle", "load", "The state of checkpoint 3 cannot be read from "),
        (pickle.dumps({"Total1": pickle.dumps({})}), "exception", "In restore, Total1 raised KeyError: 'total'"),
    ],
)
def test_a_state_that_cannot_be_restored_fails_the_run(attempt, state, cause, message):
    flow = attempt(FLOW + "graph = flow(Source(), Total())")
    if state is not None:
        (flow.folder / "3-0.state").write_bytes(state)
    flow.document["restored"] = {"folder": str(flow.folder), "checkpoint": 3}
    flow.write()
    failure = flow.run().failure
    assert failure["cause"] == cause and failure["message"].startswith(message)
