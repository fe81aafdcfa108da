# SPDX-License-Identifier: Apache-2.0
"""Workflow graphs: PEs, the edges that join them, and composites."""

import itertools
import os
import sys
from typing import Any, NamedTuple, Tuple

from weft.elements import GenericPE, IterativePE, SimpleFunctionPE, function_name

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep

#: Where the author wrote something: file, and line or what stands for it.
Location = Tuple[str, Any]

_sequence = itertools.count()


class GraphError(Exception):
    """A graph that cannot be flattened, and the author's line that makes it so."""

    def __init__(self, detail, location):
        super().__init__(detail)
        self.location = location


class WorkflowNode:
    """A PE or composite as a member of a graph."""

    WORKFLOW_NODE_PE = 0
    WORKFLOW_NODE_FN = 1
    WORKFLOW_NODE_CP = 2

    def __init__(self, obj, location=("", 0)):
        self.obj = obj
        self.location = location
        if isinstance(obj, GenericPE):
            #: Grows from PE to PE: dispel4py numbers them in the order in which they are added, and so does Weft within a graph.
            self.sequence = next(_sequence)
            obj.id = f"{obj.name}{self.sequence}"
            self.nodeType = self.WORKFLOW_NODE_PE
            inputs, outputs = obj.inputconnections, obj.outputconnections
        elif isinstance(obj, WorkflowGraph):
            self.nodeType = self.WORKFLOW_NODE_CP
            inputs, outputs = _mappings(obj, "inputmappings"), _mappings(obj, "outputmappings")
        else:
            remedy = f"write {obj.__name__}()" if isinstance(obj, type) and issubclass(obj, GenericPE) else "use a PE or a composite"
            raise TypeError(f"Unknown type of object passed as a Workflow Node: {obj!r}: {remedy}")
        self.inputs = [{} for _ in inputs]
        self.outputs = [{} for _ in outputs]

    def get_contained_object(self):
        return self.obj

    getContainedObject = get_contained_object


class Edge(NamedTuple):
    source: Any
    output: str
    destination: Any
    input: str
    location: Location


class WorkflowGraph:
    """PEs joined by edges, in the order in which the author named them.

    A graph that is given the attributes `inputmappings` and `outputmappings` (port: (PE, its port)) is a composite and may
    stand in another graph in place of a PE.
    """

    def __init__(self):
        self.objToNode = {}
        self.edges = []

    def add(self, n):
        """Adds a PE or composite, unless it is a member already, and returns its node."""
        node = self.objToNode.get(n)
        if node is None:
            node = WorkflowNode(n, _caller())
            self.objToNode[n] = node
        return node

    def connect(self, from_node=None, from_connection=None, to_node=None, to_connection=None, **old_spelling):
        """Joins an output port to an input port; adds what is not yet a member."""
        ends = {
            "fromNode": from_node, "fromConnection": from_connection, "toNode": to_node, "toConnection": to_connection
        }
        unknown = set(old_spelling) - set(ends)
        if unknown:
            raise TypeError(f"connect() got an unexpected keyword argument '{unknown.pop()}'")
        ends.update(old_spelling)
        missing = [name for name, value in ends.items() if value is None]
        if missing:
            raise TypeError(f"connect() needs a node and port on each side; missing: {', '.join(missing)}")
        self.add(ends["fromNode"])
        self.add(ends["toNode"])
        self.edges.append(Edge(*ends.values(), _caller()))

    def get_contained_objects(self):
        return list(self.objToNode)

    getContainedObjects = get_contained_objects

    @property
    def graph(self):
        """The nodes and edges as dispel4py keeps them: `graph.graph.nodes()`."""
        return NodeView(self)

    def propagate_types(self):
        """Tells each PE the types of its inputs, sources first: `set_input_types`, then `get_output_types` of those before it."""
        waiting, told = list(self.objToNode), set()
        while waiting:
            ready = [pe for pe in waiting if all(edge.source in told for edge in self.edges if edge.destination is pe)]
            if not ready:
                raise ValueError("types cannot be propagated around a cycle: remove one of its edges")
            for pe in ready:
                arriving = [edge for edge in self.edges if edge.destination is pe]
                pe.set_input_types({edge.input: edge.source.get_output_types()[edge.output] for edge in arriving})
                told.add(pe)
                waiting.remove(pe)

    propagateTypes = propagate_types

    def flatten(self):
        """Puts the members of composites in their place, and gives each PE its id: its name and its number."""
        members = {}
        edges = []
        self._collect(members, edges, ())
        self.objToNode = members
        self.edges = [
            edge._replace(source=source, output=output, destination=destination, input=input)
            for edge in edges
            for source, output in [_inner(edge.source, edge.output, "outputmappings", edge.location)]
            for destination, input in [_inner(edge.destination, edge.input, "inputmappings", edge.location)]
        ]
        for number, node in enumerate(sorted(members.values(), key=lambda node: node.sequence)):
            node.obj.id = f"{node.obj.name}{number}"

    def _collect(self, members, edges, parents):
        for obj, node in self.objToNode.items():
            if not isinstance(obj, WorkflowGraph):
                members.setdefault(obj, node)
            elif obj is self or obj in parents:
                raise GraphError("a composite contains itself. Take it out of itself.", node.location)
            else:
                obj._collect(members, edges, (*parents, self))
                # A composite of one PE may hold it in its mappings only.
                for side in ("inputmappings", "outputmappings"):
                    for inner, _ in _mappings(obj, side).values():
                        if isinstance(inner, GenericPE):
                            members.setdefault(inner, WorkflowNode(inner, node.location))
        edges += self.edges


