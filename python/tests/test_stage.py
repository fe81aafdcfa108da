# SPDX-License-Identifier: Apache-2.0
"""Random stages in one worker, against an interpreter that does one thing after another and copies all it hands over.

What reaches whom, and the lineage that the records tell, must be the same, however often and wherever the worker flushes.
"""

import collections
import copy
import os
import random
import sys

import pytest
from rank import DONE, FINISH, GO, INPUT, Attempt, Frames, chunk

from weft import loader, records
from weft import recorder as recording
from weft.worker import Loaded, Worker

SOURCE = '''
import random
from dispel4py.base import *
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

def changed(value, by):
    """Another value, in place where it can be."""
    if isinstance(value, list):
        value.append(by)
        return value
    return value + by if isinstance(value, int) else value

def poke(): pass

def weight(value):
    poke()
    return sum(map(weight, value)) if isinstance(value, list) else value if isinstance(value, int) else 1

class Source(ProducerPE):
    def __init__(self, lists):
        ProducerPE.__init__(self)
        self.lists, self.n = lists, 0
    def _process(self, item):
        self.n += 1
        if self.n % 3 == 0:
            for k in range(self.n % 5):
                self.write('output', [k, [self.n]] if self.lists else k)
        return None if self.n % 4 == 0 else [self.n] if self.lists else self.n

class Burst(ProducerPE):
    """All in one call, reusing what it wrote."""
    def _process(self, item):
        record = [0]
        for n in range(40):
            record[0] = n
            self.write('output', record if n % 2 else n)
            record.append(n)
            del record[3:]

class Same(IterativePE):
    def _process(self, data): return data

class Change(IterativePE):
    def _process(self, data): return changed(data, 1)

class Filter(IterativePE):
    def _process(self, data): return data if weight(data) % 2 else None

class Several(IterativePE):
    def _process(self, data):
        for n in range(weight(data) % 4):
            self.write('output', changed(data, n))
        return data if weight(data) % 3 else None

class Keep(IterativePE):
    """Writes at the end what it has received, and hands on something that it goes on changing."""
    def __init__(self):
        IterativePE.__init__(self)
        self.kept = []
        self.count = [0]
    def _process(self, data):
        self.kept.append(data)
        self.count[0] += 1
        return self.count
    def _postprocess(self):
        for data in self.kept: self.write('output', data)

class Early(IterativePE):
    def _preprocess(self):
        data = [1]
        self.write('output', data)
        data.append(2)
        self.write('output', 5)
    def _process(self, data): return data

class Wide(GenericPE):
    """Two outputs, by result or by write."""
    def __init__(self, writes):
        GenericPE.__init__(self)
        self._add_input('input'); self._add_output('output'); self._add_output('other')
        self.writes = writes
    def process(self, inputs):
        data = inputs['input']
        w = weight(data)
        if self.writes:
            for n in range(w % 3): self.write('other', data)
            if w % 2: self.write('output', changed(data, 2))
            self.write('other', data)
        elif w % 3:
            return {'output': data, 'other': [w]} if w % 2 else {'other': data}
    def postprocess(self):
        self.write('other', 'end')

class Split(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input('input'); self._add_output('output')
    def process(self, inputs):
        for n in range(weight(inputs['input']) % 5): self.write('output', n)
        return {'output': None} if weight(inputs['input']) % 7 == 0 else None

class Join(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input('input'); self._add_input('second'); self._add_output('output')
    def process(self, inputs):
        (name, data), = inputs.items()
        return {'output': [name, data]} if weight(data) % 5 else None

class Extra(IterativePE):
    """Iterative, with another output."""
    def __init__(self):
        IterativePE.__init__(self)
        self._add_output('other')
    def _process(self, data):
        if weight(data) % 2: self.write('other', data)
        return changed(data, 3)

class Own(IterativePE):
    def write(self, name, data, **details):
        super().write(name, ['own', data], **details)
    def _process(self, data):
        return data if weight(data) % 2 else None

class Sink(ConsumerPE):
    def _process(self, data): changed(data, 9)

def double(data): return data * 2 if data is not None and weight(data) % 5 else None

def build(seed):
    choose = random.Random(seed)
    graph = WorkflowGraph()
    source = Burst() if choose.random() < 0.2 else Source(choose.random() < 0.5)
    graph.add(source)
    outputs = [(source, 'output')]
    kinds = [Same, Change, Filter, Several, Keep, Early, lambda: Wide(True), lambda: Wide(False), Split, Join, Extra, Own, Sink,
             lambda: SimpleFunctionPE(double)]
    for _ in range(choose.randint(1, 14)):
        pe = choose.choice(kinds)()
        feeds = 1 if choose.random() < 0.75 else 2
        for _ in range(feeds):
            # Mostly from the last one: chains.
            writer, port = outputs[-1] if choose.random() < 0.6 else choose.choice(outputs)
            graph.connect(writer, port, pe, 'second' if isinstance(pe, Join) and choose.random() < 0.4 else 'input')
        outputs += [(pe, name) for name in reversed(list(pe.outputconnections))]
    return graph

graph = build(SEED)
'''


