# SPDX-License-Identifier: Apache-2.0
"""Declarations of PEs that run inside the rank."""

import re
from pathlib import Path

import pytest

from weft import WorkflowGraph, loader, native

CATALOGUE = Path(__file__).resolve().parents[2] / "Sources/Core/NativeElements/Catalogue/NativeCatalogue+Operations.swift"


def test_a_declaration():
    pe = native.filter(expression="value > 3")
    assert (pe.operation, pe.parameters, pe.name) == ("filter", {"expression": "value > 3"}, "filter")
    assert pe.inputconnections == {"input": {"name": "input"}} and list(pe.outputconnections) == ["output"]
    with pytest.raises(RuntimeError, match="is a native PE, which runs inside a rank"):
        pe.process({"input": 1})


@pytest.mark.parametrize("parameters, inputs", [({"path": "a.txt"}, []), ({}, ["input"]), ({"path": None}, ["input"])])
def test_a_source_has_no_input(parameters, inputs):
    assert list(native.lines(**parameters).inputconnections) == inputs


@pytest.mark.parametrize("key, grouping", [(["a", 1], ["a", 1]), ("a", ["a"]), (0, [0])])
def test_a_key_groups(key, grouping):
    assert native.count(key=key).inputconnections["input"]["grouping"] == grouping


def test_an_operation_that_is_not_there():
    with pytest.raises(AttributeError, match="there is no native PE 'nope'; there are: files, read_text"):
        native.nope
    with pytest.raises(ValueError, match="there is no native PE 'nope'"):
        native.NativePE("nope")


def test_a_parameter_that_is_no_json():
    graph = WorkflowGraph()
    graph.add(native.top_k(size=object()))
    graph.flatten()
    with pytest.raises(loader.LoadError, match="test_native.py, line .*: top_k0 has parameters that cannot be written as JSON"):
        loader.describe(graph, __file__)


@pytest.mark.skipif(not CATALOGUE.exists(), reason="the sources of the rank are not here")
def test_the_operations_are_those_of_the_rank():
    text = CATALOGUE.read_text()
    described = re.findall(r'(?:OperationDescription|aggregate|writer)\(\s*"([a-z_]+)"', text)
    assert sorted(described) == sorted(native.OPERATIONS)
