# SPDX-License-Identifier: Apache-2.0
"""A worker, driven through a real socket as a rank does it: what PEs see, and what leaves."""

import os
import signal
import time

import pytest
from rank import CONSUMED, DONE, FAILED, FINISH, GO, LOG, NONE, OUTPUT, READY, RECORDS, TIMEOUT, Frames

from weft.hashing import stable_hash

IN0 = 1 << 62

HEAD = """
import json, os, sys, time
from dispel4py.base import *
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

class Source(ProducerPE):
    def _process(self, item):
        return item.get('value', 'nothing')

class Same(IterativePE):
    def _process(self, data):
        return data

class Sink(GenericPE):
    'Results are all it received.'
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input('input')
        self._add_output('seen')
        self.seen = []
    def process(self, inputs):
        self.seen.append(inputs['input'])
    def postprocess(self):
        for value in self.seen:
            self.write('seen', value)

def chain(*pes):
    graph = WorkflowGraph()
    for a, b in zip(pes, pes[1:]):
        graph.connect(a, 'output', b, 'input')
    return graph
"""


def items(*values):
    return {"Source0": [{"value": value} for value in values]}


def seen(frames):
    assert frames.failure is None, frames.failure
    return [value for _, _, value in frames.results]


# Sources, chains and their records


def test_a_count_gives_empty_items(attempt):
    frames = attempt(HEAD + "graph = chain(Source(), Sink())", inputs={"Source0": 3}).run()
    assert seen(frames) == ["nothing"] * 3
    assert (frames.kinds[0], frames.last, frames.status) == (READY, DONE, 0)
    given = [record for record in frames.data if record["flag"] == 2]
    assert [record["id"] for record in given] == [IN0, IN0 + 1, IN0 + 2] and frames.attributes == {}


def test_items_are_data_with_their_value_and_the_input_of_the_sources_invocations(attempt):
    frames = attempt(HEAD + "graph = chain(Source(), Sink())", inputs=items("a", [1])).run()
    assert seen(frames) == ["a", [1]]
    assert frames.attributes == {IN0: {"value": {"value": "a"}}, IN0 + 1: {"value": {"value": [1]}}}
    assert [record["datum"] for record in frames.invocations if record["instance"] == 0] == [IN0, IN0 + 1, NONE]


def test_an_iterative_pe_may_be_the_source(attempt):
    frames = attempt(HEAD + "graph = chain(Same(), Sink())", inputs={"Same0": [{"input": 5}]}).run()
    assert seen(frames) == [5]
    assert [record["port"] for record in frames.invocations if record["datum"] == IN0] == [0]


def test_records_of_a_fused_chain(attempt):
    before = time.time_ns()
    frames = attempt(HEAD + "graph = chain(Source(), Same(), Sink())", inputs=items("a")).run()
    written = {record["id"]: record for record in frames.data if record["flag"] != 2}
    assert list(written) == [0 << 48, 1 << 48, 2 << 48]
    assert all(record["flag"] == 1 and record["size"] == 1 and before <= record["time"] <= time.time_ns() for record in written.values())
    process, post = ([r for i in range(3) for r in frames.of(i, kind)] for kind in (0, 2))
    assert [(r["instance"], r["sequence"], r["datum"], r["port"]) for r in process] == [
        (0, 0, IN0, 0xFFFF), (1, 0, 0 << 48, 0), (2, 0, 1 << 48, 0)
    ]  # fmt: skip
    assert [(r["instance"], r["sequence"], r["datum"], r["port"]) for r in post] == [(i, 1, NONE, 0xFFFF) for i in range(3)]
    assert written[2 << 48]["invocation"] == 1, "written in postprocess"
    assert all(r["outcome"] == 0 and before <= r["start"] for r in frames.invocations)


