# SPDX-License-Identifier: Apache-2.0
"""Graphs written as a document (`graph.json`, which a YAML graph is turned into) instead of as a Python module."""

from weft.command import CommandPE
from weft.elements import GROUPING, GenericPE
from weft.graph import Edge, WorkflowGraph
from weft.native import NativePE

_KINDS = ("python", "command", "native")
_COMMAND = ("mode", "output", "folder", "environment", "reply_within")
_SETTINGS = {
    "processes": "numprocesses", "on_error": "on_error", "time_limit": "time_limit", "snapshot_every": "snapshot_every",
    "stateful": "stateful", "single": "single",
}  # fmt: skip


class DocumentError(Exception):
    """What is wrong with the document, where in it, and the remedy."""


def build(document, file, load_class):
    """The graph. `load_class(module, name)` loads a class of a Python file beside the document."""
    if not isinstance(document, dict) or not isinstance(document.get("elements"), list) or not isinstance(document.get("edges", []), list):
        raise DocumentError("the document is no graph: it needs a list of 'elements' and a list of 'edges'")
    graph, elements = WorkflowGraph(), {}
    for position, described in enumerate(document["elements"]):
        if not isinstance(described, dict) or not isinstance(described.get("name"), str) or not described["name"]:
            raise DocumentError(f"element {position + 1} has no name: give it one as 'name'")
        name = described["name"]
        if name in elements:
            raise DocumentError(f"two elements have the name '{name}': rename one of them")
        pe = _element(name, described, load_class)
        pe.name = name
        elements[name] = pe
        graph.add(pe).location = (file, f"element '{name}'")
    for position, ends in enumerate(document.get("edges", [])):
        if not isinstance(ends, list) or len(ends) != 2 or not all(isinstance(end, str) for end in ends):
            raise DocumentError(f"edge {position + 1} is {ends!r}: write it as ['Element.output', 'Element.input']")
        where = f"edge {position + 1}, {ends[0]} to {ends[1]}"
        source, output = _end(ends[0], "output", elements, where)
        destination, input = _end(ends[1], "input", elements, where)
        graph.edges.append(Edge(source, output, destination, input, (file, where)))
    return graph


def _element(name, described, load_class):
    kinds = [kind for kind in _KINDS if kind in described]
    if len(kinds) != 1:
        raise DocumentError(f"element '{name}' has {' and '.join(kinds) or 'no kind'}: give it one of {', '.join(_KINDS)}")
    kind = kinds[0]
    known = {"name", kind, "inputs", "parameters", "documentation", *_SETTINGS, *(_COMMAND if kind == "command" else ())}
    unknown = sorted(set(described) - known)
    if unknown:
        raise DocumentError(f"element '{name}' has the unknown field '{unknown[0]}': use {', '.join(sorted(known))}")
    parameters = described.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise DocumentError(f"element '{name}' has parameters that are no mapping: write them as names and values")
    try:
        if kind == "native":
            pe = NativePE(described["native"], **parameters)
        elif kind == "command":
            pe = CommandPE(described["command"], **{field: described[field] for field in _COMMAND if field in described}, **parameters)
        else:
            pe = _python(name, described["python"], load_class)(**parameters)
    except (TypeError, ValueError) as error:
        raise DocumentError(f"element '{name}': {error}") from error
    for field, attribute in _SETTINGS.items():
        if field in described:
            setattr(pe, attribute, described[field])
    if "documentation" in described:
        pe._documentation = described["documentation"]
    for port, grouping in (described.get("inputs") or {}).items():
        if port not in pe.inputconnections:
            known = ", ".join(f"'{one}'" for one in pe.inputconnections) or "none"
            raise DocumentError(f"element '{name}' has no input '{port}'; its inputs are: {known}")
        pe.inputconnections[port][GROUPING] = grouping
    return pe


def _python(name, place, load_class):
    module, colon, attribute = place.rpartition(":") if isinstance(place, str) else ("", "", "")
    if not colon or not module or not attribute:
        raise DocumentError(f"element '{name}' has python: {place!r}: write it as 'module.py:Class'")
    found = load_class(module, attribute)
    if not isinstance(found, type) or not issubclass(found, GenericPE):
        raise DocumentError(f"element '{name}': '{attribute}' of {module} is no class of PEs: derive it from weft.GenericPE")
    return found


def _end(text, port, elements, where):
    """`Element.port`, or `Element` for its port `output` or `input`."""
    name, dot, own = text.rpartition(".")
    if text in elements:
        name, own = text, port
    if name not in elements:
        raise DocumentError(f"{where}: there is no element '{name or text}'; there are: {', '.join(elements)}")
    return elements[name], own
