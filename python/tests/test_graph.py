# SPDX-License-Identifier: Apache-2.0
"""Graphs: order, both spellings, composites."""

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
    assert ids == ["ProducerPE0", "F_double_x1", "F_add_x2", "ConsumerPE3"]
    assert sorted(edges) == sorted([
        ("ProducerPE0", "output", "F_double_x1", "input"),
        ("F_double_x1", "output", "F_add_x2", "input"),
        ("F_add_x2", "output", "ConsumerPE3", "input"),
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
    assert ids == ["ProducerPE0", "IterativePE1", "IterativePE2", "ProducerPE3", "ConsumerPE4"]
    assert ("ProducerPE0", "output", "IterativePE1", "input") in edges
    assert ("ProducerPE3", "output", "IterativePE1", "input") in edges
    assert ("IterativePE2", "output", "ConsumerPE4", "input") in edges
    assert len(edges) == 4


def test_a_plain_graph_with_mappings_is_a_composite_even_of_one_pe():
    part, inner = WorkflowGraph(), IterativePE()
    part.inputmappings, part.outputmappings = {"in": (inner, "input")}, {"out": (inner, "output")}
    graph = WorkflowGraph()
    graph.connect(ProducerPE(), "output", part, "in")
    graph.connect(part, "out", ConsumerPE(), "input")
    assert flat(graph)[0] == ["ProducerPE0", "IterativePE1", "ConsumerPE2"]


def test_an_unmapped_port_of_a_composite_is_named_with_the_authors_line():
    graph = WorkflowGraph()
    graph.connect(ProducerPE(), "output", CompositePE(), "in")
    with pytest.raises(GraphError, match="no input 'in'; its inputs are: none") as error:
        graph.flatten()
    assert error.value.location[0] == __file__
