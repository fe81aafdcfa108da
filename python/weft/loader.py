# SPDX-License-Identifier: Apache-2.0
"""Loads a workflow's module, finds its graph and describes it, or says what is wrong with it.

    python -m weft.loader MODULE_FILE [--attribute ATTRIBUTE] [--output FD]

writes one JSON document to file descriptor 3: `{"graph": ..., "documentation": ..., "attribute": ..., "interpreter": ...}` or
`{"problem": {"detail": ..., "errors": [{"pointer": ..., "detail": ...}]}}`, the errors where there are several.
What the module prints goes where it always does.
"""

import argparse
import hashlib
import importlib.util
import inspect
import json
import math
import numbers
import operator
import os
import sys
import traceback
import types

from weft import compat
from weft.elements import GROUPING, GenericPE, SimpleFunctionPE
from weft.graph import GraphError, WorkflowGraph

MAXIMUM_PARAMETER = 4096
MAXIMUM_SOURCE = 256 * 1024
MAXIMUM_RETRIES = 100
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_GROUPINGS = {"all": "all", "global": "global", "shuffle": "round_robin", "round_robin": "round_robin"}


class LoadError(Exception):
    """A module that cannot be run: sentences with file, line and remedy, each with the request's field it is about."""

    def __init__(self, *details, pointer="/source"):
        super().__init__(details[0] if len(details) == 1 else f"{len(details)} problems: {' '.join(details)}")
        self.details = details
        self.pointer = pointer

    def document(self):
        if len(self.details) == 1:  # The detail says it all.
            return {"detail": str(self)}
        return {"detail": str(self), "errors": [{"pointer": self.pointer, "detail": detail} for detail in self.details]}


def load(path, attribute=None):
    """The module, the name of the attribute that holds its graph, and the graph, flattened."""
    module = load_module(path)
    attribute, graph = find_graph(module, attribute)
    try:
        graph.flatten()
    except GraphError as error:
        raise LoadError(f"{_place(error.location)}: {error}") from error
    return module, attribute, graph


def report(path, attribute=None):
    """What there is to know of a module, JSON-ready; and its graph, None where there is a problem."""
    try:
        module, attribute, graph = load(path, attribute)
        described = {"graph": describe(graph, module.__file__, module), "documentation": module.__doc__, "attribute": attribute}
    except LoadError as error:
        return {"problem": error.document()}, None
    return {**described, "interpreter": sys.executable}, graph


def write(document, descriptor):
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as output:
        json.dump(document, output, allow_nan=False)


def load_module(path):
    """Runs the file as a module of its base name, with its folder first on `sys.path` and `dispel4py` meaning Weft.

    A file that ends in .json is a graph written as a document, and becomes the module's attribute `graph`.
    """
    compat.install()
    path = os.path.abspath(path)
    if path.endswith(".json"):
        return _load_document(path)
    name = os.path.splitext(os.path.basename(path))[0]
    if name in sys.modules:  # A file called json.py must not take the place of what Weft itself uses.
        name = f"workflow_{name}"
    sys.path.insert(0, os.path.dirname(path))
    sys.argv = [path]
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, path))
    sys.modules[name] = module
    try:
        with open(path, "rb") as file:
            source = file.read()
        exec(compile(source, path, "exec"), module.__dict__)
    except BaseException as error:
        raise LoadError(_import_failure(error, path)) from error
    return module


def _load_document(path):
    from weft import documents

    module = types.ModuleType("graph")
    module.__file__ = path

    def load_class(file, name):
        part = load_module(os.path.join(os.path.dirname(path), file))
        if not hasattr(part, name):
            raise documents.DocumentError(f"{file} has no class '{name}': correct the name, or define it there")
        return getattr(part, name)

    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        module.graph = documents.build(document, path, load_class)
    except (OSError, ValueError, documents.DocumentError) as error:
        raise LoadError(f"{os.path.basename(path)}: {error}.") from error
    module.__doc__ = document.get("documentation")
    return module


def may_fork(module):
    """Whether processes that have loaded the module may be forked from one that has, as far as the module says."""
    return getattr(module, "WEFT_FORK", True)


