# SPDX-License-Identifier: Apache-2.0
"""Graphs: order, both spellings, composites."""

import functools

import pytest

from weft import CompositePE, ConsumerPE, IterativePE, ProducerPE, SimpleFunctionPE, WorkflowGraph, create_iterative_chain
from weft.graph import GraphError


def flat(graph):
    graph.flatten()
    return [pe.id for pe in graph.getContainedObjects()], [(e.source.id, e.output, e.destination.id, e.input) for e in graph.edges]


def test_connect_adds_what_is_missing_and_keeps_the_order():
    graph, a, b, c = WorkflowGraph(), ProducerPE(), IterativePE(), ConsumerPE()
    node = graph.add(c)
    assert graph.connect(a, "output", b, "input") is None
    graph.connect(b, "output", c, "input")
    assert graph.get_contained_objects() == [c, a, b]
    assert node.get_contained_object() is node.getContainedObject() is c
    assert [n.obj for n in graph.graph.nodes()] == [c, a, b]
    assert flat(graph) == (
        ["ConsumerPE0", "ProducerPE1", "IterativePE2"],
        [("ProducerPE1", "output", "IterativePE2", "input"), ("IterativePE2", "output", "ConsumerPE0", "input")],
    )


@pytest.mark.parametrize(
    "names",
    [("from_node", "from_connection", "to_node", "to_connection"), ("fromNode", "fromConnection", "toNode", "toConnection")],
)
def test_connect_by_keyword_in_both_spellings(names):
    graph, a, b = WorkflowGraph(), ProducerPE(), ConsumerPE()
    graph.connect(**dict(zip(names, (a, "output", b, "input"))))
    assert flat(graph)[1] == [("ProducerPE0", "output", "ConsumerPE1", "input")]


def test_connect_refuses_other_keywords_and_missing_ends():
    graph = WorkflowGraph()
    with pytest.raises(TypeError, match="unexpected keyword argument 'frm'"):
        graph.connect(frm=ProducerPE())
    with pytest.raises(TypeError, match="missing: toNode, toConnection"):
        graph.connect(ProducerPE(), "output")
    with pytest.raises(TypeError, match=r"write ProducerPE\(\)"):
        graph.add(ProducerPE)


def test_parallel_edges_and_edges_both_ways_are_kept():
    graph, a, b = WorkflowGraph(), IterativePE(), IterativePE()
    graph.connect(a, "output", b, "input")
    graph.connect(a, "output", b, "input")
    graph.connect(b, "output", a, "input")
    assert len(flat(graph)[1]) == 3


def test_ids_do_not_depend_on_other_graphs():
    for _ in range(2):
        graph = WorkflowGraph()
        graph.add(ProducerPE())
        assert flat(graph)[0] == ["ProducerPE0"]


@pytest.mark.parametrize("keyword", ["function_pe_class", "FunctionPE_class"])
def test_iterative_chain_in_both_spellings(keyword):
    class Own(SimpleFunctionPE):
        pass

    def double(data):
        return data * 2

    def add(data, n):
        return data + n

    chain = create_iterative_chain([double, (add, {"n": 1})], **{keyword: Own}, name_prefix="F_", name_suffix="_x")
    graph, source, sink = WorkflowGraph(), ProducerPE(), ConsumerPE()
    graph.connect(source, "output", chain, "input")
    graph.connect(chain, "output", sink, "input")
    ids, edges = flat(graph)
    # Numbered as they were added, listed in the order of the stream.
    assert ids == ["ProducerPE2", "F_double_x0", "F_add_x1", "ConsumerPE3"]
    assert sorted(edges) == sorted([
        ("ProducerPE2", "output", "F_double_x0", "input"),
        ("F_double_x0", "output", "F_add_x1", "input"),
        ("F_add_x1", "output", "ConsumerPE3", "input"),
    ])  # fmt: skip
    members = graph.get_contained_objects()
    assert type(members[1]) is Own and members[2].process({"input": 1}) == {"output": 2}


