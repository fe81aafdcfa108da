# SPDX-License-Identifier: Apache-2.0
"""PEs by themselves: ports, processing, both spellings."""

import functools

import pytest

from weft import BasePE, ConsumerPE, GenericPE, IterativePE, ProducerPE, SimpleFunctionPE


def test_ports_are_declared_by_methods_by_assignment_or_later():
    class Assigned(GenericPE):
        def __init__(self):
            GenericPE.__init__(self)
            self.inputconnections = {"a": {"name": "a"}}
            self.outputconnections = {"b": {"name": "b", "type": ["number"]}}

    pe = GenericPE(numprocesses=3)
    pe._add_input("in", grouping=[0], tuple_type=["text"])
    pe._add_output("out", ["number"])
    assert pe.inputconnections == {"in": {"name": "in", "grouping": [0], "type": ["text"]}}
    assert pe.outputconnections == {"out": {"name": "out", "type": ["number"]}}
    assert pe.numprocesses == 3
    assert pe.get_output_types() == pe.getOutputTypes() == {"out": ["number"]}
    other = Assigned()
    other.inputconnections["a"]["grouping"] = "global"
    assert list(other.inputconnections) == ["a"] and list(other.outputconnections) == ["b"]
    assert (other.name, other.single) == ("Assigned", False) and other.id.startswith("Assigned")


@pytest.mark.parametrize("spelling", [("num_inputs", "num_outputs"), ("numInputs", "numOutputs")])
def test_base_pe_numbers_its_ports_in_both_spellings(spelling):
    pe = BasePE(["x"], ["y"], **dict(zip(spelling, (2, 1))))
    assert list(pe.inputconnections) == ["input0", "input1", "x"]
    assert list(pe.outputconnections) == ["output0", "y"]


def test_generic_pe_passes_the_whole_dictionary():
    class Echo(GenericPE):
        def _process(self, inputs):
            return {"out": inputs}

    assert Echo().process({"a": 1}) == {"out": {"a": 1}}


@pytest.mark.parametrize("value", [0, [], "", False])
def test_iterative_pe_sends_falsy_values(value):
    class Fixed(IterativePE):
        def _process(self, data):
            return value

    assert Fixed().process({"input": 1}) == {"output": value}


def test_none_sends_nothing():
    for pe in (IterativePE(), ProducerPE(), ConsumerPE(), GenericPE()):
        assert pe.process({"input": 1}) is None


def test_producer_with_and_without_an_argument():
    class New(ProducerPE):
        def _process(self, inputs):
            return inputs

    class Old(ProducerPE):
        def _process(self):
            return 1

    assert New().process({"seed": 2}) == {"output": {"seed": 2}}
    assert Old().process({}) == {"output": 1}


def test_consumer_drops_what_it_returns():
    class Consumer(ConsumerPE):
        def _process(self, data):
            self.seen = data
            return data

    pe = Consumer()
    assert pe.process({"input": 5}) is None and pe.seen == 5


def test_simple_function_pe():
    def scale(data, factor=1):
        return data * factor

    pe = SimpleFunctionPE(scale, {"factor": 3})
    assert pe.name == "PE_scale"
    assert pe.process({"input": 2}) == {"output": 6}


@pytest.mark.parametrize(
    "arguments", [{"compute_fn": abs}, {"compute_fn": abs, "params": None}, {"params": {}, "compute_fn": abs}]
)
def test_simple_function_pe_by_keyword(arguments):
    pe = SimpleFunctionPE(**arguments)
    assert (pe.name, pe.process({"input": -2})) == ("PE_abs", {"output": 2})


def test_a_function_given_later_and_none_at_all():
    pe = SimpleFunctionPE()
    assert pe.process({"input": 1}) is None
    pe.compute_fn, pe.params = (lambda data, n: data + n), {"n": 2}
    assert pe.process({"input": 1}) == {"output": 3}


def test_a_partial_is_named_after_its_function():
    assert SimpleFunctionPE(functools.partial(functools.partial(pow, 2), 3)).name == "PE_pow"


def test_what_is_not_declared():
    pe = GenericPE()
    assert (pe.stateful, pe.on_error, pe.time_limit, pe.single) == (None, "fail", None, False)


def test_life_cycle_methods_call_their_underscored_ones():
    calls = []

    class Recorder(GenericPE):
        def _preprocess(self):
            calls.append("before")

        def _postprocess(self):
            calls.append("after")

    pe = Recorder()
    pe.preprocess()
    pe.postprocess()
    assert calls == ["before", "after"]


def test_log_names_pe_and_rank(capsys):
    pe = GenericPE()
    pe.id = "Split1"
    pe.log("hello")
    pe.rank = 3
    pe.log("hello")
    assert capsys.readouterr().out == "Split1: hello\nSplit1 (rank 3): hello\n"


def test_write_outside_a_run_is_refused():
    pe = IterativePE()
    with pytest.raises(KeyError, match="Unknown output connection 'nope'"):
        pe.write("nope", 1)
    with pytest.raises(RuntimeError, match="not running in a workflow"):
        pe.write("output", 1, metadata={}, location="x")
