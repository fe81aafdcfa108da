# SPDX-License-Identifier: Apache-2.0
"""`import dispel4py` means Weft: names, and programs that give what they give with dispel4py 2.9.1."""

import importlib
import subprocess
import sys
import textwrap

import pytest
from rank import PACKAGE

import weft
from weft import compat, drawing
from weft.simple import process_and_return

#: All public names of stream-d4py 2.9.1's modules that a workflow may import, but for what runs a graph there.
NAMES = {
    "dispel4py.core": "Any DESCRIPTION Dict GROUPING GenericPE List META NAME Optional TYPE WRITER uuid",
    "dispel4py.base": "Any BasePE Callable CompositePE ConsumerPE Dict GenericPE IterativePE List NAME Optional ProducerPE "
    "SimpleFunctionPE WorkflowGraph abstractmethod create_iterative_chain",
    "dispel4py.workflow_graph": "DIRECTION FROM_CONNECTION GenericPE TO_CONNECTION WorkflowGraph WorkflowNode draw drawDot nx sys "
    "write_image",
    "dispel4py.utils": "WorkflowGraph chain copy deque dict_handler findWorkflowGraph getsizeof import_module loadGraph loadGraphFromFile "
    "load_graph make_hash os sys total_size traceback",
    "dispel4py.visualisation": "display drawDot",
    "dispel4py.new.aggregate": "AggregatePE AverageParallelPE AverageReducePE ContinuousReducePE CountPE GenericPE MaxPE MinPE StdDevPE "
    "StdDevReducePE SumPE WorkflowGraph math parallel_aggregate parallel_avg parallel_count parallel_max parallel_min parallel_std_dev "
    "parallel_sum",
    "dispel4py.new.logger": "coloredlogs format inspect logger logging print_stack_trace simpleLogger",
    "dispel4py.new.mappings": "config",
    "dispel4py.new.monitoring": "MonitoringWrapper ProcessTimingPE ReadTimingWrapper Timer time",
    "dispel4py.new.processor": "AllToOneCommunication Any GROUPING GenericPE GenericWrapper GenericWriter GroupByCommunication "
    "OneToAllCommunication STATUS STATUS_ACTIVE STATUS_INACTIVE STATUS_TERMINATED ShuffleCommunication SimpleProcessingPE SimpleWriter "
    "Tuple WorkflowGraph abstractmethod argparse assign_and_connect check_commandline_argument config contextlib copy create_arg_parser "
    "create_inputs create_partitioned get_inputs get_inputs_from_arguments get_partitions get_partitions_adv load_graph_and_inputs main "
    "make_hash map_inputs_to_partitions os parse_common_args simple_logger sys time types",
    "dispel4py.new.simple_process": "GenericWrapper SimpleProcessingPE SimpleProcessingWrapper main process process_and_return processor "
    "simpleLogger types",
    "dispel4py.new.multi_process": "MultiProcessingWrapper parse_args process",
    "dispel4py.new.mpi_process": "MPIWrapper parse_args process",
    "dispel4py.provenance": "ASTGrouped AccumulateFlow AccumulateStateTrace Any CommandLineInputs ForceStateless GenericPE HTTPConnection "
    "INPUT_NAME IntermediateStatefulOut IterativePE MyProvenanceRecorderWithFeedback NAME Nby1Flow NewWorkflowRun OUTPUT_DATA "
    "OUTPUT_METADATA PIPE PassThroughPE Popen ProvenanceIterativePE ProvenanceRecorder ProvenanceRecorderToFile "
    "ProvenanceRecorderToFileBulk ProvenanceRecorderToService ProvenanceRecorderToServiceBulk ProvenanceSimpleFunctionPE ProvenanceType "
    "SPROV_CL_D4PY_INPUT SimpleFunctionPE SingleInvocationFlow SlideFlow UpdateWorkflowRun WorkflowGraph argparse "
    "attachProvenanceRecorderPE chain clean_empty collections commandChain components_type_str_list_2_class_tuple configure_prov_run "
    "create_provenance_argparser datetime deepcopy dispel4py getDestination_prov getUniqueId get_source init_provenance_config "
    "injectProv inspect json jwt load_provenance_config make_hash meta namespaces new_process num os prov_save_mode provclusters "
    "simple_process socket sys toW3Cprov total_size traceback ujson update_prov_run update_prov_state urlencode urlparse uuid write "
    # Earlier releases:
    "InitiateNewRun ProvenancePE SeismoPE attachProvenancePE profile_prov_run",
    "dispel4py.seismo.seismo": "SeismoPE ProvenancePE",
    "dispel4py.GenericPE": "GenericPE NAME TYPE GROUPING",
    "dispel4py.examples.graph_testing.testing_PEs": "GROUPING GenericPE NAME NumberProducer ProvenanceLogger RandomFilter "
    "RandomWordProducer TYPE TestDelayOneInOneOut TestMultiProducer TestOneInOneOut TestOneInOneOutWriter TestProducer TestTwoInOneOut "
    "WordCounter random time traceback",
}