def test_a_worker_fed_by_its_rank(attempt):
    flow = attempt(HEAD + "graph = chain(Source(), Same(), Sink())", stages=[[0], [1], [2]])
    frames = flow.run(1, data=[[(0, 7, "a"), (0, 8, [None])], [(0, 9, 0)]])
    assert [(edge, datum, value) for edge, datum, _, value in frames.outputs] == [
        (1, 1 << 48, "a"), (1, (1 << 48) + 1, [None]), (1, (1 << 48) + 2, 0)
    ]  # fmt: skip
    assert frames.consumed == [0, 1]
    assert [record["datum"] for record in frames.invocations] == [7, 8, 9, NONE]
    order = [kind for kind in frames.kinds if kind != LOG]
    assert order[:7] == [READY, RECORDS, OUTPUT, CONSUMED, RECORDS, OUTPUT, CONSUMED]
    assert set(order[7:-1]) == {RECORDS} and order[-1] == DONE


def test_finish_without_any_input(attempt):
    frames = attempt(HEAD + "graph = chain(Source(), Sink())", stages=[[0], [1]]).run(1)
    assert frames.last == DONE and [r["kind"] for r in frames.invocations] == [2]


# What PEs return and write


def test_what_is_sent_and_what_is_not(attempt):
    source = HEAD + """
class Two(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input('input'); self._add_output('a'); self._add_output('b')
    def process(self, inputs):
        return inputs['input']
graph = chain(Source(), Same(), Two())
"""  # fmt: skip
    falsy = [0, "", False, [], {}]
    frames = attempt(source, inputs=items(*falsy, None, {"a": None}, {"b": 1, "a": 2})).run()
    assert frames.failure["message"].startswith("Two2 raised TypeError: process() returned a int")
    frames = attempt(source, inputs=items({}, None, {"a": None}, {"b": 1, "a": 2})).run()
    assert [value for _, port, value in frames.results if port == 0] == [None, 2]
    assert [value for _, port, value in frames.results if port == 1] == [1]
    frames = attempt(HEAD + "graph = chain(Source(), Same(), Sink())", inputs=items(*falsy, None)).run()
    assert seen(frames) == falsy


def test_ports_are_never_joined(attempt):
    source = HEAD + """
class Join(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input('x'); self._add_input('y'); self._add_output('output')
    def process(self, inputs):
        return {'output': inputs}
graph, a, j = WorkflowGraph(), Source(), Join()
graph.connect(a, 'output', j, 'x')
graph.connect(a, 'output', j, 'y')
"""
    frames = attempt(source, inputs=items(1)).run()
    assert seen(frames) == [{"x": 1}, {"y": 1}]
    assert [r["port"] for r in frames.invocations if r["instance"] == 1 and r["kind"] == 0] == [0, 1]


def test_life_cycle_and_writes_everywhere(attempt):
    source = HEAD + """
class Chatty(IterativePE):
    def _preprocess(self):
        self.write('output', [self.name, 'pre'])
    def _process(self, data):
        self.write('output', [self.name, 'before', data])
        return [self.name, 'result', data]
    def _postprocess(self):
        self.write('output', [self.name, 'post'])
a, b = Chatty(), Chatty()
a.name, b.name = 'A', 'B'
graph = chain(a, b, Sink())
"""
    frames = attempt(source, inputs={"A0": [{"input": 1}]}).run()
    values = seen(frames)
    assert [v for v in values if len(v) == 2] == [["B", "pre"], ["B", "post"]]
    assert [v[2] for v in values if v[1] == "result"] == [["A", "pre"], ["A", "before", 1], ["A", "result", 1], ["A", "post"]]
    assert values[-1] == ["B", "post"], "B's end comes after all that A wrote"
    assert [r["kind"] for r in frames.invocations if r["instance"] == 0] == [1, 0, 2]


def test_the_writer_under_outputconnections_and_super_write(attempt):
    source = HEAD + """
class Old(IterativePE):
    def write(self, name, data, **kwargs):
        super().write(name, ['own', data], **kwargs)
    def _process(self, data):
        self.outputconnections['output']['writer'].write(data)
        self.write('output', data, control={}, ignore_inputs=True)
        return data
graph = chain(Source(), Old(), Sink())
"""
    assert seen(attempt(source, inputs=items(1)).run()) == [["own", 1]] * 3


