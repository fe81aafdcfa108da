# SPDX-License-Identifier: Apache-2.0
"""Registration: what the loader says of a module, and what it refuses with file, line and remedy."""

import textwrap

import pytest
from rank import describe

from weft import loader

FLOW = """\
'''Counts words.'''
from dispel4py.base import ProducerPE, IterativePE, SimpleFunctionPE
from dispel4py.core import GenericPE
from dispel4py.workflow_graph import WorkflowGraph

class Lines(ProducerPE):
    '''Gives lines.'''
    def __init__(self, path):
        ProducerPE.__init__(self)
        self.path, self.limits, self.secret = path, {'n': 3}, object()
        self._hidden, self.long = 1, 'x' * 5000

class Count(GenericPE):
    def __init__(self):
        GenericPE.__init__(self, 3)
        self.inputconnections = {'input': {'name': 'input', 'grouping': [0, 'key']}, 'stop': {'name': 'stop'}}
        self._add_output('output')

def lower(line):
    '''Lowers.'''
    return line.lower()

lines, count = Lines('a.txt'), Count()
count.single = True
count.inputconnections['stop']['grouping'] = 'global'
low = SimpleFunctionPE(lower)
graph = WorkflowGraph()
graph.connect(lines, 'output', low, 'input')
graph.connect(low, 'output', count, 'input')
print('a module may print')
"""


@pytest.fixture
def module(tmp_path):
    def write(source):
        path = tmp_path / "flow.py"
        path.write_text(textwrap.dedent(source))
        return path

    return write


def refusal(path, attribute=None):
    with pytest.raises(loader.LoadError) as error:
        loader.describe(loader.load(path, attribute)[2], str(path))
    return error.value


def broken(module, *changes):
    source = FLOW
    for old, new in changes:
        assert source.count(old) == 1
        source = source.replace(old, new)
    return str(refusal(module(source)))


def test_the_document(module):
    document = describe(module(FLOW))
    assert document["documentation"] == "Counts words." and document["attribute"] == "graph"
    lines, low, count = document["graph"]["elements"]
    assert document["graph"]["edges"] == [
        {"from": "Lines0", "output": "output", "to": "PE_lower1", "input": "input"},
        {"from": "PE_lower1", "output": "output", "to": "Count2", "input": "input"},
    ]
    assert set(lines) == {
        "id", "name", "class_name", "inputs", "outputs", "processes", "single", "documentation", "parameters", "digest", "source",
            "stateful", "on_error", "time_limit", "snapshot_every",
    }  # fmt: skip
    assert (lines["inputs"], lines["outputs"], lines["processes"], lines["single"]) == ([], ["output"], 1, False)
    assert lines["documentation"] == "Gives lines." and lines["source"].startswith("class Lines")
    assert lines["parameters"] == {"path": "a.txt", "limits": {"n": 3}}
    assert (low["name"], low["class_name"], low["documentation"]) == ("PE_lower", "lower", "Lowers.")
    assert count["inputs"] == [{"name": "input", "grouping": {"by_key": [0, "key"]}}, {"name": "stop", "grouping": "global"}]
    assert (count["processes"], count["single"]) == (3, True)
    assert len({element["digest"] for element in (lines, low, count)}) == 3 and len(lines["digest"]) == 64


def test_the_problem_document(module):
    document = describe(module("import no_such_package"))
    assert list(document["problem"]) == ["detail"], "a single problem is not told twice"
    assert "no_such_package" in document["problem"]["detail"]


@pytest.mark.parametrize("value, json", [("'all'", "all"), ("'global'", "global"), ("None", "round_robin"), ("[]", "global")])
def test_groupings(module, value, json):
    path = module(FLOW.replace("[0, 'key']", value))
    assert loader.describe(loader.load(path)[2], str(path))["elements"][2]["inputs"][0]["grouping"] == json


def test_the_folder_of_the_module_can_be_imported_from(module, tmp_path):
    (tmp_path / "helper_of_flow.py").write_text("NAME = 'x.txt'")
    path = module(FLOW.replace("Lines('a.txt')", "Lines(__import__('helper_of_flow').NAME)"))
    assert loader.describe(loader.load(path)[2], str(path))["elements"][0]["parameters"]["path"] == "x.txt"


