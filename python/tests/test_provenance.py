# SPDX-License-Identifier: Apache-2.0
"""dispel4py's provenance types declare what Weft records; they never change a result."""

import pytest

from weft import CompositePE, GenericPE, IterativePE, ProducerPE, SimpleFunctionPE, WorkflowGraph, loader, provenance
from weft.provenance import configure_prov_run


class Sum(GenericPE):
    """Writes the sum of the last data at every third one, and what is left at its end."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")
        self._inputs = self._origins = "the author's own attributes"
        self.kept = []

    def process(self, inputs):
        self.kept.append(inputs["input"])
        if len(self.kept) % 3 == 0:
            return {"output": sum(self.kept)}
        return None

    def _postprocess(self):
        self.write("output", "end")


def recorded(pe, items):
    """For each datum written: value, numbers of the inputs it is derived from, metadata. As a worker records them."""
    out, remembered, present = [], {}, [None]

    def write(name, data, dep=(), metadata=None, **_):
        origins = {remembered[one] for one in dep if one in remembered} | ({present[0]} - {None})
        out.append((data, sorted(origins), metadata))

    pe._write = write
    if type(pe).update_prov_state is GenericPE.update_prov_state:
        pe.update_prov_state = lambda name, *_, **__: remembered.update({name: present[0]})
    pe.preprocess()
    for number, item in enumerate(items):
        present[0] = number
        for name, data in (pe.process(item) or {}).items():
            pe.write(name, data)
    present[0] = None
    pe.postprocess()
    return out


def typed(pe, *types, **component):
    graph = WorkflowGraph()
    graph.add(pe)
    configure_prov_run(graph, componentsType={pe.name: {"s-prov:type": types, **component}})
    return pe


def inputs(*values):
    return [{"input": value} for value in values]


def test_the_results_are_those_without_types():
    plain = recorded(Sum(), inputs(*range(6)))
    for kind in (provenance.AccumulateFlow, provenance.SlideFlow, provenance.SingleInvocationFlow, provenance.SeismoPE):
        assert [one[0] for one in recorded(typed(Sum(), kind), inputs(*range(6)))] == [one[0] for one in plain]


def test_accumulated():
    pe = typed(Sum(), provenance.AccumulateFlow)
    assert [one[1] for one in recorded(pe, inputs(*range(6)))] == [[0, 1, 2], [3, 4, 5], []], "at the end Weft knows by itself"
    assert pe.stateful is True and pe._inputs == "the author's own attributes"


def test_a_window():
    pe = typed(Sum(), provenance.SlideFlow, wlength=2)
    assert [one[1] for one in recorded(pe, inputs(*range(6)))] == [[1, 2], [4, 5], []]


def test_a_single_invocation():
    pe = typed(Sum(), provenance.SingleInvocationFlow)
    assert [one[1] for one in recorded(pe, inputs(*range(6)))] == [[2], [5], []]
    assert pe.stateful is None


def test_by_key():
    class Pairs(GenericPE):
        def __init__(self):
            GenericPE.__init__(self)
            self._add_input("input", grouping=[0])
            self._add_output("output")
            self.kept = {}

        def process(self, inputs):
            key, value = inputs["input"]
            self.kept.setdefault(key, []).append(value)
            if len(self.kept[key]) == 2:
                self.write("output", self.kept.pop(key))

    found = recorded(typed(Pairs(), provenance.ASTGrouped), inputs("a1", "b1", "b2", "a2", "a3", "a4"))
    assert [one[1] for one in found] == [[1, 2], [0, 3], [4, 5]]


def test_in_lock_step():
    class Join(GenericPE):
        def __init__(self):
            GenericPE.__init__(self)
            self._add_input("a")
            self._add_input("b")
            self._add_output("output")
            self.kept = {"a": [], "b": []}

        def process(self, inputs):
            ((port, value),) = inputs.items()
            self.kept[port].append(value)
            if all(self.kept.values()):
                return {"output": [kept.pop(0) for kept in self.kept.values()]}
            return None

    found = recorded(typed(Join(), provenance.Nby1Flow), [{"a": 1}, {"a": 2}, {"b": 3}, {"b": 4}])
    assert [one[:2] for one in found] == [([1, 3], [0, 2]), ([2, 4], [1, 3])]


def test_a_stateful_port():
    class Best(GenericPE):
        def __init__(self):
            GenericPE.__init__(self)
            self._add_input("input")
            self._add_output("best")
            self._add_output("output")
            self.best = 0

        def process(self, inputs):
            if inputs["input"] > self.best:
                self.best = inputs["input"]
                self.write("best", self.best)
            self.write("output", self.best)

    found = recorded(typed(Best(), provenance.IntermediateStatefulOut, **{"s-prov:stateful-port": "best"}), inputs(5, 1, 7, 2))
    assert [one[:2] for one in found] == [(5, [0]), (5, [0]), (5, [0, 1]), (7, [2]), (7, [2]), (7, [2, 3])]


def test_state_is_not_a_source_where_the_type_says_so():
    class Chain(IterativePE):
        def _process(self, data):
            self.write("output", data, dep=["before"])
            self.update_prov_state("before", data, metadata={"x": 1})

    assert [one[1] for one in recorded(Chain(), inputs(1, 2))] == [[0], [0, 1]]
    assert [one[1] for one in recorded(typed(Chain(), provenance.ForceStateless), inputs(1, 2))] == [[0], [1]]


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(provenance, "MAXIMUM_ORIGINS", 10)

    class Never(IterativePE):
        def _process(self, data):
            return data if data == 99 else None

    pe, names = typed(Never(), provenance.AccumulateFlow), set()
    pe.update_prov_state = lambda name, *_: names.add(name)
    pe._write = lambda name, data, dep=(), **_: names.update(dep)
    pe.preprocess()
    for number in range(100):
        pe.process({"input": number})
    assert len(names) <= 11


class Described(provenance.ProvenanceType):
    def __init__(self):
        provenance.ProvenanceType.__init__(self)
        self.addNamespacePrefix("x", "http://example.org/x#")
        self.unit = "m"

    def extractItemMetadata(self, data, port):
        return [{"port": port, "value": data, "unit": self.unit, "of": self.name}]


def test_metadata_is_extracted_and_joined_with_what_is_told():
    class Write(IterativePE):
        def _process(self, data):
            self.write("output", data, metadata={"told": True, "unit": "km"}, location="a.txt")
            return data + 1

    found = recorded(typed(Write(), Described), inputs(1))
    assert found[0][2] == {"port": "output", "value": 1, "unit": "km", "of": "Write", "told": True}
    assert found[1][2] == {"port": "output", "value": 2, "unit": "m", "of": "Write"}
    assert provenance.namespaces["x"] == "http://example.org/x#"


@pytest.mark.parametrize(
    "extracted, told, metadata",
    [
        ({}, None, None), ({"a": 1}, None, {"a": 1}), ([{"a": 1}, {"a": 2}], {"b": 3}, [{"a": 1, "b": 3}, {"a": 2, "b": 3}]),
        ([{"a": 1}], [{"b": 2}], [{"a": 1}, {"b": 2}]), ([], {"b": 1}, {"b": 1}),
    ],
)  # fmt: skip
def test_forms_of_metadata(extracted, told, metadata):
    class Kind(provenance.ProvenanceType):
        def extractItemMetadata(self, data, port):
            return extracted

    class Write(IterativePE):
        def _process(self, data):
            self.write("output", data, metadata=told)

    assert recorded(typed(Write(), Kind), inputs(1))[0][2] == metadata


def test_an_identifier_of_ones_own():
    class Named(provenance.ProvenanceType):
        def makeUniqueId(self, data, port):
            return f"id-{data}"

    assert recorded(typed(IterativeCopy(), Named), inputs(4))[0][2] == {"id": "id-4"}


def test_metadata_that_cannot_be_extracted_ends_nothing(capsys):
    class Broken(provenance.ProvenanceType):
        def extractItemMetadata(self, data, port):
            return data["no such"]

    assert recorded(typed(IterativeCopy(), Broken), inputs(4)) == [(4, [0], None)]
    assert "metadata of a datum for output 'output' cannot be extracted: TypeError" in capsys.readouterr().out


class IterativeCopy(IterativePE):
    def _process(self, data):
        return data


def test_traces_of_a_stream():
    class Trace:
        stats = {"station": "ABC", "npts": 3, "starttime": object, "mseed": {"dataquality": "D"}}

    metadata = provenance.SeismoPE().extractItemMetadata([Trace(), Trace()], "output")
    assert len(metadata) == 2 and metadata[0]["station"] == "ABC" and metadata[0]["mseed"] == {"dataquality": "D"}
    assert isinstance(metadata[0]["starttime"], str)


def test_a_configuration_of_the_run_is_kept_with_the_graph():
    inner = IterativeCopy()
    part = CompositePE(lambda graph: graph.add(inner))
    part._map_input("input", inner, "input")
    graph, source = WorkflowGraph(), ProducerPE()
    graph.connect(source, "output", part, "input")
    configuration = {
        "provone:User": "somebody", "s-prov:workflowName": "name", "s-prov:workflowId": "7", "s-prov:save-mode": "service",
        "s-prov:sel-rules": None, "s-prov:componentsType": {"IterativeCopy": {"s-prov:type": ["Described"], "s-prov:prov-cluster": "c"}},
    }  # fmt: skip
    assert configure_prov_run(graph, sprovConfig=configuration, runId="r1", provImpClass=(provenance.ProvenanceType,)) == "r1"
    assert graph.provenance == {"username": "somebody", "workflowName": "name", "workflowId": "7", "save_mode": "service", "runId": "r1"}
    assert isinstance(inner, Described) and inner.prov_cluster == "c" and inner.provenance_types == ["Described"]
    assert isinstance(source, provenance.ProvenanceType)
    assert list(source.outputconnections) == ["output"], "no ports are added"
    again = configure_prov_run(WorkflowGraph(), None, provenance.ProvenanceType, [], "me", "id")
    assert isinstance(again, str)


def test_a_write_of_the_authors_own_is_left_alone():
    class Own(IterativePE):
        def write(self, name, data):
            IterativePE.write(self, name, data + 1)

        def _process(self, data):
            self.write("output", data)

    assert recorded(typed(Own(), Described, provenance.AccumulateFlow), inputs(4)) == [(5, [0], None)]


def test_what_is_no_type_is_refused():
    with pytest.raises(TypeError, match="'Missing' of the PE 'IterativeCopy' is no ProvenanceType"):
        typed(IterativeCopy(), "Missing")


def test_a_registered_pe_is_shown_as_its_author_wrote_it(tmp_path):
    path = tmp_path / "flow.py"
    path.write_text(
        "from dispel4py.base import IterativePE, SimpleFunctionPE\nfrom dispel4py.provenance import *\n"
        "from dispel4py.workflow_graph import WorkflowGraph\n"
        "class Own(IterativePE):\n    'Mine.'\n    def _process(self, data): return data\n"
        "def double(x): return 2 * x\n"
        "graph = WorkflowGraph()\ngraph.connect(SimpleFunctionPE(double), 'output', Own(), 'input')\n"
        "configure_prov_run(graph, provImpClass=(SeismoPE, AccumulateFlow), username='u', workflowId='w', workflowName='n')\n"
    )
    double, own = loader.describe(loader.load(path)[2], str(path))["elements"]
    assert (double["class_name"], own["class_name"], own["documentation"]) == ("double", "Own", "Mine.")
    assert own["source"].startswith("class Own(IterativePE):") and double["source"].startswith("def double")
    assert own["stateful"] is True


def test_a_function_that_describes_its_result():
    pe = SimpleFunctionPE(lambda x: {"_d4p_prov": {"metadata": {"v": x}}, "_d4p_data": x * x})
    assert recorded(pe, inputs(3)) == [(9, [0], {"v": 3})]


def test_helpers():
    assert provenance.clean_empty({"a": None, "b": {"c": []}, "d": [0, 1, {"e": ""}]}) == {"d": [1]}
    assert (provenance.num("3"), provenance.num("3.5")) == (3, 3.5)
    assert provenance.getUniqueId() != provenance.getUniqueId()