def find_graph(module, attribute):
    file = os.path.basename(module.__file__)
    graphs = {}
    for name, value in vars(module).items():
        if isinstance(value, WorkflowGraph) and not hasattr(value, "inputmappings") and not hasattr(value, "outputmappings"):
            if not any(value is other for other in graphs.values()):
                graphs[name] = value
    known = ", ".join(graphs)
    if attribute is not None:
        value = getattr(module, attribute, None)
        if isinstance(value, WorkflowGraph):
            return attribute, value
        found = "has no attribute" if not hasattr(module, attribute) else "holds no WorkflowGraph in"
        raise LoadError(f"{file} {found} '{attribute}'; its graphs are: {known or 'none'}. Name one of these.", pointer="/attribute")
    if not graphs:
        raise LoadError(f"{file} has no graph: assign a WorkflowGraph to a variable of the module, as in 'graph = WorkflowGraph()'.")
    if len(graphs) > 1:
        raise LoadError(f"{file} has {len(graphs)} graphs: {known}. Choose one with --graph.", pointer="/attribute")
    return next(iter(graphs.items()))


def describe(graph, file, module=None):
    """The flattened graph as JSON-ready values. Raises LoadError with everything that makes it impossible to run."""
    members = graph.objToNode
    if not members:
        raise LoadError(f"the graph in {os.path.basename(file)} is empty: join PEs with graph.connect(...) or add one with graph.add(...).")
    problems = []
    if not isinstance(may_fork(module), bool):
        problems.append(f"{os.path.basename(file)}: WEFT_FORK is {module.WEFT_FORK!r}. Assign True or False.")
    elements = [_element(pe, node, file, problems) for pe, node in members.items()]
    ids = [element["id"] for element in elements]
    for position, (id, node) in enumerate(zip(ids, members.values())):
        if id in ids[:position]:
            problems.append(f"{_place(node.location)}: two PEs get the id '{id}' (name and number). Give one of them another name.")
    for edge in graph.edges:
        problems += _edge_problems(edge)
    cycle = _cycle(members, graph.edges)
    if cycle:
        path = " -> ".join(edge.source.id for edge in cycle) + f" -> {cycle[0].source.id}"
        problems.append(
            f"{_place(cycle[-1].location)}: this edge closes a cycle ({path}), so the stream could never end. Remove one of its edges."
        )
    if problems:
        raise LoadError(*dict.fromkeys(problems))
    return {"elements": elements, "edges": edges_of(graph)}


def edges_of(graph):
    return [
        {"from": edge.source.id, "output": edge.output, "to": edge.destination.id, "input": edge.input} for edge in graph.edges
    ]


def _element(pe, node, file, problems):
    place = _place(_class_location(type(pe), file) or node.location)
    inputs = []
    for port, connection in pe.inputconnections.items():
        grouping, problem = _grouping(connection)
        inputs.append({"name": port, "grouping": grouping})
        if problem:
            problems.append(f"{place}: input '{port}' of {pe.id} has {problem}")
    outputs = list(pe.outputconnections)
    for port in [*pe.inputconnections, *outputs]:
        if not isinstance(port, str):
            problems.append(f"{place}: {pe.id} has a port named {port!r}. Name ports with text.")
    function = pe.compute_fn if isinstance(pe, SimpleFunctionPE) and type(pe).__module__.startswith("weft.") else None
    subject = function or type(pe)
    source = None if _is_declared(pe) else _source(subject)
    ports = json.dumps([inputs, outputs], sort_keys=True, default=repr)
    identity = source or f"{subject.__module__}.{getattr(subject, '__qualname__', subject)}"
    if _is_declared(pe):
        identity += json.dumps(_parameters(pe), sort_keys=True)
    class_name = getattr(subject, "__name__", "")
    documentation = getattr(pe, "_documentation", None) or subject.__doc__
    described = {
        "id": pe.id,
        "name": str(pe.name),
        "class_name": class_name if class_name.isidentifier() else type(pe).__name__,
        "inputs": inputs,
        "outputs": outputs,
        "processes": _processes(pe, place, problems),
        "single": bool(pe.single),
        "documentation": inspect.cleandoc(documentation) if isinstance(documentation, str) else None,
        "parameters": _parameters(pe),
        "digest": hashlib.sha256(f"{identity}\n{ports}".encode("utf-8", "backslashreplace")).hexdigest(),
        "source": source,
        "stateful": _stateful(pe, place, problems),
        "on_error": _on_error(pe, place, problems),
        "time_limit": _seconds(pe, "time_limit", place, problems),
        "snapshot_every": _snapshot_every(pe, place, problems),
    }
    native = _native(pe, place, problems)
    return {**described, "parameters": native["parameters"], "native": native} if native else described