def test_methods_replaced_in_preprocess_are_called(attempt):
    source = HEAD + """
class Late(IterativePE):
    def _preprocess(self):
        self._process = lambda data: data * 2
graph = chain(Source(), Late(), Sink())
"""
    assert seen(attempt(source, inputs=items(4)).run()) == [8]


def test_a_function_that_describes_its_result(attempt):
    source = HEAD + """
def f(data):
    return {'_d4p_data': data, '_d4p_prov': {'format': 'text', 'metadata': {'n': 1}}}
graph = chain(Source(), SimpleFunctionPE(f), Sink())
"""
    frames = attempt(source, inputs=items("x")).run()
    assert seen(frames) == ["x"] and frames.attributes[1 << 48] == {"format": "text", "metadata": {"n": 1}}


# Data inside a stage


def test_what_a_pe_changes_after_writing_is_not_seen_downstream(attempt):
    source = HEAD + """
class Reuse(ProducerPE):
    def _process(self, inputs):
        record = {'n': 0}
        for record['n'] in range(3):
            self.write('output', record)
class N(IterativePE):
    def _process(self, data):
        return data['n']
graph = chain(Reuse(), N(), Sink())
"""
    assert seen(attempt(source).run()) == [0, 1, 2]


def test_each_consumer_of_a_fan_out_has_its_own_copy(attempt):
    source = HEAD + """
class Append(IterativePE):
    def _process(self, data):
        data.append(self.id)
        return data
graph, source, a, b, sink = WorkflowGraph(), Source(), Append(), Append(), Sink()
for pe in (a, b):
    graph.connect(source, 'output', pe, 'input')
    graph.connect(pe, 'output', sink, 'input')
"""
    frames = attempt(source, inputs=items([])).run()
    assert seen(frames) == [["Append1"], ["Append3"]]
    assert len([r for r in frames.data if r["id"] >> 48 == 0]) == 1, "one datum, however many read it"


@pytest.mark.parametrize("body", ["return data", "self.write('output', data)"])
def test_a_chain_of_a_thousand_pes(attempt, body):
    source = HEAD + f"""
class Link(IterativePE):
    def _process(self, data):
        {body}
graph = chain(Source(), *[Link() for _ in range(1000)], Sink())
"""
    assert seen(attempt(source, inputs=items([1], "a")).run()) == [[1], "a"]


def test_a_hundred_thousand_writes_in_one_call_stream(attempt):
    source = HEAD + """
class Many(ProducerPE):
    def _process(self, inputs):
        for n in range(100000):
            self.write('output', n)
            if n == 50000:
                time.sleep(0.06)
class Most(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input('input'); self._add_output('output')
        self.total = 0
    def process(self, inputs):
        self.total += inputs['input']
    def postprocess(self):
        self.write('output', self.total)
graph = chain(Many(), Same(), Most())
"""
    frames = attempt(source).run()
    assert seen(frames) == [sum(range(100000))]
    (producer,) = [run for run in frames.calls if run["instance"] == 0]
    others = [run for run in frames.calls if run["instance"] == 1]
    assert len(others) < 1000, "runs, not a record each"
    assert all(producer["start"] <= run["start"] < producer["end"] for run in others[1:]) and len(others) > 1, "while the producer wrote"
    assert producer["spent"] < others[-1]["end"] - others[0]["start"], "time spent in other PEs is not the producer's"
    assert [frames.profiles[i]["calls"] for i in range(3)] == [1, 100000, 100000]


def test_results_of_a_long_preprocess_leave_in_frames_of_a_megabyte(attempt):
    count = 60_000
    source = HEAD + f"""
class Early(ProducerPE):
    def _preprocess(self):
        for number in range({count}):
            self.write('output', 'x' * 40)
    def _process(self, item):
        return None
graph = chain(Early(), Same())
"""
    sizes, frames = [], Frames()
    with attempt(source).worker() as worker:
        worker.read_until(frames, READY)
        worker.send(GO)
        while frames.last not in (DONE, FAILED):
            kind, body = worker.read()
            frames.add(kind, body)
            if kind == RECORDS:
                sizes.append(len(body))
    assert seen(frames) == ["x" * 40] * count
    assert len(frames.data) == 2 * count + 1
    assert sum(sizes) > 2 << 20 and max(sizes) <= 1 << 20


