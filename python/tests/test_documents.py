# SPDX-License-Identifier: Apache-2.0
"""Graphs that are written as a document."""

import json

import pytest
from rank import describe

from weft import loader

PES = """
from weft import IterativePE
class Fit(IterativePE):
    'Fits.'
    def __init__(self, degree=1):
        IterativePE.__init__(self)
        self.degree = degree
NOT_A_PE = int
"""
DOCUMENT = {
    "documentation": "A graph.",
    "elements": [
        {
            "name": "Fit", "python": "pes.py:Fit", "parameters": {"degree": 2}, "processes": 3, "inputs": {"input": [0]},
            "on_error": "retry 2",
        },
        {"name": "Sort", "command": ["sort", "-n"], "mode": "bytes", "time_limit": 5, "stateful": False, "documentation": "Sorts."},
    ],
    "edges": [["Fit.output", "Sort.input"]],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    def write(document):
        (tmp_path / "pes.py").write_text(PES)
        (tmp_path / "graph.json").write_text(document if isinstance(document, str) else json.dumps(document))
        return tmp_path / "graph.json"

    yield write
    loader.sys.modules.pop("pes", None)


def changed(position=0, **fields):
    elements = [dict(element) for element in DOCUMENT["elements"]]
    elements[position].update(fields)
    return {**DOCUMENT, "elements": [{name: value for name, value in element.items() if value != "-"} for element in elements]}


def refusal(path):
    with pytest.raises(loader.LoadError) as error:
        loader.describe(loader.load(path)[2], str(path))
    return str(error.value)


def test_a_document_is_described_as_a_module_is(folder):
    found = describe(folder(DOCUMENT))
    assert (found["documentation"], found["attribute"]) == ("A graph.", "graph")
    fit, sort = found["graph"]["elements"]
    assert (fit["id"], fit["class_name"], fit["parameters"], fit["processes"]) == ("Fit0", "Fit", {"degree": 2}, 3)
    assert fit["inputs"] == [{"name": "input", "grouping": {"by_key": [0]}}] and fit["on_error"] == "retry 2"
    assert (sort["id"], sort["class_name"], sort["documentation"]) == ("Sort1", "CommandPE", "Sorts.")
    assert (sort["time_limit"], sort["stateful"], sort["source"]) == (5.0, False, None)
    assert sort["parameters"]["command"] == ["sort", "-n"] and sort["parameters"]["mode"] == "bytes"
    assert found["graph"]["edges"] == [{"from": "Fit0", "output": "output", "to": "Sort1", "input": "input"}]
    other = describe(folder(changed(1, command=["sort", "-r"])))["graph"]["elements"][1]
    assert other["digest"] != sort["digest"], "another command is another PE"


def test_an_edge_may_leave_out_the_usual_ports(folder):
    assert describe(folder({**DOCUMENT, "edges": [["Fit", "Sort"]]}))["graph"]["edges"] == [
        {"from": "Fit0", "output": "output", "to": "Sort1", "input": "input"}
    ]


@pytest.mark.parametrize(
    "document, message",
    [
        ("{", "Expecting property name"),
        ([], "needs a list of 'elements'"),
        ({"elements": [{}]}, "element 1 has no name"),
        (changed(name="Sort"), "two elements have the name 'Sort'"),
        (changed(python="-"), "element 'Fit' has no kind: give it one of python, command, native"),
        (changed(command="cat"), "element 'Fit' has python and command: give it one of"),
        (changed(timeout=3), "element 'Fit' has the unknown field 'timeout'"),
        (changed(python="pes.Fit"), "write it as 'module.py:Class'"),
        (changed(python="pes.py:Nope"), "pes.py has no class 'Nope'"),
        (changed(python="pes.py:NOT_A_PE"), "'NOT_A_PE' of pes.py is no class of PEs"),
        (changed(parameters={"order": 1}), "element 'Fit': "),
        (changed(inputs={"in": "all"}), "element 'Fit' has no input 'in'; its inputs are: 'input'"),
        (changed(1, mode="text"), "element 'Sort': CommandPE: mode is 'text'"),
        (changed(python="-", native="nope"), "element 'Fit': there is no native PE 'nope'"),
        ({**DOCUMENT, "edges": [["Fit.output"]]}, "edge 1 is ['Fit.output']: write it as"),
        ({**DOCUMENT, "edges": [["Fit.output", "Store.input"]]}, "edge 1, Fit.output to Store.input: there is no element 'Store'"),
    ],
)
def test_what_is_refused(folder, document, message):
    text = refusal(folder(document))
    assert text.startswith("graph.json: ") and message in text


@pytest.mark.parametrize(
    "document, message",
    [
        (
            {**DOCUMENT, "edges": [["Fit.result", "Sort.input"]]},
            "graph.json, edge 1, Fit.result to Sort.input: connect() leads from output 'result'",
        ),
        (changed(on_error="ignore"), "graph.json, element 'Fit': Fit0 has on_error 'ignore'"),
        (changed(inputs={"input": "some"}), "has the unknown grouping 'some'"),
    ],
)  # fmt: skip
def test_problems_of_the_graph_name_the_place_in_the_document(folder, document, message):
    assert message in refusal(folder(document))


def test_a_module_of_the_document_that_does_not_load(folder):
    path = folder(DOCUMENT)
    (path.parent / "pes.py").write_text("import no_such_package\n")
    assert refusal(path).startswith("pes.py, line 1 (import no_such_package): ModuleNotFoundError")


def test_native_pes_of_a_document(folder):
    elements = [
        {"name": "Read", "native": "csv", "parameters": {"path": "data.csv"}},
        {"name": "Count", "native": "count", "parameters": {"key": ["station", 1]}, "processes": 2},
    ]
    path = folder({"elements": elements, "edges": [["Read", "Count"]]})
    read, count = loader.describe(loader.load(path)[2], str(path))["elements"]
    assert read["native"] == {"operation": "csv", "parameters": {"path": "data.csv"}} and read["parameters"] == {"path": "data.csv"}
    assert (read["id"], read["class_name"], read["source"], read["inputs"]) == ("Read0", "NativePE", None, [])
    assert count["inputs"] == [{"name": "input", "grouping": {"by_key": ["station", 1]}}] and count["outputs"] == ["output"]
    assert count["processes"] == 2
