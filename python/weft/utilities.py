# SPDX-License-Identifier: Apache-2.0
"""What workflows import from dispel4py.utils: sizes, hashes, and graphs of other modules."""

import importlib
import importlib.util
import os
import sys
from collections import deque

from weft.graph import WorkflowGraph
from weft.hashing import stable_hash


def total_size(o, handlers=None, verbose=False):
    """Bytes of an object and all that the containers in it hold. `handlers` maps further classes to functions that iterate."""
    iterate = {dict: lambda d: (part for item in d.items() for part in item)}
    iterate.update(dict.fromkeys((tuple, list, deque, set, frozenset), iter))
    iterate.update(handlers or {})
    seen, waiting, size = set(), [o], 0
    while waiting:
        part = waiting.pop()
        if id(part) not in seen:
            seen.add(id(part))
            size += sys.getsizeof(part, sys.getsizeof(0))
            waiting += next((parts(part) for kind, parts in iterate.items() if isinstance(part, kind)), ())
    return size


def make_hash(o):
    """A hash of plain data to any depth, alike in every process; of other hashable objects, Python's own."""
    try:
        return stable_hash((o,))
    except TypeError:
        if isinstance(o, dict):
            return hash(frozenset((make_hash(key), make_hash(value)) for key, value in o.items()))
        if isinstance(o, (set, frozenset)):
            return hash(frozenset(map(make_hash, o)))
        return hash(tuple(map(make_hash, o))) if isinstance(o, (tuple, list)) else hash(o)


def dict_handler(d):
    for item in d.items():
        yield from item


def findWorkflowGraph(mod, attr=None):
    """The attribute, or the alphabetically last one that is a graph and no composite."""
    if attr is not None:
        return getattr(mod, attr)
    composite = ("inputmappings", "outputmappings")
    graphs = [
        value for _, value in sorted(vars(mod).items())
        if isinstance(value, WorkflowGraph) and not any(hasattr(value, name) for name in composite)
    ]  # fmt: skip
    if not graphs:
        raise AttributeError(f"the module {mod.__name__} has no WorkflowGraph")
    return graphs[-1]


def loadGraph(module_name, attr=None):
    return findWorkflowGraph(importlib.import_module(module_name), attr)


def loadGraphFromFile(module_name, path, attr=None):
    specification = importlib.util.spec_from_file_location(module_name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[module_name] = module
    specification.loader.exec_module(module)
    return findWorkflowGraph(module, attr)


def load_graph(graph_source, attr=None):
    """The graph of a module, given by its name or by its file."""
    if os.path.isfile(graph_source):
        return loadGraphFromFile(os.path.splitext(os.path.basename(graph_source))[0], graph_source, attr)
    return loadGraph(graph_source, attr)