SLOW = HEAD + """
class Slow(ProducerPE):
    'Slower than the flushes; the file is as long as there were calls.'
    def _process(self, item):
        with open('calls', 'a') as file:
            file.write('.')
        time.sleep(0.008)
        if os.path.getsize('calls') == int(os.environ.get('LAST', 0)):
            raise ValueError('no good')
        return os.urandom(10_000)
graph = chain(Slow(), Same())
"""


def calls_until_held_back(attempt):
    """Calls of a slow PE after which it waits for its rank, which reads nothing."""
    folder = attempt(SLOW, stages=[[0], [1]], inputs={"Slow0": 600})
    with folder.worker() as worker:
        worker.read_until(Frames(), READY)
        worker.send(GO)
        worker.wait_until_blocked()
        worker.wait_until_steady(lambda: os.path.getsize(folder.folder / "work" / "calls"))
        return os.path.getsize(folder.folder / "work" / "calls")


def test_a_pe_slower_than_the_flushes_is_held_back_by_its_rank(attempt):
    assert calls_until_held_back(attempt) * 10_000 < 1 << 20


def test_a_failure_leaves_its_worker_though_the_rank_does_not_read(attempt):
    last = calls_until_held_back(attempt) - 2
    folder = attempt(SLOW, stages=[[0], [1]], inputs={"Slow0": 600})
    os.remove(folder.folder / "work" / "calls")
    with folder.worker(LAST=str(last)) as worker:
        frames = Frames()
        worker.read_until(frames, READY)
        worker.send(GO)
        assert worker.process.wait(TIMEOUT) == 1
        worker.read_until(frames, FAILED)
    assert frames.failure["message"] == "Slow0 raised ValueError: no good"


def test_edges_keep_their_order_where_paths_part_and_meet(attempt):
    source = HEAD + """
class Several(ProducerPE):
    def _process(self, inputs):
        for n in range(3):
            self.write('output', n)
graph, source, a, b, sink = WorkflowGraph(), Several(), Same(), Same(), Sink()
for pe in (a, b):
    graph.connect(source, 'output', pe, 'input')
    graph.connect(pe, 'output', sink, 'input')
"""
    values = seen(attempt(source).run())
    assert sorted(values) == [0, 0, 1, 1, 2, 2] and values[::2] == values[1::2] == [0, 1, 2]


# Data that leave


def test_where_data_go(attempt):
    source = HEAD + """
class Count(GenericPE):
    def __init__(self, grouping):
        GenericPE.__init__(self)
        self._add_input('input', grouping=grouping)
        self._add_output('output')
graph, source = WorkflowGraph(), Source()
for grouping in ([0], ['k', 'l'], 'all', None):
    if grouping != ['k', 'l']:
        graph.connect(source, 'output', Count(grouping), 'input')
graph.connect(Source(), 'output', Count(['k', 'l']), 'input')
"""
    given = {**items(("a", 1)), "Source4": [{"value": {"k": 1.0, "l": None}}]}
    flow = attempt(source, stages=[[0], [1], [2], [3], [4], [5]], workers=[1, 3, 2, 1, 1, 4], inputs=given)
    frames = flow.run(0)
    assert frames.failure is None
    assert sorted(frames.outputs) == [
        (0, 0, stable_hash(("a",)) % 3, ["a", 1]), (1, 0, 0, ["a", 1]), (1, 0, 1, ["a", 1]), (2, 0, 0, ["a", 1])
    ]  # fmt: skip
    (written,) = [record for record in frames.data if record["flag"] != 2]
    assert written["flag"] == 0 and written["size"] > 5
    assert [replica for _, _, replica, _ in flow.run(7).outputs] == [stable_hash((1, None)) % 4]