@pytest.fixture(autouse=True)
def aliases():
    compat.install()


@pytest.mark.parametrize("module", NAMES)
def test_names_resolve(module):
    imported = importlib.import_module(module)
    for name in NAMES[module].split():
        assert hasattr(imported, name), name
        assert getattr(imported, name) is getattr(weft, name, getattr(imported, name))


@pytest.mark.parametrize("module", NAMES)
def test_everything_can_be_imported_at_once(module):
    exec(f"from {module} import *", {})


def test_the_alias_wins_over_an_installed_dispel4py(tmp_path):
    (tmp_path / "dispel4py").mkdir()
    for name in ("__init__", "core", "extra"):
        (tmp_path / "dispel4py" / f"{name}.py").write_text("raise RuntimeError('the installed one')")
    sys.path.insert(0, str(tmp_path))
    from dispel4py.core import GenericPE

    assert GenericPE is weft.GenericPE
    with pytest.raises(ModuleNotFoundError):
        import dispel4py.extra  # noqa: F401


def test_the_alias_wins_over_one_that_is_imported_already(tmp_path):
    (tmp_path / "dispel4py").mkdir()
    for name in ("__init__", "core"):
        (tmp_path / "dispel4py" / f"{name}.py").write_text("GenericPE = None")
    code = "import dispel4py.core; from weft import compat; compat.install(); import dispel4py.core as c; print(c.GenericPE.__module__)"
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": f"{tmp_path}:{PACKAGE}"}, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "weft.elements"


def test_what_a_workflow_does_not_import_is_not_loaded():
    code = "import sys; from weft import loader; loader.compat.install(); import dispel4py.base; print(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": PACKAGE}, capture_output=True, text=True, check=True)
    assert not {"weft.provenance", "weft.aggregates", "weft.simple", "weft.command"} & set(run.stdout.split())


def test_a_name_that_cannot_work_says_so_when_it_is_used():
    from dispel4py.new.mpi_process import process
    from dispel4py.new.processor import GenericWrapper
    from dispel4py.provenance import toW3Cprov

    class Wrapper(GenericWrapper):
        pass

    for use in (process, Wrapper):
        with pytest.raises(NotImplementedError, match="does not exist in Weft: Weft plans and runs the graph itself, with 'weft try"):
            use(None, {})
    with pytest.raises(NotImplementedError, match="'weft prov' shows and exports"):
        toW3Cprov({})
    with pytest.raises(ImportError):
        from dispel4py.new.mpi_process import rank  # noqa: F401


def test_calls_of_provenance_on_any_pe_are_accepted():
    pe = weft.GenericPE()
    assert pe.ignorePastFlow() is None and pe.addNamespacePrefix("a", "b") is None
    pe.update_prov_state("name", 1, "location", metadata={})
    pe.addToProvState("name", None, ignore_inputs=False)


def test_a_logger_writes_to_standard_error(capsys):
    from dispel4py.new.logger import logger, simpleLogger

    logger.info("hello %d", 7)
    pe = weft.GenericPE()
    pe.id = "A0"
    simpleLogger(pe, "there")
    printed = capsys.readouterr()
    assert printed.err.endswith("INFO hello 7\n") and printed.out == "A0: there\n"


# Programs, with what dispel4py 2.9.1 returns for them under its simple mapping.