class Recorded(Exception):
    """The worker has ended its process."""


class StillChannel:
    """In place of the socket: frames to receive, and frames sent."""

    def __init__(self, inbound):
        self.inbound = collections.deque(inbound)
        self.frames = Frames()
        self.size = 0
        self.open = self.closed = False
        self.on_due = None

    def receive(self):
        return self.inbound.popleft()

    def send_frame(self, kind, *parts):
        self.frames.add(kind, b"".join(map(bytes, parts)))

    def log(self, instance, stream, line):
        self.frames.logs.append((instance, stream, line.decode()))

    def pump(self):
        pass

    def flush(self):
        pass

    def make_room(self):
        pass


class Lineage:
    """By element id: inputs of the calls of `process`; by output: writers and values. Data are told by output and position."""

    def __init__(self):
        self.calls = collections.defaultdict(list)
        self.writers = collections.defaultdict(list)
        self.values = collections.defaultdict(list)
        self.leaving = collections.defaultdict(list)


def interpret(graph, members, inside, items, fed):
    """`inside`: ids of the stage's PEs. `fed`: (edge, name of datum, value) in place of items."""
    lineage = Lineage()
    edges = graph.edges
    writing = {}

    def write(pe, name, data, **_):
        key = pe.id, name
        position = len(lineage.values[key])
        lineage.values[key].append(copy.deepcopy(data))
        lineage.writers[key].append(writing[pe.id])
        for number, edge in enumerate(edges):
            if (edge.source.id, edge.output) == key:
                if edge.destination.id in inside:
                    call(edge.destination, edge.input, copy.deepcopy(data), (*key, position))
                else:
                    lineage.leaving[number].append((position, copy.deepcopy(data)))

    def call(pe, port, data, datum):
        lineage.calls[pe.id].append(datum)
        writing[pe.id] = len(lineage.calls[pe.id]) - 1
        result = pe.process(data if port is None else {port: data})
        for name, value in (result or {}).items():
            pe.write(name, value)

    early = []
    for pe in members:
        pe._write = lambda name, data, pe=pe, **_: early.append((pe, name, copy.deepcopy(data)))
        pe.preprocess()
    for pe in members:
        pe._write = lambda name, data, pe=pe, **details: write(pe, name, data, **details)
    for pe in members:
        writing[pe.id] = "preprocess"
        for writer, name, data in early:
            if writer is pe:
                pe._write(name, data)
    if fed is None:
        for position in range(items):
            call(members[0], None, {}, ("item", position))
    else:
        for number, datum, value in fed:
            call(edges[number].destination, edges[number].input, copy.deepcopy(value), datum)
    for pe in members:
        writing[pe.id] = "postprocess"
        pe.postprocess()
    return lineage


def decode(frames, document, worker):
    """The lineage that the records tell."""
    lineage = Lineage()
    own = document["plan"]["workers"][worker]
    elements = document["graph"]["elements"]
    names = {}
    by_instance = {}
    for index in document["plan"]["stages"][own["stage"]]["elements"]:
        by_instance[document["plan"]["first_instances"][index] + own["replica"]] = elements[index]
    written = collections.defaultdict(list)
    for record in frames.data:
        if record["flag"] == 2:
            names[record["id"]] = "item", record["id"] & (1 << 48) - 1
        else:
            written[record["id"] >> 48, record["port"]].append(record)
    for (instance, port), data in written.items():
        element = by_instance[instance]
        ids = [record["id"] for record in data]
        assert ids == sorted(ids), "ids are given in order"
        for position, record in enumerate(data):
            names[record["id"]] = element["id"], element["outputs"][port], position
    for instance, element in by_instance.items():
        every = sorted((r for r in frames.invocations if r["instance"] == instance), key=lambda r: r["sequence"])
        assert [r["sequence"] for r in every] == list(range(len(every))), "each invocation has one record"
        process = [r for r in every if r["kind"] == 0]
        lineage.calls[element["id"]] = [names.get(r["datum"], r["datum"]) for r in process]
        outside = {r["sequence"]: {1: "preprocess", 2: "postprocess"}[r["kind"]] for r in every if r["kind"]}
        first = process[0]["sequence"] if process else 0
        for port, name in enumerate(element["outputs"]):
            lineage.writers[element["id"], name] = [
                outside.get(record["invocation"], record["invocation"] - first) for record in written[instance, port]
            ]
        ids = sorted(record["id"] for port in range(len(element["outputs"])) for record in written[instance, port])
        assert ids == [(instance << 48) + n for n in range(len(ids))], "ids without gaps"
    for datum, port, value in frames.results:
        lineage.values[names[datum][:2]].append((names[datum][2], value))
    for edge, datum, _, value in frames.outputs:
        lineage.leaving[edge].append((names[datum][2], value))
    return lineage