@pytest.mark.parametrize("value, error", [([], "IndexError"), (5, "TypeError"), ({"a": 1}, "KeyError")])
def test_a_datum_without_its_key_fails_by_name(attempt, value, error):
    source = HEAD + "sink = Sink()\nsink.inputconnections['input']['grouping'] = [0]\ngraph = chain(Source(), sink)"
    failure = attempt(source, stages=[[0], [1]], inputs=items(value)).run().failure
    assert failure["cause"] == "exception" and failure["element"] == "Source0" and failure["datum"] == "in0.0"
    assert "Source0 wrote to output 'output' a datum that cannot be grouped by the key [0] of Sink1, input 'input'" in failure["message"]
    assert error in failure["message"]


def test_results(attempt):
    source = HEAD + """
class Odd(ProducerPE):
    def _process(self, inputs):
        for value in (1, float('nan'), 'x' * 70000, object, {'a': (1, None)}, chr(0), chr(0xd800)):
            self.write('output', value)
graph = WorkflowGraph()
graph.add(Odd())
"""
    values = seen(attempt(source).run())
    assert values[0] == 1 and values[4] == {"a": [1, None]}
    assert values[1] == {"repr": "nan"} and values[3] == {"repr": "<class 'object'>"}
    assert values[2]["repr"].startswith("'xxx") and len(values[2]["repr"]) <= 2000
    assert values[5:] == [{"repr": "'\\x00'"}, {"repr": "'\\ud800'"}]


def test_what_a_pe_tells_of_its_data(attempt):
    source = HEAD + """
class Pair(IterativePE):
    def _process(self, data):
        if data == 'first':
            self.addToProvState('kept', data, metadata={})
        else:
            self.write('output', data, dep=['kept', 'unknown'], location='/x', format='text', metadata={'n': 1, 'o': object}, other=1)
graph = chain(Source(), Pair(), Sink())
"""
    frames = attempt(source, inputs=items("first", "second")).run()
    assert frames.derivations == [(1 << 48, 0 << 48)]
    told = frames.attributes[1 << 48]
    assert (told["location"], told["format"]) == ("/x", "text") and list(told["metadata"]) == ["repr"]


# Logs


def test_logs(attempt):
    source = HEAD + """
print('loading')
class Talk(IterativePE):
    def _process(self, data):
        print('one\\ntwo')
        self.log('three')
        print('four', file=sys.stderr)
        sys.stdout.buffer.write(b'fi\\xc3')
        sys.stdout.buffer.write(b'\\xa4ve\\r\\n')
        print('é' * 20000)
        print(chr(0), end='')
        os.write(1, b'past the stream')
        os.write(1, sys.stdin.read().encode() or b', stdin is empty')
        return [self.rank, sys.stdout.fileno()]
graph = chain(Source(), Talk(), Sink())
"""
    frames = attempt(source, stages=[[0], [1, 2]], workers=[1, 2]).run(2, data=[[(0, 0, "a")]])
    assert frames.printed == "past the stream, stdin is empty"
    assert frames.logs[0] == (0xFFFF, 1, "loading")
    talk = [line for line in frames.logs if line[0] != 0xFFFF]
    assert talk[:5] == [(2, 1, "one"), (2, 1, "two"), (2, 1, "Talk1 (rank 0): three"), (2, 2, "four"), (2, 1, "fiäve")]
    assert "".join(text for _, _, text in talk[5:8]) == "é" * 20000 and all(len(text.encode()) <= 16384 for _, _, text in talk[5:8])
    assert frames.logs[-1] == (0xFFFF, 1, "\\x00")
    assert frames.results[0][2] == [2, 1], "pe.rank is unique among processes"


def test_what_a_forked_child_prints_does_not_disturb_the_frames(attempt):
    source = HEAD + """
class Fork(IterativePE):
    def _process(self, data):
        child = os.fork()
        if child == 0:
            print('from the child', flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        return data
graph = chain(Source(), Fork(), Sink())
"""
    frames = attempt(source, inputs=items(1)).run()
    assert seen(frames) == [1] and frames.printed == "from the child\n"


