# SPDX-License-Identifier: Apache-2.0
"""What an attempt that resumes another one relies on: a source that is given some of its items, and what is told of state."""

from rank import DONE, GO, READY, RECORDS, Frames

IN0 = 1 << 62

FLOW = """
import time
from dispel4py.base import *
from dispel4py.workflow_graph import WorkflowGraph

class Source(IterativePE):
    def _process(self, number):
        return number

class Empty(ProducerPE):
    def _process(self, item):
        return 'empty'

class Last(IterativePE):
    def _process(self, value):
        return value

class Keeps(IterativePE):
    total = 0
    def _process(self, number):
        time.sleep(0.005)
        self.total += number
        return self.total

def flow(first, last):
    graph = WorkflowGraph()
    graph.connect(first, 'output', last, 'input')
    return graph
"""


def replay(attempt, source, given, replayed):
    """Results, and the numbers of the items that were processed and that were recorded."""
    made = attempt(FLOW + f"graph = flow({source}(), Last())", inputs={f"{source}0": given})
    made.document["replayed"] = replayed
    made.write()
    frames = made.run()
    assert frames.failure is None and frames.last == DONE
    processed = [record["datum"] - IN0 for record in frames.of(0)]
    return [value for _, _, value in frames.results], processed, [record["id"] - IN0 for record in frames.data if record["flag"] == 2]


def test_items_keep_their_numbers(attempt):
    items = [{"input": 10 * number} for number in range(3000)]
    ranges = [[1, 2], [5, 1], [100, 2000], [2999, 1]]
    expected = [number for first, count in ranges for number in range(first, first + count)]
    values, processed, given = replay(attempt, "Source", items, {"Source0": ranges})
    assert values == [10 * number for number in expected]
    assert processed == given == expected


def test_of_a_count_some_are_given(attempt):
    values, processed, given = replay(attempt, "Empty", 1 << 40, {"Empty0": [[10, 3], [1 << 39, 2]]})
    assert values == ["empty"] * 5
    assert processed == given == [10, 11, 12, 1 << 39, (1 << 39) + 1]


def test_a_source_that_is_not_named_is_given_nothing(attempt):
    assert replay(attempt, "Source", [{"input": 1}], {}) == ([], [], [])


def test_changes_are_told_of_with_the_calls(attempt):
    made = attempt(FLOW + "graph = flow(Source(), Keeps())", inputs={"Source0": [{"input": number} for number in range(100)]})
    with made.worker() as worker:
        frames = Frames()
        worker.read_until(frames, READY)
        worker.send(GO)
        worker.read_until(frames, RECORDS)
    assert frames.of(1) and frames.profiles[1]["changed"] == ["total"]
