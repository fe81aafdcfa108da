# SPDX-License-Identifier: Apache-2.0
"""Runs a graph in this process, one PE after the other, as dispel4py.new.simple_process does: for notebooks and tests.

Each PE processes all its data before the next one begins, so everything in between is in memory.
"""

import copy

from weft.elements import WRITER


def process_and_return(workflow, inputs, resultmappings=None):
    """What was written to outputs that no edge reads, as `{PE id: {output: [data]}}`.

    `inputs` maps a source (itself, its name or its id) to how often it is called, or to the items that it is given.
    `resultmappings` maps ids to outputs whose data are returned as well as sent on; then no others are returned.
    """
    workflow.flatten()
    results = {}
    order = _upstream_first(workflow)
    waiting = {pe: [] for pe in order}
    for pe in order:
        _equip(pe, workflow.edges, waiting, results, resultmappings)
    try:
        for pe in order:
            pe.preprocess()
        for pe in order:
            given = get_inputs(pe, inputs)
            if given is None:
                given = [] if pe.inputconnections else [{}]
            elif isinstance(given, int):
                given = [{} for _ in range(given)]
            _process(pe, [*given, *waiting[pe]])
            waiting[pe].clear()
        for pe in order:
            _process(pe, waiting[pe])
            pe.postprocess()
    finally:
        for pe in order:
            del pe._write
    return results


def process(workflow, inputs, args=None, resultmappings=None):
    """Runs the graph and prints what went in and what came out."""
    workflow.flatten()
    print(f"Inputs: { {getattr(pe, 'id', pe): data for pe, data in inputs.items()} }")
    print(f"Outputs: {process_and_return(workflow, inputs, resultmappings)}")


def get_inputs(pe, inputs):
    """What was given for the PE itself, its name or its id."""
    return next((inputs[key] for key in (pe, pe.name, pe.id) if key in inputs), None)


class _Writer:
    def __init__(self, pe, name):
        self._pe = pe
        self._name = name

    def write(self, data):
        self._pe._write(self._name, data)


def _equip(pe, edges, waiting, results, resultmappings):
    readers = {name: [] for name in pe.outputconnections}
    for edge in edges:
        if edge.source is pe and edge.output in readers:
            readers[edge.output].append((edge.destination, edge.input))

    def write(name, data, **_):
        if name not in readers:
            known = ", ".join(readers) or "none"
            raise KeyError(f"Can't write data: Unknown output connection '{name}' of {pe.id}; its outputs are: {known}")
        for destination, input in readers[name]:
            waiting[destination].append({input: copy.deepcopy(data) if len(readers[name]) > 1 else data})
        if name in resultmappings.get(pe.id, ()) if resultmappings else not readers[name]:
            results.setdefault(pe.id, {}).setdefault(name, []).append(data)

    pe._write = write
    for name, connection in pe.outputconnections.items():
        connection[WRITER] = _Writer(pe, name)


def _process(pe, items):
    for item in items:
        for name, data in (pe.process(item) or {}).items():
            pe.write(name, data)


def _upstream_first(workflow):
    """For each PE that nothing reads from: what it needs, then itself."""
    arriving = {pe: [edge.source for edge in workflow.edges if edge.destination is pe] for pe in workflow.objToNode}
    read = {edge.source for edge in workflow.edges}
    order = {}
    for last in workflow.objToNode:
        path = [] if last in read else [last]
        while path:
            missing = next((pe for pe in arriving[path[-1]] if pe not in order), None)
            if missing is None:
                order[path.pop()] = True
            elif missing in path:
                raise ValueError(_CYCLE)
            else:
                path.append(missing)
    if len(order) < len(arriving):
        raise ValueError(_CYCLE)
    return list(order)


_CYCLE = "the graph has a cycle, so its stream could never end: remove one of its edges"