# Flow


def test_what_waits_leaves_while_a_pe_computes(attempt, tmp_path):
    source = HEAD + """
class Slow(ProducerPE):
    def _process(self, inputs):
        self.write('output', 'early')
        print('working')
        while not os.path.exists('continue'):
            time.sleep(0.001)
graph = chain(Slow(), Sink())
"""
    with attempt(source, stages=[[0], [1]]).worker() as worker:
        frames = Frames()
        worker.read_until(frames, READY)
        worker.send(GO)
        while not frames.outputs or not frames.logs:
            frames.add(*worker.read())
        assert frames.outputs[0][3] == "early" and not frames.invocations
        (tmp_path / "work" / "continue").touch()
        worker.read_until(frames, DONE)


def test_a_source_waits_for_a_rank_that_does_not_read(attempt, tmp_path):
    source = HEAD + """
class Endless(ProducerPE):
    def _process(self, inputs):
        with open('count', 'wb', buffering=0) as file:
            for n in range(2000):
                self.write('output', b'x' * 10000)
                file.write(b'.')
graph = chain(Endless(), Sink())
"""
    with attempt(source, stages=[[0], [1]]).worker() as worker:
        frames = Frames()
        worker.read_until(frames, READY)
        worker.send(GO)
        count, deadline, steady = tmp_path / "work" / "count", time.monotonic() + TIMEOUT, 0
        written = -1
        while steady < 20 and time.monotonic() < deadline:
            now = count.stat().st_size if count.exists() else -1
            steady = steady + 1 if now == written and now > 0 else 0
            written = now
            time.sleep(0.01)
        assert 0 < written < 200, "about what the socket and 64 KiB hold"
        worker.read_until(frames, DONE)
        assert len(frames.outputs) == 2000
        assert frames.profiles[0]["blocked_ns"] > 100_000_000 and frames.profiles[0]["bytes_out"] > 20_000_000


def test_the_worker_reads_while_it_waits_to_write(attempt):
    with attempt(HEAD + "graph = chain(Source(), Same(), Sink())", stages=[[0], [1], [2]]).worker(1) as worker:
        frames = Frames()
        worker.read_until(frames, READY)
        for batch in range(4):
            worker.send_input(batch, [(0, batch, bytes(1 << 20))])  # Times out if the worker does not read.
        worker.send(FINISH)
        worker.read_until(frames, DONE)
        assert frames.consumed == [0, 1, 2, 3] and len(frames.outputs) == 4


def test_a_finish_that_comes_while_the_last_output_waits_to_leave(attempt):
    with attempt(HEAD + "graph = chain(Source(), Same(), Sink())", stages=[[0], [1], [2]]).worker(1) as worker:
        frames = Frames()
        worker.read_until(frames, READY)
        for batch in range(20):  # Each too small to be sent before the next input is asked for.
            worker.send_input(batch, [(0, batch, bytes(60_000))])
        worker.wait_until_blocked()
        worker.send(FINISH)
        worker.wait_until_taken()
        worker.read_until(frames, DONE)  # Times out if the worker waits for input that it has.
        assert frames.consumed == list(range(20)) and len(frames.outputs) == 20


def test_a_worker_ends_with_its_rank_and_ignores_ctrl_c(attempt):
    with attempt(HEAD + "graph = chain(Source(), Sink())", stages=[[0], [1]]).worker(1) as worker:
        worker.read_until(Frames(), READY)
        worker.process.send_signal(signal.SIGINT)
        worker.send_input(0, [(0, 0, 1)])
        frames = Frames()
        worker.read_until(frames, CONSUMED)
        worker.socket.close()
        assert worker.process.wait(TIMEOUT) == 1


# Failures