def _is_declared(pe):
    """Whether its parameters, and not its class, say what it does."""
    return _is_native(pe) or type(pe).__module__ == "weft.command"


def _is_native(pe):
    native = sys.modules.get("weft.native")  # Not imported: there is none.
    return native is not None and isinstance(pe, native.NativePE)


def _native(pe, place, problems):
    if not _is_native(pe):
        return None
    try:
        return {"operation": pe.operation, "parameters": json.loads(json.dumps(pe.parameters, allow_nan=False))}
    except (TypeError, ValueError) as error:
        problems.append(f"{place}: {pe.id} has parameters that cannot be written as JSON ({error}). Use text, numbers, lists and mappings.")
        return {"operation": pe.operation, "parameters": {}}


def _stateful(pe, place, problems):
    stateful = pe.stateful
    if stateful is None and _takes_snapshots(pe):
        return True
    if stateful is None or isinstance(stateful, bool):
        return stateful
    # What dispel4py's hybrid mapping takes.
    if isinstance(stateful, list) or stateful in ("all", "global", "nature"):
        return True
    problems.append(f"{place}: {pe.id} has stateful {stateful!r}. Use True or False, or leave it out.")
    return None


def _on_error(pe, place, problems):
    policy = pe.on_error
    if isinstance(policy, str):
        word, *count = policy.split()
        if word in ("fail", "skip") and not count:
            return word
        if word == "retry" and len(count) == 1 and count[0].isdecimal() and 1 <= int(count[0]) <= MAXIMUM_RETRIES:
            return f"retry {int(count[0])}"
    problems.append(f"{place}: {pe.id} has on_error {policy!r}. Use 'fail', 'skip' or 'retry N' with N from 1 to {MAXIMUM_RETRIES}.")
    return "fail"


def _seconds(pe, name, place, problems):
    seconds = getattr(pe, name)
    if seconds is None:
        return None
    if isinstance(seconds, numbers.Real) and not isinstance(seconds, bool) and math.isfinite(seconds) and seconds > 0:
        return float(seconds)
    problems.append(f"{place}: {pe.id} has {name} {seconds!r}. Use a number of seconds above 0, or leave it out.")
    return None


def _takes_snapshots(pe):
    return callable(getattr(pe, "snapshot", None)) and callable(getattr(pe, "restore", None))


def _snapshot_every(pe, place, problems):
    """None for a PE that does not define both `snapshot` and `restore`."""
    seconds = _seconds(pe, "snapshot_every", place, problems)
    return seconds if _takes_snapshots(pe) and pe.stateful is not False else None


def _grouping(connection):
    """The grouping as JSON, and what is wrong with it."""
    grouping = connection.get(GROUPING) if isinstance(connection, dict) else None
    if grouping is None or grouping == "":
        return "round_robin", None
    if isinstance(grouping, str) and grouping in _GROUPINGS:
        return _GROUPINGS[grouping], None
    if isinstance(grouping, list):
        parts = [part if isinstance(part, (str, bool)) else _index(part) for part in grouping]
        if all(isinstance(part, (int, str)) and not isinstance(part, bool) for part in parts):
            # No parts: every datum has the same key.
            return {"by_key": parts} if parts else "global", None
    return None, (
        f"the unknown grouping {grouping!r}. Use 'all', 'global', a list of the indexes or names that make up the key, or leave it out."
    )


def _index(part):
    """A whole number, NumPy's too."""
    try:
        return operator.index(part)
    except TypeError:
        return None


def _processes(pe, place, problems):
    try:
        processes = operator.index(pe.numprocesses)
        if processes >= 1:
            return processes
    except TypeError:
        pass
    problems.append(f"{place}: {pe.id} has numprocesses {pe.numprocesses!r}. Use a whole number from 1 up.")
    return 1