def test_a_package_that_is_missing(module):
    text = str(refusal(module("import json\nimport no_such_package.part\n")))
    assert text.startswith("flow.py, line 2 (import no_such_package.part): ModuleNotFoundError")
    assert "Add the package that has 'no_such_package' to requirements.txt." in text


def test_a_part_of_dispel4py_that_weft_has_not(module):
    text = str(refusal(module("from dispel4py.new import zmq_process")))
    assert "flow.py, line 1" in text and "ImportError" in text


def test_an_exception_names_the_authors_own_line(module):
    text = str(refusal(module("import json\n\nDATA = json.loads('{')\n")))
    assert text.startswith("flow.py, line 3 (DATA = json.loads('{')): JSONDecodeError: ")


def test_sys_exit_at_import(module):
    text = str(refusal(module("import sys\nsys.exit(2)")))
    assert text.startswith("flow.py, line 2") and "if __name__ == '__main__'" in text


def test_a_syntax_error(module):
    text = str(refusal(module("x = 1\ndef f(:\n")))
    assert text.startswith("flow.py, line 2: SyntaxError: ") and "'def f(:'" in text


def test_no_graph(module):
    assert "flow.py has no graph: assign a WorkflowGraph to a variable" in str(refusal(module("x = 1")))


def test_several_graphs_and_one_chosen(module):
    path = module(FLOW + "other = WorkflowGraph()\nother.add(Lines('b'))\nsame = graph\n")
    error = refusal(path)
    assert str(error) == "flow.py has 2 graphs: graph, other. Choose one with --graph."
    assert error.pointer == "/attribute"
    assert loader.load(path, "other")[1] == "other"
    assert "has no attribute 'nope'; its graphs are: graph, other" in str(refusal(path, "nope"))
    assert "holds no WorkflowGraph in 'lines'" in str(refusal(path, "lines"))


def test_composites_are_not_candidates(module):
    path = module(FLOW + "from weft import CompositePE\npart = CompositePE()\n")
    assert loader.load(path)[1] == "graph"


def test_an_unknown_output(module):
    text = broken(module, ("connect(lines, 'output'", "connect(lines, 'outptu'"))
    assert text == "flow.py, line 28: connect() leads from output 'outptu' of Lines0, whose outputs are: 'output'. Use one of these."


def test_an_unknown_input(module):
    text = broken(module, ("count, 'input')", "count, 'in')"))
    assert text == "flow.py, line 29: connect() leads to input 'in' of Count2, whose inputs are: 'input', 'stop'. Use one of these."


def test_an_unknown_port_of_a_composite(module):
    text = broken(module, ("connect(low, 'output'", "connect(__import__('weft').CompositePE(), 'out'"))
    assert text.startswith("flow.py, line 29: the composite CompositePE has no output 'out'; its outputs are: none.")


def test_a_cycle_of_two(module):
    text = broken(module, ("print(", "graph.connect(count, 'output', low, 'input')\nprint("))
    assert "closes a cycle" in text and "PE_lower1" in text and "Count2" in text and "Lines0" not in text


def test_a_graph_that_is_nothing_but_a_cycle(module):
    text = str(refusal(module("""
        from weft import IterativePE, WorkflowGraph
        a, b = IterativePE(), IterativePE()
        graph = WorkflowGraph()
        graph.connect(a, 'output', b, 'input')
        graph.connect(b, 'output', a, 'input')
    """)))  # fmt: skip
    assert "closes a cycle" in text and "line 5" in text or "line 6" in text


def test_an_empty_graph(module):
    text = str(refusal(module("from weft import WorkflowGraph\ngraph = WorkflowGraph()")))
    assert text == "the graph in flow.py is empty: join PEs with graph.connect(...) or add one with graph.add(...)."


@pytest.mark.parametrize("grouping", ["'one-to-all'", "'gobal'", "(0,)", "[1.5]", "3"])
def test_an_unrecognised_grouping(module, grouping):
    text = broken(module, ("[0, 'key']", grouping))
    assert text.startswith(f"flow.py, line 13: input 'input' of Count2 has the unknown grouping {grouping}. Use 'all', 'global'")