RAISES = HEAD + """
class Odd:
    def __repr__(self):
        raise RuntimeError('no repr')

class Bad(IterativePE):
    def _process(self, data):
        if data == 'bad':
            print('about to fail', end='')
            raise ValueError('no good')
        return data

graph = chain(Source(), Bad(), Sink())
"""


def test_an_exception(attempt):
    frames = attempt(RAISES, inputs=items("good", "bad", "never")).run()
    failure = frames.failure
    assert failure["cause"] == "exception" and failure["message"] == "Bad1 raised ValueError: no good"
    assert (failure["element"], failure["instance"], failure["datum"], failure["datum_summary"]) == ("Bad1", 1, "0.1", "'bad'")
    assert failure["traceback"].startswith("Traceback (most recent call last):\n  File ") and "flow.py" in failure["traceback"]
    assert failure["traceback"].endswith("ValueError: no good\n") and "weft/" not in failure["traceback"]
    assert (frames.last, frames.status) == (FAILED, 1)
    assert [[(r["sequence"], r["datum"], r["outcome"]) for r in frames.of(i)] for i in range(3)] == [
        [(0, IN0, 0), (1, IN0 + 1, 0)], [(0, 0, 0), (1, 1, 1)], [(0, 1 << 48, 0)]
    ]  # fmt: skip
    assert frames.logs == [(1, 1, "about to fail")]


def test_an_exception_downstream_cannot_be_caught_by_the_writer(attempt):
    source = RAISES + """
class Careful(Source):
    def _process(self, item):
        try:
            self.write('output', 'bad')
            self.write('output', ['forces delivery'])
        except BaseException:
            print('caught')
careful = Careful()
careful.name = 'Source'
graph = chain(careful, Bad(), Sink())
"""
    frames = attempt(source).run()
    assert frames.failure["message"] == "Bad1 raised ValueError: no good" and "caught" not in str(frames.logs)


@pytest.mark.parametrize("statement, text", [("sys.exit(3)", "SystemExit: 3"), ("raise KeyboardInterrupt", "KeyboardInterrupt")])
def test_a_pe_cannot_end_its_worker_unnoticed(attempt, statement, text):
    source = HEAD + f"""
class Quit(IterativePE):
    def _process(self, data):
        {statement}
graph = chain(Source(), Quit())
"""
    assert attempt(source).run().failure["message"] == f"Quit1 raised {text}"


@pytest.mark.parametrize("method", ["preprocess", "postprocess"])
def test_exceptions_outside_process(attempt, method):
    source = HEAD + f"""
class Bad(IterativePE):
    def _{method}(self):
        raise ValueError('no good')
graph = chain(Source(), Bad())
"""
    frames = attempt(source).run()
    assert frames.failure["message"] == f"In {method}, Bad1 raised ValueError: no good"
    assert "datum" not in frames.failure and frames.invocations[-1]["outcome"] == 1
    assert (READY in frames.kinds) == (method == "postprocess")


@pytest.mark.parametrize("value, kind", [("(n for n in ())", "generator"), ("lambda: 1", "function"), ("Odd()", "Odd")])
def test_an_output_that_cannot_be_pickled(attempt, value, kind):
    source = HEAD + f"""
def make():
    class Odd:
        pass
    return Odd
Odd = make()
class Bad(IterativePE):
    def _process(self, data):
        return {value}
graph = chain(Source(), Bad(), Sink())
"""
    failure = attempt(source, stages=[[0, 1], [2]]).run().failure
    assert failure["cause"] == "unpicklable" and failure["element"] == "Bad1" and failure["datum"] == "0.0"
    assert f"Bad1 wrote a value of type {kind} to output 'output'" in failure["message"]


def test_an_output_that_nobody_knows(attempt):
    source = HEAD + """
class Bad(IterativePE):
    def _process(self, data):
        self.write('outptu', data)
graph = chain(Source(), Bad())
"""
    message = attempt(source).run().failure["message"]
    assert "Bad1 raised KeyError" in message and "'outptu' of Bad1; its outputs are: 'output'" in message