def _parameters(pe):
    own = set(vars(GenericPE())) | {"single", "rank", "stateful", "on_error", "time_limit", "snapshot_every"}
    parameters = {}
    for name, value in vars(pe).items():
        if name not in own and not name.startswith("_"):
            try:
                text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
            except Exception:
                continue
            if len(text) <= MAXIMUM_PARAMETER and b"\\u0000" not in text:
                parameters[name] = json.loads(text)
    return parameters


def _edge_problems(edge):
    for pe, port, ports, kind, verb in (
        (edge.source, edge.output, edge.source.outputconnections, "output", "from"),
        (edge.destination, edge.input, edge.destination.inputconnections, "input", "to"),
    ):
        if port not in ports:
            known = ", ".join(f"'{name}'" for name in ports) or "none"
            what = f"connect() leads {verb} {kind} '{port}' of {pe.id}, whose {kind}s are: {known}"
            yield f"{_place(edge.location)}: {what}. Use one of these."


def _cycle(members, edges):
    """The edges of one cycle, or nothing."""
    leaving = {pe: [] for pe in members}
    entering = dict.fromkeys(members, 0)
    for edge in edges:
        leaving[edge.source].append(edge)
        entering[edge.destination] += 1
    ready = [pe for pe, count in entering.items() if count == 0]
    rest = set(members)
    while ready:
        pe = ready.pop()
        rest.discard(pe)
        for edge in leaving[pe]:
            entering[edge.destination] -= 1
            if entering[edge.destination] == 0:
                ready.append(edge.destination)
    if not rest:
        return []
    # Each PE of the rest is fed by the rest, so walking against the stream must come back to where it has been.
    into = {edge.destination: edge for edge in edges if edge.source in rest and edge.destination in rest}
    pe, walked = next(pe for pe in members if pe in rest), []
    while all(edge.destination is not pe for edge in walked):
        walked.append(into[pe])
        pe = into[pe].source
    start = next(index for index, edge in enumerate(walked) if edge.destination is pe)
    return walked[start:][::-1]


def _source(subject):
    try:
        source = inspect.getsource(subject)
    except (OSError, TypeError):
        return None
    return source if len(source) <= MAXIMUM_SOURCE else None


def _class_location(cls, file):
    try:
        if os.path.abspath(inspect.getsourcefile(cls)) == os.path.abspath(file):
            return file, inspect.getsourcelines(cls)[1]
    except (OSError, TypeError):
        pass
    return None


def _place(location):
    file, line = location
    return f"{os.path.basename(file)}, {f'line {line}' if isinstance(line, int) else line}"


def _import_failure(error, path):
    """One sentence or two: where in the author's file, what, and what to do."""
    file = os.path.basename(path)
    kind = type(error).__name__
    if isinstance(error, SyntaxError):
        where = os.path.basename(error.filename or path)
        return f"{where}, line {error.lineno}: {kind}: {error.msg}: {(error.text or '').strip()!r}. Correct it for Python {_version()}."
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if os.path.abspath(frame.filename) == path]
    place = f"{file}, line {frames[-1].lineno} ({frames[-1].line})" if frames else file
    what = f"{place}: {kind}: {error}"
    if isinstance(error, ModuleNotFoundError):
        missing = (error.name or "").partition(".")[0]
        if missing == "dispel4py":
            return f"{what}. Weft has no counterpart of this part of dispel4py: remove the import."
        return f"{what}. Add the package that has '{missing}' to requirements.txt."
    if isinstance(error, SystemExit):
        return f"{place}: the module calls sys.exit({error.code!r}) when it is imported. Put this under if __name__ == '__main__':."
    return f"{what}. The module must import without error: correct this line."


def _version():
    return ".".join(map(str, sys.version_info[:2]))


def main():
    parser = argparse.ArgumentParser(prog="python -m weft.loader", description="Describe the graph of a workflow's module.")
    parser.add_argument("module")
    parser.add_argument("--attribute", help="the attribute that holds the graph, where the module has several")
    parser.add_argument("--output", type=int, default=3, metavar="FD", help="file descriptor that receives the JSON document")
    options = parser.parse_args()
    document, _ = report(options.module, options.attribute)
    write(document, options.output)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # Threads that the module started must not keep registration waiting.


if __name__ == "__main__":
    main()