CHAIN = """
    from dispel4py.base import create_iterative_chain
    from dispel4py.examples.graph_testing.testing_PEs import TestProducer
    from dispel4py.workflow_graph import WorkflowGraph
    def addTwo(data): return 2 + data
    def subtract(data, n): return data - n
    composite = create_iterative_chain([addTwo, (subtract, {"n": 1}), [subtract, {"n": 3}]], name_suffix="_x")
    graph = WorkflowGraph()
    graph.connect(TestProducer(), "output", composite, "input")
    inputs = {"TestProducer": 3}
"""
COMPOSITES = """
    from dispel4py.base import *
    from dispel4py.examples.graph_testing.testing_PEs import *
    def make(graph, n=1, label="x"):
        pes = [TestOneInOneOutWriter() for _ in range(n)]
        for a, b in zip(pes, pes[1:]):
            graph.connect(a, "output", b, "input")
        graph._map_input("in", pes[0], "input")
        graph._map_output("out", pes[-1], "output")
    class Comp(CompositePE):
        def __init__(self, n):
            CompositePE.__init__(self, make, {"n": n, "label": "y"})
    class Times(IterativePE):
        def __init__(self, k):
            IterativePE.__init__(self); self.k = k
        def _process(self, data):
            return data * self.k
    class Own(CompositePE):
        def __init__(self):
            CompositePE.__init__(self)
            a = Times(3); b = TestOneInOneOut()
            self.connect(a, "output", b, "input")
            self._map_input("in", a, "input"); self._map_output("out", b, "output")
    graph = WorkflowGraph()
    p = TestProducer(2)
    graph.connect(p, "output0", Comp(3), "in")
    c2 = Own(); last = TestOneInOneOut()
    graph.connect(p, "output1", c2, "in")
    graph.connect(c2, "out", last, "input")
    inputs = {p: 4}
"""
PORTS = """
    from dispel4py.core import GenericPE, NAME, TYPE, GROUPING
    from dispel4py.base import BasePE, ProducerPE
    from dispel4py.workflow_graph import WorkflowGraph
    class P(ProducerPE):
        def _process(self, inputs):
            for i in range(2):
                more = dict(metadata={"a": 1}, location="x", format="y", control={}, ignore_inputs=True, dep=[])
                self.write("output", {"k": i % 2, "v": i}, **more)
    class B(BasePE):
        def __init__(self): BasePE.__init__(self, inputs=["data"], outputs=["res"], num_inputs=1, num_outputs=2)
        def process(self, inputs):
            return {"output0": inputs["data"]["v"], "output1": 0, "res": [inputs["data"]["k"], inputs["data"]["v"]]}
    class G(GenericPE):
        def __init__(self):
            GenericPE.__init__(self, 2)
            self.inputconnections = {"a": {NAME: "a", GROUPING: [0]}, "b": {NAME: "b"}}
            self.outputconnections = {"o": {NAME: "o", TYPE: ["n"]}}
            self.got = []
        def process(self, inputs):
            self.got.append(sorted(inputs))
            if "a" in inputs: self.write("o", inputs["a"])
            return {"o": None} if "b" in inputs else None
        def _postprocess(self): self.write("o", len(self.got))
    p, b, g = P(), B(), G()
    g.inputconnections["b"]["grouping"] = "global"
    g.numprocesses = 3
    g.single = True
    graph = WorkflowGraph()
    graph.connect(p, "output", b, "data")
    graph.connect(b, "res", g, "a")
    graph.connect(b, "output0", g, "b")
    inputs = {"P": [{}]}
"""
AGGREGATES = """
    from dispel4py.new.aggregate import *
    from dispel4py.core import GenericPE
    class Pairs(GenericPE):
        def __init__(self):
            GenericPE.__init__(self); self._add_output("output")
        def _process(self, _):
            for i in (3, 1, 7, 5): self.write("output", (i, i * i, "x"))
    src = Pairs()
    graph = WorkflowGraph()
    for pe in (CountPE(), MinPE([0, 1]), MaxPE([0, 1]), SumPE([0, 1]), AverageParallelPE()):
        graph.connect(src, "output", pe, "input")
    for composite in (parallel_count(), parallel_min(), parallel_max([0, 1]), parallel_avg()):
        graph.connect(src, "output", composite, "input")
    inputs = {src: 1}
"""
STATE = """
    from dispel4py.core import GenericPE
    from dispel4py.base import ProducerPE, ConsumerPE
    from dispel4py.workflow_graph import WorkflowGraph
    class Lines(ProducerPE):
        def _process(self, inputs):
            for w in inputs["text"].split(): self.write("output", [w, 1])
    class Count(GenericPE):
        def __init__(self):
            GenericPE.__init__(self)
            self._add_input("input", grouping=[0]); self._add_output("output"); self.c = {}
        def process(self, inputs):
            w, n = inputs["input"]; self.c[w] = self.c.get(w, 0) + n
        def postprocess(self):
            for item in sorted(self.c.items()): self.write("output", item)
    class Sink(ConsumerPE):
        def __init__(self):
            ConsumerPE.__init__(self); self._add_output("done"); self.n = 0
        def _process(self, d):
            self.n += d[1]; self.write("done", "%s=%d" % tuple(d)); return "dropped"
        def _postprocess(self): self.write("done", self.n)
    lines, count, sink = Lines(), Count(), Sink()
    graph = WorkflowGraph()
    graph.connect(lines, "output", count, "input")
    graph.connect(count, "output", sink, "input")
    inputs = {"Lines": [{"text": "a b a c"}, {"text": "c a"}]}
"""
MAPPINGS = """
    from dispel4py.workflow_graph import WorkflowGraph
    from dispel4py.base import IterativePE
    from dispel4py.examples.graph_testing.testing_PEs import TestProducer, WordCounter, TestOneInOneOut
    class Wrap(IterativePE):
        def _process(self, d): return ["w%d" % (d % 2)]
    part = WorkflowGraph(); w, c = Wrap(), WordCounter()
    part.connect(w, "output", c, "input")
    part.inputmappings = {"in": (w, "input")}
    part.outputmappings = {"out": (c, "output")}
    p, o = TestProducer(), TestOneInOneOut()
    graph = WorkflowGraph()
    graph.add(p)
    graph.connect(p, "output", part, "in")
    graph.connect(part, "out", o, "input")
    for n in graph.graph.nodes():
        n.get_contained_object().numprocesses = 1
    inputs = {p: 3}
"""
PROVENANCE = """
    from dispel4py.core import GenericPE
    from dispel4py.workflow_graph import WorkflowGraph
    from dispel4py.provenance import *
    from dispel4py.new.processor import *
    from dispel4py.base import SimpleFunctionPE
    def sq(data, prov_cluster="c"):
        return {"_d4p_prov": {"format": "Random float", "metadata": {"v": str(data)}}, "_d4p_data": data * data}
    class Src(GenericPE):
        def __init__(self):
            GenericPE.__init__(self); self._add_input("input"); self._add_output("output")
        def _process(self, inputs):
            n = inputs["input"][0]
            while n > 0:
                self.write("output", n, metadata={"iter": n}); n -= 5
    class Cross(GenericPE):
        def __init__(self):
            GenericPE.__init__(self); self._add_input("a"); self._add_input("b"); self._add_output("output"); self.x = []; self.y = []
        def _process(self, inputs):
            if "a" in inputs:
                self.x.append(inputs["a"]); self.update_prov_state("a%d" % len(self.x), inputs["a"], metadata={"r": 1}, ignore_inputs=False)
                for v in self.y: self.write("output", (inputs["a"], v), metadata={"m": 1}, dep=["b1"])
            else:
                self.y.append(inputs["b"]); self.update_prov_state("b1", None)
                for v in self.x: self.write("output", (v, inputs["b"]), dep=["a1"])
    s = Src(); s.name = "PE_source"
    f = SimpleFunctionPE(sq, {"prov_cluster": "my"}); cross = Cross()
    graph = WorkflowGraph()
    graph.connect(s, "output", f, "input"); graph.connect(s, "output", cross, "a"); graph.connect(f, "output", cross, "b")
    inputs = {"PE_source": [{"input": [10]}]}
"""
PROGRAMS = {
    "chain": (CHAIN, {"PE_subtract_x2": {"output": [-1, 0, 1]}}),
    "composites": (
        COMPOSITES, {"TestOneInOneOutWriter2": {"output": [1, 2, 3, 4]}, "TestOneInOneOut6": {"output": [3, 6, 9, 12]}}
    ),
    "ports": (PORTS, {"B1": {"output1": [0, 0]}, "G2": {"o": [None, [0, 0], None, [1, 1], 4]}}),
    "aggregates": (
        AGGREGATES,
        {
            "CountPE1": {"output": [[4]]}, "MinPE2": {"output": [[1, 1]]}, "MaxPE3": {"output": [[7, 49]]},
            "SumPE4": {"output": [[16, 84]]}, "AverageParallelPE5": {"output": [[4.0, 4, 16]]}, "CountReduce7": {"output": [[4]]},
            "MinPE9": {"output": [[1]]}, "MaxPE11": {"output": [[7, 49]]}, "AverageReducePE13": {"output": [[4.0, 4, 16]]},
        },
    ),
    "state": (STATE, {"Sink2": {"done": ["a=3", "b=1", "c=2", 6]}}),
    "mappings": (MAPPINGS, {"TestOneInOneOut3": {"output": [["w1", 1], ["w0", 1], ["w1", 2]]}}),
    "provenance": (PROVENANCE, {"Cross2": {"output": [(10, 100), (5, 100), (10, 25), (5, 25)]}}),
}  # fmt: skip


