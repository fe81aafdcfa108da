# SPDX-License-Identifier: Apache-2.0
"""Failure policies, time limits, and state that a PE does not declare."""

import signal

import pytest
from rank import DONE, NONE
from test_worker import HEAD, IN0, items, seen

BAD = HEAD + """
class Bad(IterativePE):
    on_error = POLICY
    time_limit = LIMIT
    tries = 0
    def _process(self, data):
        self.tries += 1
        if isinstance(data, list):
            data.append(self.tries)
        self.write('output', ['before', data])
        if data == 'bad' or isinstance(data, list) and self.tries % 3:
            raise ValueError('no good,\\nand more')
        if data == 'exit':
            sys.exit(4)
        if data == 'sleep':
            time.sleep(30)
        if data == 'catch':
            while True:
                try:
                    time.sleep(0.001)
                except Exception:
                    pass
        return data
graph = chain(Source(), Bad(), Same(), Sink())
"""


def bad(policy, limit=None):
    return BAD.replace("POLICY", repr(policy)).replace("LIMIT", repr(limit))


def test_a_datum_that_fails_is_skipped_and_what_its_call_wrote_is_dropped(attempt):
    frames = attempt(bad("skip"), inputs=items("a", "bad", "b")).run()
    assert seen(frames) == [["before", "a"], "a", ["before", "b"], "b"]
    assert [(r["sequence"], r["datum"], r["outcome"], r["port"]) for r in frames.of(1)] == [(0, 0, 0, 0), (1, 1, 2, 0), (2, 2, 0, 0)]
    assert [r["invocation"] for r in frames.data if r["id"] >> 48 == 1] == [0, 0, 2, 2]
    assert frames.logs == [(1, 2, "Bad1 skipped datum 0.1: ValueError: no good, and more")]
    assert frames.profiles[1]["skipped"] == 1 and frames.profiles[1]["calls"] == 3


def test_a_hundred_lines_about_skipped_data_and_then_their_number(attempt):
    frames = attempt(bad("skip"), inputs=items(*["bad"] * 130)).run()
    assert len(frames.logs) == 101 and frames.logs[-1] == (1, 2, "Bad1 skipped 130 data, the last 30 without a line each")
    assert [r["outcome"] for r in frames.of(1)] == [2] * 130 and [r["datum"] for r in frames.of(1)] == list(range(130))


def test_a_call_is_repeated_with_the_datum_as_it_came(attempt):
    frames = attempt(bad("retry 2"), inputs=items([])).run()
    assert seen(frames) == [["before", [3]], [3]]
    assert frames.profiles[1]["retried"] == 2 and [r["outcome"] for r in frames.of(1)] == [0]


def test_the_last_of_the_tries_fails_the_run(attempt):
    frames = attempt(bad("retry 1"), inputs=items("a", "bad")).run()
    assert frames.failure["message"] == "Bad1 raised ValueError: no good,\nand more" and frames.failure["datum"] == "0.1"
    assert frames.profiles[1]["retried"] == 1


@pytest.mark.parametrize("policy", ["skip", "retry 3"])
def test_a_pe_that_wants_to_end_the_process_fails_the_run(attempt, policy):
    assert attempt(bad(policy), inputs=items("exit")).run().failure["message"] == "Bad1 raised SystemExit: 4"


@pytest.mark.parametrize("value", ["sleep", "catch"])
def test_a_datum_that_takes_too_long(attempt, value):
    failure = attempt(bad("fail", 0.05), inputs=items("a", value)).run().failure
    assert failure["cause"] == "time_limit" and failure["message"] == "Bad1 took longer than its time limit of 0.05 s for datum 0.1"
    assert (failure["element"], failure["instance"], failure["datum"], failure["datum_summary"]) == ("Bad1", 1, "0.1", repr(value))
    assert "flow.py" in failure["traceback"]


def test_a_datum_that_takes_too_long_may_be_skipped(attempt):
    frames = attempt(bad("skip", 0.05), inputs=items("sleep", "b")).run()
    assert seen(frames) == [["before", "b"], "b"]
    assert frames.logs == [(1, 2, "Bad1 skipped datum 0.0: no answer in 0.05 s")]


def test_the_time_of_readers_is_not_the_writers(attempt):
    source = HEAD + """
class Limited(IterativePE):
    time_limit = 0.2
    def _process(self, data):
        for n in range(3):
            self.write('output', n)
class Slow(IterativePE):
    time_limit = 0.5
    def _process(self, data):
        time.sleep(0.15)
        return data
graph = chain(Source(), Limited(), Slow(), Sink())
"""
    assert seen(attempt(source).run()) == [0, 1, 2]