class NodeView:
    """A graph's nodes and edges under the names of a networkx graph, to be read."""

    def __init__(self, graph):
        self._graph = graph

    def nodes(self, data=False):
        nodes = list(self._graph.objToNode.values())
        return [(node, {}) for node in nodes] if data else nodes

    def edges(self, data=False):
        nodes = self._graph.objToNode
        pairs = dict.fromkeys((nodes[edge.source], nodes[edge.destination]) for edge in self._graph.edges)
        return [(*pair, self[pair[0]][pair[1]]) if data else pair for pair in pairs]

    def has_edge(self, first, second):
        return second in self[first]

    def number_of_nodes(self):
        return len(self)

    order = number_of_nodes

    def number_of_edges(self):
        return len(self.edges())

    def __iter__(self):
        return iter(self.nodes())

    def __len__(self):
        return len(self._graph.objToNode)

    def __contains__(self, node):
        return node in self.nodes()

    def __getitem__(self, node):
        """Neighbours of the node on either side, with what joins them."""
        nodes, neighbours = self._graph.objToNode, {}
        for edge in self._graph.edges:
            if node.obj in (edge.source, edge.destination):
                neighbour = nodes[edge.destination if node.obj is edge.source else edge.source]
                first = {"DIRECTION": edge[0:3:2], "FROM_CONNECTION": edge.output, "TO_CONNECTION": edge.input, "ALL_CONNECTIONS": []}
                neighbours.setdefault(neighbour, first)["ALL_CONNECTIONS"].append((edge.output, edge.input))
        return neighbours

    def __getattr__(self, name):
        raise AttributeError(
            f"graph.graph has no '{name}': it lists nodes() and edges(); change the graph with add() and connect() of the WorkflowGraph"
        )


class CompositePE(WorkflowGraph):
    """A graph that stands for a PE; `create_graph(graph, **params)` fills it."""

    def __init__(self, create_graph=None, params=None):
        WorkflowGraph.__init__(self)
        self.inputmappings = {}
        self.outputmappings = {}
        if create_graph:
            create_graph(self, **(params or {}))

    def _map_input(self, input_name, internal_pe, internal_input):
        self.inputmappings[input_name] = (internal_pe, internal_input)

    def _map_output(self, output_name, internal_pe, internal_output):
        self.outputmappings[output_name] = (internal_pe, internal_output)


def create_iterative_chain(
    functions, function_pe_class=SimpleFunctionPE, name_prefix="PE_", name_suffix="", FunctionPE_class=None
):
    """A composite with ports `input` and `output` that applies the functions in turn; each is `fn`, `(fn,)` or `(fn, params)`."""
    chain = WorkflowGraph()
    first = last = None
    for function in functions:
        function, params = (*function, {})[:2] if isinstance(function, (tuple, list)) else (function, {})
        pe = (FunctionPE_class or function_pe_class)()
        pe.compute_fn = function
        pe.params = {} if params is None else params
        pe.name = f"{name_prefix}{function_name(function)}{name_suffix}"
        chain.add(pe)
        if last is None:
            first = pe
        else:
            chain.connect(last, IterativePE.OUTPUT_NAME, pe, IterativePE.INPUT_NAME)
        last = pe
    if first is None:
        raise ValueError("create_iterative_chain() needs at least one function")
    chain.inputmappings = {"input": (first, IterativePE.INPUT_NAME)}
    chain.outputmappings = {"output": (last, IterativePE.OUTPUT_NAME)}
    return chain


def _mappings(graph, side):
    return getattr(graph, side, {})


def _inner(obj, port, side, location):
    """The PE and port that a composite's port stands for."""
    while isinstance(obj, WorkflowGraph):
        mappings = _mappings(obj, side)
        if port not in mappings:
            kind = "input" if side == "inputmappings" else "output"
            known = ", ".join(map(repr, mappings)) or "none"
            name = getattr(obj, "name", type(obj).__name__)
            remedy = f"Use one of these, or map it with _map_{kind}()."
            raise GraphError(f"the composite {name} has no {kind} '{port}'; its {kind}s are: {known}. {remedy}", location)
        obj, port = mappings[port]
    return obj, port


def _caller():
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(_PACKAGE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno
