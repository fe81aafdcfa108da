# SPDX-License-Identifier: Apache-2.0
"""Runs the example of native PEs with the built programs: without a server, and on one."""

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from test_examples import EXAMPLES, PROGRAMS, execute, weft  # noqa: F401 (weft is a fixture)

FOLDER = EXAMPLES / "native"
READINGS = FOLDER / "readings.csv"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
INPUTS = json.dumps({"Read": [{"input": str(READINGS)}]})


def means(path):
    with open(path, newline="") as file:
        return {row["station"]: float(row["mean"]) for row in csv.DictReader(file)}


def check(outputs, path):
    assert outputs == EXPECTED["warmest"]
    assert means(path) == EXPECTED["means"]


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("layout", ["fused", "spread"])
def test_results_are_as_expected_without_a_server(tmp_path, ranks, layout):
    shutil.copy(READINGS, tmp_path)
    inputs = json.dumps({"Read": [{"input": "readings.csv"}]})
    command = [PROGRAMS / "weft", "try", FOLDER / "stations.yaml", "-d", inputs, "-n", ranks, "--layout", layout, "-o", "json"]
    report = json.loads(execute(command, 120, cwd=tmp_path))
    check(report["outputs"]["Warmest5"]["output"], tmp_path / "means.csv")
    assert report["outputs"]["Write4"]["output"] == [str(tmp_path / "means.csv")]
    assert {"means.csv", "readings.csv"} == {path.name for path in tmp_path.iterdir()}


def test_python_and_native_pes_join(tmp_path):
    (tmp_path / "mixed.py").write_text("""
from weft import IterativePE, ProducerPE, WorkflowGraph, native


class Produce(ProducerPE):
    def _process(self, inputs):
        for number in range(1000):
            self.write("output", {"number": number, "parity": ("even", "odd")[number % 2], "big": 1 << 80, "none": None})


class Square(IterativePE):
    def _process(self, data):
        return {**data, "square": data["number"] ** 2}


graph = WorkflowGraph()
keep, square, total = native.filter(expression="number < 100 and big > 0"), Square(), native.sum(key=["parity"], field="square")
total.numprocesses = 3
graph.connect(Produce(), "output", keep, "input")
graph.connect(keep, "output", square, "input")
graph.connect(square, "output", total, "input")
""")
    report = json.loads(execute([PROGRAMS / "weft", "try", "mixed.py", "-n", 2, "-o", "json"], 120, cwd=tmp_path))
    outputs = [output for element, ports in report["outputs"].items() if element.startswith("sum") for output in ports["output"]]
    expected = [{"parity": parity, "sum": sum(n * n for n in range(100) if n % 2 == odd)} for odd, parity in enumerate(("even", "odd"))]
    assert sorted(outputs, key=lambda output: output["parity"]) == expected


def test_data_that_are_not_plain_are_refused_by_name(tmp_path):
    (tmp_path / "dates.py").write_text("""
import datetime
from weft import ProducerPE, WorkflowGraph, native


class Produce(ProducerPE):
    def _process(self, inputs):
        return datetime.date(2026, 1, 1)


graph = WorkflowGraph()
graph.connect(Produce(), "output", native.count(), "input")
""")
    command = [PROGRAMS / "weft", "try", "dates.py", "-o", "json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    failure = json.loads(done.stdout)["failure"]
    assert failure["element"] == "count1"
    assert "a value of datetime.date: native PEs read plain data only" in failure["message"]


def test_results_are_as_expected_on_a_server(weft):  # noqa: F811
    weft("graph", "register", FOLDER / "stations.yaml", "--name", "test/stations")
    run = weft("run", "submit", "test/stations", "-d", INPUTS, "-n", 2, "--wait", "--timeout", 60, "-o", "name").strip()
    results = json.loads(weft("run", "results", run, "--limit", "0", "-o", "json"))
    warmest = [result["value"] for result in results if result["element"] == "Warmest5"]
    [written] = [result for result in results if result["element"] == "Write4"]
    check(warmest, written["value"])
    trace = json.loads(weft("prov", "trace", written["datum"], "--back", "--depth", "50", "-o", "json"))
    assert trace["steps"][0]["datum"]["attributes"]["format"] == "text/csv"
    assert any(step["datum"].get("attributes") == {"value": {"input": str(READINGS)}} for step in trace["steps"])


def test_mistakes_in_a_graph_are_told_at_registration(weft, tmp_path):  # noqa: F811
    graph = tmp_path / "wrong.yaml"
    graph.write_text("elements:\n- name: A\n  native: filter\n  parameters: {expression: 'value >'}\n")
    environment = dict(os.environ, **weft.environment)
    done = subprocess.run([PROGRAMS / "weft", "graph", "register", graph], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "wrong.yaml, line 4: element 'A', parameter 'expression': column 8: the expression ends where a value is due" in done.stderr