def test_composites_nest_and_every_edge_to_their_ports_is_kept():
    def inner(graph, n=1):
        pes = [IterativePE() for _ in range(n)]
        for a, b in zip(pes, pes[1:]):
            graph.connect(a, "output", b, "input")
        graph._map_input("in", pes[0], "input")
        graph._map_output("out", pes[-1], "output")

    middle, composite = CompositePE(inner, {"n": 2}), CompositePE()
    composite.add(middle)
    composite._map_input("in", middle, "in")
    composite._map_output("out", middle, "out")
    graph, a, b, sink = WorkflowGraph(), ProducerPE(), ProducerPE(), ConsumerPE()
    graph.connect(a, "output", composite, "in")
    graph.connect(b, "output", composite, "in")
    graph.connect(composite, "out", sink, "input")
    ids, edges = flat(graph)
    assert ids == ["ProducerPE2", "IterativePE0", "IterativePE1", "ProducerPE3", "ConsumerPE4"]
    assert ("ProducerPE2", "output", "IterativePE0", "input") in edges
    assert ("ProducerPE3", "output", "IterativePE0", "input") in edges
    assert ("IterativePE1", "output", "ConsumerPE4", "input") in edges
    assert len(edges) == 4


def test_a_plain_graph_with_mappings_is_a_composite_even_of_one_pe():
    part, inner = WorkflowGraph(), IterativePE()
    part.inputmappings, part.outputmappings = {"in": (inner, "input")}, {"out": (inner, "output")}
    graph = WorkflowGraph()
    graph.connect(ProducerPE(), "output", part, "in")
    graph.connect(part, "out", ConsumerPE(), "input")
    first = flat(graph)
    assert first[0] == ["ProducerPE0", "IterativePE2", "ConsumerPE1"]
    assert flat(graph) == first, "to flatten again changes nothing"


def test_chains_of_all_forms():
    def double(data):
        return data * 2

    def add(data, n=1):
        return data + n

    chain = create_iterative_chain([double, (double,), (add, {"n": 5}), [add, None], functools.partial(add, n=9)])
    members = chain.get_contained_objects()
    assert [pe.name for pe in members] == ["PE_double", "PE_double", "PE_add", "PE_add", "PE_add"]
    value = 1
    for pe in members:
        value = pe.process({"input": value})["output"]
    assert value == 1 * 2 * 2 + 5 + 1 + 9
    assert chain.inputmappings == {"input": (members[0], "input")} and chain.outputmappings == {"output": (members[-1], "output")}


def test_a_composite_made_by_a_subclass():
    class Twice(CompositePE):
        def __init__(self):
            CompositePE.__init__(self)
            first, last = IterativePE(), IterativePE()
            self.connect(first, "output", last, "input")
            self._map_input("in", first, "input")
            self._map_output("out", last, "output")

    graph = WorkflowGraph()
    graph.connect(ProducerPE(), "output", Twice(), "in")
    assert sorted(flat(graph)[1]) == [
        ("IterativePE0", "output", "IterativePE1", "input"), ("ProducerPE2", "output", "IterativePE0", "input")
    ]  # fmt: skip


def test_the_nodes_can_be_listed_as_those_of_networkx():
    graph, a, b = WorkflowGraph(), IterativePE(), IterativePE()
    graph.connect(a, "output", b, "input")
    graph.connect(a, "output", b, "input")
    first, second = graph.graph.nodes()
    assert [node.get_contained_object() for node in graph.graph] == [a, b]
    assert (len(graph.graph), graph.graph.number_of_nodes(), graph.graph.number_of_edges()) == (2, 2, 1)
    assert graph.graph.has_edge(first, second) and first in graph.graph and graph.graph.edges() == [(first, second)]
    (edge,) = graph.graph[second].values()
    assert edge["DIRECTION"] == (a, b) and edge["ALL_CONNECTIONS"] == [("output", "input")] * 2
    for node in graph.graph.nodes():
        node.get_contained_object().numprocesses = 2
    assert a.numprocesses == b.numprocesses == 2
    with pytest.raises(AttributeError, match="graph.graph has no 'remove_node'"):
        graph.graph.remove_node(first)


@pytest.mark.parametrize("spelling", ["propagate_types", "propagateTypes"])
def test_types_are_propagated(spelling):
    class Filter(IterativePE):
        def set_input_types(self, types):
            self.types = types

        def get_output_types(self):
            return {"output": self.types["input"]}

    class Numbers(ProducerPE):
        def __init__(self):
            ProducerPE.__init__(self)
            self._add_output("output", tuple_type=["number"])

    graph, filters = WorkflowGraph(), [Filter(), Filter()]
    graph.connect(filters[0], "output", filters[1], "input")
    graph.connect(Numbers(), "output", filters[0], "input")
    getattr(graph, spelling)()
    assert filters[1].types == {"input": ["number"]}


def test_an_unmapped_port_of_a_composite_is_named_with_the_authors_line():
    graph = WorkflowGraph()
    graph.connect(ProducerPE(), "output", CompositePE(), "in")
    with pytest.raises(GraphError, match="no input 'in'; its inputs are: none") as error:
        graph.flatten()
    assert error.value.location[0] == __file__