@pytest.mark.parametrize(
    "field, given, described",
    [
        ("stateful", "True", True), ("stateful", "False", False), ("stateful", "None", None), ("stateful", "'nature'", True),
        ("stateful", "[0]", True), ("on_error", "'skip'", "skip"), ("on_error", "'retry  3'", "retry 3"), ("on_error", "'fail'", "fail"),
        ("time_limit", "2.5", 2.5), ("time_limit", "3", 3.0), ("time_limit", "None", None),
    ],
)  # fmt: skip
def test_what_a_pe_declares(module, field, given, described):
    path = module(FLOW.replace("count.single = True", f"count.{field} = {given}"))
    assert loader.describe(loader.load(path)[2], str(path))["elements"][2][field] == described


def test_a_declaration_of_a_class(module):
    constructor = "    def __init__(self, path):"
    path = module(FLOW.replace(constructor, "    on_error = 'retry 2'; time_limit = 1; stateful = False\n" + constructor))
    element = loader.describe(loader.load(path)[2], str(path))["elements"][0]
    assert (element["on_error"], element["time_limit"], element["stateful"]) == ("retry 2", 1.0, False)
    assert not {"on_error", "time_limit", "stateful"} & set(element["parameters"])


@pytest.mark.parametrize(
    "field, given, remedy",
    [
        ("stateful", "'yes'", "Use True or False"), ("stateful", "1", "Use True or False"),
        ("on_error", "'ignore'", "Use 'fail', 'skip' or 'retry N'"), ("on_error", "'retry'", "Use 'fail'"),
        ("on_error", "'retry 0'", "Use 'fail'"), ("on_error", "'retry 101'", "from 1 to 100"), ("on_error", "'skip 2'", "Use 'fail'"),
        ("on_error", "None", "Use 'fail'"), ("time_limit", "0", "above 0"), ("time_limit", "-1", "above 0"),
        ("time_limit", "'2h'", "above 0"), ("time_limit", "True", "above 0"), ("time_limit", "float('inf')", "above 0"),
    ],
)  # fmt: skip
def test_a_declaration_that_is_refused(module, field, given, remedy):
    text = broken(module, ("count.single = True", f"count.{field} = {given}"))
    assert text.startswith(f"flow.py, line 13: Count2 has {field} ") and remedy in text


@pytest.mark.parametrize("given, allowed", [("True", True), ("False", False)])
def test_whether_forking_is_safe(module, given, allowed):
    loaded = loader.load_module(module(f"WEFT_FORK = {given}\n" + FLOW))
    assert loader.may_fork(loaded) is allowed
    assert loader.may_fork(loader) is True


def test_whether_forking_is_safe_is_said_by_true_or_false(module):
    problem = describe(module("WEFT_FORK = 'no'\n" + FLOW))["problem"]["detail"]
    assert problem == "flow.py: WEFT_FORK is 'no'. Assign True or False."


def test_a_numpy_index_as_a_key(module):
    pytest.importorskip("numpy")
    path = module("import numpy\n" + FLOW.replace("[0, 'key']", "[numpy.int64(1)]"))
    assert loader.describe(loader.load(path)[2], str(path))["elements"][2]["inputs"][0]["grouping"] == {"by_key": [1]}


@pytest.mark.parametrize("processes", ["0", "-1", "'3'", "1.5"])
def test_an_impossible_number_of_processes(module, processes):
    assert f"Count2 has numprocesses {processes}. Use a whole number" in broken(module, ("(self, 3)", f"(self, {processes})"))


def test_two_pes_with_the_same_id(module):
    source = "from weft import GenericPE, WorkflowGraph\ngraph = WorkflowGraph()\n"
    source += "for i in range(12):\n    pe = GenericPE(); pe.name = 'A' if i == 11 else 'A1' if i == 1 else 'B'; graph.add(pe)\n"
    assert str(refusal(module(source))).startswith("flow.py, line 4: two PEs get the id 'A11'")


def test_all_problems_are_told_at_once(module):
    error = refusal(module(FLOW.replace("connect(lines, 'output'", "connect(lines, 'x'").replace("[0, 'key']", "'y'")))
    assert [one["pointer"] for one in error.document()["errors"]] == ["/source"] * 2 and str(error).startswith("2 problems: ")