@pytest.fixture
def quiet(monkeypatch):
    """What a worker changes in its process."""
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        monkeypatch.setattr(sys, name, getattr(sys, name))

    def end(status):
        raise Recorded

    monkeypatch.setattr(os, "_exit", end)
    limit = sys.getrecursionlimit()
    yield
    sys.setrecursionlimit(limit)


def run(document, folder, worker, inbound, choose):
    channel = StillChannel(inbound)
    hosted = Worker(channel, str(folder), worker)
    graph = loader.load(os.path.join(folder, "module", "flow.py"))[2]
    graph_pe = next(iter(graph.objToNode))
    begin = hosted._begin

    def begin_with_all_due():
        """The stage flushes at some of all the chances it has."""
        due, recorder, share = hosted.stage.due, hosted.recorder, choose.choice([0, 0.03, 0.3, 1])

        def checkpoint():
            due.append(True)
            if choose.random() < share:
                recorder.flush()

        def poke():
            """The signal that comes while a PE computes for long."""
            if choose.random() < share / 3:
                hosted._interrupted(0, sys._getframe(1))

        sys.modules[type(graph_pe).__module__].poke = poke
        if share:
            recorder.checkpoint = checkpoint
            due.append(True)
        begin()

    hosted._begin = begin_with_all_due
    try:
        hosted.run(Loaded(document, graph))
    except Recorded:
        pass
    assert channel.frames.last == DONE, channel.frames.failure
    return channel.frames


@pytest.mark.parametrize("round", range(int(os.environ.get("WEFT_STAGE_ROUNDS", 100))))
def test_a_random_stage(round, tmp_path, quiet, monkeypatch):
    seed = int(os.environ.get("WEFT_STAGE_SEED", random.randrange(1 << 32)))
    print(f"WEFT_STAGE_SEED={seed}")
    choose = random.Random(seed)
    monkeypatch.setattr(recording, "RECORDS_NS", choose.choice([0, 1 << 60]))
    monkeypatch.setattr(recording, "STRIDE", choose.choice([2, 4, 64]))
    monkeypatch.setattr("weft.profile.LONG", choose.choice([0, 1 << 60, 1 << 60]))
    monkeypatch.setattr("weft.chains.MAXIMUM_LENGTH", choose.choice([1, 2, 8]))
    source = SOURCE.replace("SEED", str(seed))
    flow = Attempt(tmp_path, source)
    ids = [element["id"] for element in flow.graph["elements"]]
    hosts_source = choose.random() < 0.6
    positions = list(range(len(ids)))
    last = choose.choice([0, 0, 1, 2]) if len(ids) > 3 else 0
    stages = [positions[: len(ids) - last]] if hosts_source else [[0], positions[1 : len(ids) - last]]
    worker = len(stages) - 1
    stages += [[position] for position in positions[len(ids) - last :]]
    items = choose.randint(0, 60)
    flow = Attempt(tmp_path, source, stages=stages, inputs={ids[0]: items})
    graph = loader.load(flow.path)[2]
    inside = {ids[position] for position in stages[worker]}
    members = [pe for pe in graph.objToNode if pe.id in inside]
    fed, inbound = None, [(GO, b"")]
    if not hosts_source:
        entries = [index for index, edge in enumerate(graph.edges) if edge.source.id == ids[0] and edge.destination.id in inside]
        fed = []
        for batch in range(choose.randint(0, 5)):
            body = b""
            for _ in range(choose.randint(1, 3)):
                edge, first = choose.choice(entries), choose.randrange(1000)
                data = [(first + n, choose.choice([n, [n], [[n], "x"]])) for n in range(choose.randint(1, 30))]
                fed += [(edge, *datum) for datum in data]
                body += chunk(edge, [datum for datum, _ in data], [value for _, value in data])
            inbound.append((INPUT, memoryview(records.consumed(batch) + body)))
        inbound.append((FINISH, b""))
    frames = run(flow.document, tmp_path, worker, inbound, choose)
    told = decode(frames, flow.document, worker)
    expected = interpret(graph, members, inside, items, fed)
    for id in inside:
        assert told.calls[id] == expected.calls[id], id
    for key, writers in expected.writers.items():
        assert told.writers[key] == writers, key
    read = {(edge.source.id, edge.output) for edge in graph.edges}
    for key, values in expected.values.items():
        if key not in read:
            assert [value for _, value in told.values[key]] == values, key
            assert [position for position, _ in told.values[key]] == list(range(len(values)))
    assert {e: d for e, d in told.leaving.items() if d} == {e: d for e, d in expected.leaving.items() if d}
    for id, instance in ((e["id"], flow.document["plan"]["first_instances"][i]) for i, e in enumerate(flow.graph["elements"])):
        if id in inside:
            profile = frames.profiles[instance]
            assert profile["calls"] == len(expected.calls[id])
            assert profile["items_out"] == sum(len(values) for (writer, _), values in expected.values.items() if writer == id)