def test_code_that_does_not_return_to_python(attempt):
    source = HEAD + """
import ctypes
library = ctypes.CDLL(None)
class Stuck(IterativePE):
    time_limit = 0.05
    def _process(self, data):
        library.pthread_sigmask(0, (ctypes.c_uint8 * 128)(*[255] * 128), None)
        library.sleep(30)
graph = chain(Source(), Stuck())
"""
    frames = attempt(source).run()
    assert frames.failure["cause"] == "time_limit" and frames.failure["element"] == "Stuck1"
    assert frames.failure["message"] == "Stuck1 took longer than its time limit of 0.05 s, in code that does not return to Python"


def test_code_that_does_not_even_let_other_threads_run(attempt):
    source = HEAD + """
class Stuck(IterativePE):
    time_limit = 0.05
    def _process(self, data):
        sum(range(10 ** 12))
graph = chain(Source(), Stuck())
"""
    frames = attempt(source).run(ends_without_a_word=True)
    assert frames.status == -signal.SIGALRM and "flow.py" in frames.printed and "in _process" in frames.printed


STATE = HEAD + """
class Bag(IterativePE):
    def __init__(self):
        IterativePE.__init__(self)
        self.seen, self.same, self.n = [], [1], 0
    def _process(self, data):
        self.seen.append(data)
        self.n += 1
        return data
class Declared(Bag):
    stateful = True
class Pure(IterativePE):
    def __init__(self):
        IterativePE.__init__(self)
        self.table = {'a': 1}
    def _process(self, data):
        self.table = dict(self.table)
        return data
graph = chain(Source(), Bag(), Declared(), Pure())
"""


def test_changes_of_undeclared_state_are_reported(attempt):
    frames = attempt(STATE, inputs=items("a", "b")).run()
    changed = [frames.profiles[instance].get("changed") for instance in range(4)]
    assert changed == [[], ["n", "seen"], None, []] and frames.logs == []
    frames = attempt(STATE, stages=[[0], [1, 2, 3]], workers=[1, 2]).run(1, data=[[(0, n, "a") for n in range(4)]])
    assert len(frames.logs) == 1 and frames.logs[0][:2] == (1, 2)
    assert frames.logs[0][2].startswith("Bag1 changes its n, seen in process(), and each of its 2 instances has its own.")


def test_without_capture_results_failures_and_profiles_stay(attempt):
    frames = attempt(bad("skip"), inputs=items("a", "bad"), capture="off").run()
    assert frames.last == DONE and [value for _, _, value in frames.results] == [["before", "a"], "a"]
    assert [r["outcome"] for r in frames.invocations] == [2] and not frames.data and not frames.attributes
    assert [frames.profiles[i]["calls"] for i in range(4)] == [2, 2, 2, 2]


def test_profiles_and_times(attempt):
    source = HEAD + """
class Slow(IterativePE):
    def _process(self, data):
        time.sleep(0.002)
        return data
class Triple(IterativePE):
    def _process(self, data):
        for n in range(3): self.write('output', data)
graph = chain(Source(), Triple(), Slow(), Sink())
"""
    frames = attempt(source, inputs=items(*range(20))).run()
    slow, triple = frames.profiles[2], frames.profiles[1]
    assert slow["items_in"] == slow["items_out"] == slow["sampled"] == 60 and triple["items_out"] == 60 and triple["items_in"] == 20
    # Percentiles are told within 7 %, so that of equally long calls both may be the same.
    assert slow["busy_ns"] > 120e6 and 1.9e6 < slow["p50_ns"] <= slow["p95_ns"]
    assert triple["busy_ns"] < slow["busy_ns"] / 2, "the readers' time is not its own"
    assert all(r["duration"] >= 2_000_000 for r in frames.of(2)), "long calls are timed each"
    assert all(a["start"] + a["duration"] <= b["start"] for a, b in zip(frames.of(2), frames.of(2)[1:]))


def test_an_input_that_may_be_any_of_several_ports(attempt):
    source = HEAD + """
class Two(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input('x'); self._add_input('y'); self._add_output('output')
    def process(self, inputs):
        return {'output': inputs}
graph = WorkflowGraph()
graph.add(Two())
"""
    given = [{"x": 1}, {"y": 2}, {"x": 3, "y": 4}, {"x": 5}, {"x": 6}]
    frames = attempt(source, inputs={"Two0": given}).run()
    assert seen(frames) == given
    assert [(r["datum"], r["port"]) for r in frames.of(0)] == [
        (IN0, 0), (IN0 + 1, 1), (IN0 + 2, 0xFFFF), (IN0 + 3, 0), (IN0 + 4, 0)
    ]  # fmt: skip
    assert NONE not in [r["datum"] for r in frames.of(0)]
