# SPDX-License-Identifier: Apache-2.0
# The workflow of a random graph. In front of it stand `reactions.py` and `DESCRIPTION`.

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

FORM = DESCRIPTION["form"]  # noqa: F821
SEEN_PART = 400


def made(element, datum):
    """A datum as it travels: number, key and bytes that repeat the number."""
    count = size(element, datum)  # noqa: F821
    blob = (datum.to_bytes(8, "little") * (count // 8 + 1))[:count]
    if FORM == "dict":
        return {"number": datum, "key": written_key(datum), "blob": blob}  # noqa: F821
    fields = (datum, written_key(datum), blob)  # noqa: F821
    return list(fields) if FORM == "list" else fields


def taken(value):
    """The number of a datum that has arrived whole."""
    datum, found, blob = (value["number"], value["key"], value["blob"]) if FORM == "dict" else value
    if found != key(datum) or blob != (datum.to_bytes(8, "little") * (len(blob) // 8 + 1))[: len(blob)]:  # noqa: F821
        raise ValueError(f"datum {datum} arrived damaged")
    # The next reader's copy is another one.
    if FORM == "dict":
        value.clear()
    elif FORM == "list":
        del value[:]
    return datum


class Reacting:
    def describe(self, element):
        self.element = element
        self.name = element["name"]
        self.numprocesses = element["processes"]
        self.single = element["single"]
        self.seen = []
        self.calls = 0
        self._add_output("seen")

    def _preprocess(self):
        for port, datum in constants(self.element, "preprocess", self.element["greets"]):  # noqa: F821
            self.send(port, datum)

    def _postprocess(self):
        for port, datum in conclusion(self.element, self.seen):  # noqa: F821
            self.send(port, datum)
        # An instance that has seen nothing says so as well.
        for start in range(0, len(self.seen) or 1, SEEN_PART):
            self.write("seen", [self.rank, self.seen[start : start + SEEN_PART]])

    def react(self, port, datum):
        """Writes, or leaves the last datum to be returned."""
        self.seen.append((port, datum))
        written = reaction(self.element, port, datum)  # noqa: F821
        last = written.pop() if written and self.element["returns"] else None
        for output, value in written:
            self.send(output, value)
        return last and (last[0], self.value(*last))

    def value(self, output, datum):
        return datum if output in self.element["unread"] else made(self.element, datum)

    def send(self, output, datum):
        value = self.value(output, datum)
        self.write(output, value)
        # What was written is no longer the author's concern.
        if isinstance(value, (list, dict)):
            value.clear()


class General(Reacting, GenericPE):
    def __init__(self, element):
        GenericPE.__init__(self)
        for port, grouping in element["inputs"]:
            self._add_input(port, grouping=grouping)
        for port in element["outputs"]:
            self._add_output(port)
        self.describe(element)

    def process(self, inputs):
        ((port, value),) = inputs.items()
        last = self.react(port, taken(value))
        return {last[0]: last[1]} if last else None


class Given(General):
    """A source whose items are given."""

    def process(self, inputs):
        last = self.react("item", number(self.name, "item", inputs["item"]))  # noqa: F821
        return {last[0]: last[1]} if last else None


class Counted(Reacting, ProducerPE):
    """A source that is called so many times."""

    def __init__(self, element):
        ProducerPE.__init__(self)
        self.describe(element)

    def _process(self, inputs):
        self.calls += 1
        last = self.react("item", number(self.name, "item", self.calls - 1))  # noqa: F821
        return last and last[1]


class Iterating(Reacting, IterativePE):
    def __init__(self, element):
        IterativePE.__init__(self)
        self.inputconnections["input"]["grouping"] = element["inputs"][0][1]
        self.describe(element)

    def _process(self, value):
        last = self.react("input", taken(value))
        return last and last[1]


class Consuming(Reacting, ConsumerPE):
    def __init__(self, element):
        ConsumerPE.__init__(self)
        self.inputconnections["input"]["grouping"] = element["inputs"][0][1]
        self.describe(element)

    def _process(self, value):
        self.react("input", taken(value))
        return "dropped"


KINDS = {"general": General, "given": Given, "counted": Counted, "iterating": Iterating, "consuming": Consuming}


def build():
    elements, edges, inside = DESCRIPTION["elements"], DESCRIPTION["edges"], DESCRIPTION["composite"]  # noqa: F821
    pes = [KINDS[element["kind"]](element) for element in elements]
    graph, composite = WorkflowGraph(), WorkflowGraph()
    composite.inputmappings, composite.outputmappings = {}, {}
    for index in DESCRIPTION["order"]:  # noqa: F821
        (composite if index in inside else graph).add(pes[index])
    if inside:
        graph.add(composite)
    for writer, output, reader, port in edges:
        if writer in inside and reader in inside:
            composite.connect(pes[writer], output, pes[reader], port)
            continue
        source, target = (pes[writer], output), (pes[reader], port)
        if writer in inside:
            composite.outputmappings[f"{writer}.{output}"] = source
            source = (composite, f"{writer}.{output}")
        if reader in inside:
            composite.inputmappings[f"{reader}.{port}"] = target
            target = (composite, f"{reader}.{port}")
        graph.connect(*source, *target)
    return graph


graph = build()