def test_a_datum_whose_repr_raises(attempt):
    source = RAISES.replace("data == 'bad'", "True") + """
class Odds(ProducerPE):
    def _process(self, inputs):
        return Odd()
graph = chain(Odds(), Bad())
"""
    failure = attempt(source).run().failure
    assert failure["message"] == "Bad1 raised ValueError: no good" and "Odd" in failure["datum_summary"]


def test_a_long_datum_is_summarised(attempt):
    source = RAISES.replace("data == 'bad'", "True")
    assert len(attempt(source, inputs=items("x" * 10000)).run().failure["datum_summary"]) <= 500


def test_a_module_that_does_not_import_here(attempt):
    flow = attempt(HEAD + "graph = chain(Source(), Sink())")
    flow.path.write_text("import no_such_package\n")
    frames = flow.run()
    assert frames.failure["cause"] == "load" and "Add the package that has 'no_such_package'" in frames.failure["message"]
    assert frames.kinds == [FAILED]


def test_a_module_that_builds_another_graph_here(attempt):
    flow = attempt(HEAD + "graph = chain(Source(), Sink())")
    flow.path.write_text(HEAD + "graph = chain(Source(), Same(), Sink())")
    failure = flow.run().failure
    assert failure["cause"] == "load" and "is not the one that was registered" in failure["message"]


def test_a_datum_that_cannot_be_read(attempt, monkeypatch):
    import rank

    flow = attempt(HEAD + "graph = chain(Source(), Sink())", stages=[[0], [1]])
    monkeypatch.setattr(rank.pickle, "dumps", lambda *_: b"no pickle")
    failure = flow.run(1, data=[[(0, 5, 1)]]).failure
    assert failure["cause"] == "unpicklable" and "Sink1 cannot read the datum that came to input 'input'" in failure["message"]
    assert failure["datum"] == "0.5"


def test_a_frame_of_an_unknown_kind(attempt):
    with attempt(HEAD + "graph = chain(Source(), Sink())", stages=[[0], [1]]).worker(1) as worker:
        frames = Frames()
        worker.read_until(frames, READY)
        worker.send(9)
        worker.read_until(frames, FAILED)
        assert frames.failure["cause"] == "protocol" and "unknown kind 9" in frames.failure["message"]


@pytest.mark.parametrize("data", ["port + str(n)", "[port, n]"], ids=["plain", "mutable"])
def test_order_is_kept_between_two_pes_whatever_the_edges(attempt, data):
    source = HEAD + f"""
class Two(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_output('a'); self._add_output('b'); self._add_output('c')
    def process(self, inputs):
        for n in range(5):
            for port in 'abba':
                self.write(port, {data})
        self.write('c', 'c')
class Read(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        for port in 'xyz': self._add_input(port)
    def process(self, inputs): pass
two, read, graph = Two(), Read(), WorkflowGraph()
graph.connect(two, 'a', read, 'x')
graph.connect(two, 'b', read, 'y')
graph.connect(two, 'b', read, 'z')
graph.connect(two, 'c', Sink(), 'input')
"""
    frames = attempt(source, stages=[[0], [1], [2]]).run()
    written = [(port, n) for n in range(5) for port in "abba"]
    expected = [(edge, port, n) for port, n in written for edge in ((0,) if port == "a" else (1, 2))]
    seen = [(edge, value[0], int(value[1])) for edge, _, _, value in frames.outputs if edge < 3]
    assert frames.last == DONE and seen == expected
    assert [value for edge, _, _, value in frames.outputs if edge == 3] == ["c"]


def test_files_left_open_are_complete_after_a_good_end(attempt, tmp_path):
    source = HEAD + """
class Write(ConsumerPE):
    def _preprocess(self):
        self.file = open('out.txt', 'w')
    def _process(self, data):
        self.file.write(data)
graph = chain(Source(), Write())
"""
    frames = attempt(source, inputs=items("a", "b")).run()
    assert frames.status == 0 and (tmp_path / "work" / "out.txt").read_text() == "ab"
    assert not os.listdir(tmp_path / "module")[1:], "nothing is written beside the module"