def load(source):
    program = {"__name__": "flow"}
    exec(textwrap.dedent(source), program)
    return program


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_returns_what_it_returns_with_dispel4py(name):
    source, expected = PROGRAMS[name]
    program = load(source)
    assert process_and_return(program["graph"], program["inputs"]) == expected


def test_the_old_spelling_of_a_program():
    source = CHAIN.replace("[subtract, {", "(subtract, {").replace("3}]]", "3})]").replace(
        "name_suffix=", "FunctionPE_class=__import__('dispel4py.base').base.SimpleFunctionPE, name_suffix="
    )
    source = source.replace('TestProducer(), "output", composite, "input"', 'fromNode=TestProducer(), fromConnection="output", '
                            'toNode=composite, toConnection="input"')  # fmt: skip
    program = load(source)
    assert process_and_return(program["graph"], program["inputs"]) == PROGRAMS["chain"][1]


def test_a_timed_pe_does_and_says_what_it_did(capsys):
    program = load("""
        from dispel4py.new.monitoring import ProcessTimingPE
        from dispel4py.base import IterativePE, WorkflowGraph
        from dispel4py.examples.graph_testing.testing_PEs import TestProducer
        class Total(IterativePE):
            'Adds up.'
            def __init__(self):
                IterativePE.__init__(self); self.total = 0
            def _process(self, data): self.total += data
            def _postprocess(self): self.write("output", self.total)
        timed = ProcessTimingPE(Total())
        graph = WorkflowGraph()
        graph.connect(TestProducer(), "output", timed, "input")
        inputs = {"TestProducer": 4}
    """)
    timed = program["timed"]
    assert isinstance(timed, program["Total"]) and type(timed).__doc__ == "Adds up." and timed.name == "Total"
    assert process_and_return(program["graph"], program["inputs"]) == {"Total1": {"output": [10]}}
    printed = capsys.readouterr().out
    assert printed.startswith("Total1: Average processing time: ") and 0 < float(printed.split()[-1]) < 1
    assert timed.times_count == 4 and "times_count" not in vars(timed)


