# SPDX-License-Identifier: Apache-2.0
"""Runs every example as its README says, with the built programs, and checks its results on several numbers of ranks."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent
PROGRAMS = Path(os.environ.get("WEFT_PROGRAMS", EXAMPLES.parent / ".build" / "debug"))
MODULES = {
    "seismology": "cross_correlation.py",
    "text_statistics": "word_count.py",
    "climatology": "temperature_cycles.py",
}


class Weft:
    """An installation of its own, in a folder with a short path: a Unix socket's has at most 107 bytes."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="weft-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.environment = dict(os.environ, WEFT_DATA=str(self.folder / "data"), XDG_CONFIG_HOME=str(self.folder / "config"))
        self.environment.pop("WEFT_SERVER", None)

    def __call__(self, *arguments, timeout=600):
        return execute([PROGRAMS / "weft", *arguments], timeout, env=self.environment)

    def remove(self):
        # Runs do not end with the server; one that hangs must not outlive its test.
        for run in self("run", "list", "--state", "running", "-o", "name").split():
            self("run", "cancel", run)
        self("down")
        shutil.rmtree(self.folder)


def execute(command, timeout=60, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=timeout, **options)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def weft():
    installation = Weft()
    try:
        installation("up")
        yield installation
    finally:
        installation.remove()


@pytest.fixture(scope="module", params=MODULES)
def example(request, weft):
    """Name of the example, and path of its inputs; the graph is registered as test/<name>."""
    name = request.param
    folder = EXAMPLES / name
    weft(
        *("graph", "register", folder / MODULES[name], "--name", f"test/{name}"),
        *("--requirements", folder / "requirements.txt"),
    )
    inputs = execute([sys.executable, folder / "prepare.py", weft.folder / name]).strip()
    return name, inputs


@pytest.mark.parametrize("ranks", [1, 2, 4, 9])
def test_results_are_as_expected_on_any_number_of_ranks(weft, example, ranks):
    name, inputs = example
    run = weft("run", "submit", f"test/{name}", "-f", inputs, "-n", ranks, "--wait", "--timeout", 120, "-o", "name").strip()
    results = weft.folder / f"{name}-{ranks}.json"
    results.write_text(weft("run", "results", run, "--limit", "0", "-o", "json"))
    check = [sys.executable, EXAMPLES / name / "check.py", results]
    execute(check + ["--inputs", inputs] if name == "text_statistics" else check)


def test_lineage_of_a_correlation_leads_to_the_two_recordings_it_was_made_from(weft):
    run = json.loads(weft("run", "list", "--graph", "test/seismology", "-o", "json"))[0]["id"]
    results = json.loads(weft("run", "results", run, "--limit", "0", "-o", "json"))
    assert len(results) == 15
    for result in results:
        trace = json.loads(weft("prov", "trace", result["datum"], "--back", "--depth", "50", "-o", "json"))
        assert not trace["truncated"]
        data = [step["datum"] for step in trace["steps"]]
        files = {Path(datum["attributes"]["value"]["input"]).name for datum in data if datum["port"] == "input"}
        assert {name.split(".D.")[0].replace("._.", "..") for name in files} == set(result["value"]["pair"])
        written = Path(data[0]["attributes"]["location"])
        assert json.loads(written.read_text())["pair"] == result["value"]["pair"]
        assert sum(datum["element"].startswith("Correlate") for datum in data) == result["value"]["windows"]