def test_results_by_mapping_and_printed(capsys):
    from dispel4py.new.simple_process import process

    program = load(CHAIN)
    assert process_and_return(program["graph"], {"TestProducer": 1}, {"TestProducer3": ["output"]}) == {"TestProducer3": {"output": [1]}}
    program = load(CHAIN)
    process(program["graph"], {"TestProducer": 1})
    assert capsys.readouterr().out == "Inputs: {'TestProducer': 1}\nOutputs: {'PE_subtract_x2': {'output': [-1]}}\n"


def test_a_graph_that_cannot_be_run_here_is_refused():
    graph, a, b = weft.WorkflowGraph(), weft.IterativePE(), weft.IterativePE()
    graph.connect(a, "output", b, "input")
    graph.connect(b, "output", a, "input")
    with pytest.raises(ValueError, match="cycle"):
        process_and_return(graph, {})


def test_utilities(tmp_path):
    from dispel4py.utils import load_graph, make_hash, total_size

    assert total_size([1, [2, 3]]) > total_size([1])
    same = [1, 2]
    assert total_size([same, same]) < total_size([same, [1, 2, 3]]) + sys.getsizeof(0)
    assert make_hash({"a": [1, {2}]}) == make_hash({"a": [1, {2}]}) != make_hash({"a": [1, {3}]})
    assert make_hash((object, 1)) == make_hash((object, 1))
    (tmp_path / "flow_of_a_file.py").write_text("from weft import WorkflowGraph\na = WorkflowGraph()\nb = WorkflowGraph()\n")
    path = str(tmp_path / "flow_of_a_file.py")
    assert load_graph(path, "a") is sys.modules["flow_of_a_file"].a
    assert load_graph(path) is sys.modules["flow_of_a_file"].b


def test_a_graph_is_drawn(tmp_path, monkeypatch, capsys):
    program = load(COMPOSITES)
    text = drawing.draw(program["graph"])
    assert text.startswith("digraph workflow {") and text.count("subgraph cluster_") == 2 and text.count(" -> ") == 6
    assert "pe0:o0 -> pe1:i0;" in text
    monkeypatch.setenv("PATH", str(tmp_path))
    drawing.write_image(program["graph"], str(tmp_path / "graph.png"))
    assert "graph.png is not written: a picture of the graph needs Graphviz's program 'dot'" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="install graphviz"):
        drawing.drawDot(program["graph"])
    dot = tmp_path / "dot"
    dot.write_text(f"#!{sys.executable}\nimport sys\nprint(sys.argv[2], sys.stdin.read()[:7])\n")
    dot.chmod(0o755)
    drawing.write_image(program["graph"], str(tmp_path / "graph.svg"), "svg")
    assert (tmp_path / "graph.svg").read_text() == "svg digraph\n" and len(list(tmp_path.iterdir())) == 2
