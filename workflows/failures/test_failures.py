# SPDX-License-Identifier: Apache-2.0
"""Whatever a PE does, the run ends, and says truthfully how: which PE, which datum, what happened."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
PROGRAMS = Path(os.environ.get("WEFT_PROGRAMS", FOLDER.parent.parent / ".build" / "debug"))
TOTAL = sum(range(20))
PATIENCE = 60


def attempt(graph, *arguments, layout="spread", patience=PATIENCE):
    """Runs a graph of the gallery: its exit status, its report, and seconds it took."""
    started = time.monotonic()
    done = subprocess.run(
        [str(PROGRAMS / "weft"), "try", "gallery.py", "--graph", graph, "-n", "3", "--layout", layout, "-o", "json", *arguments],
        cwd=FOLDER, capture_output=True, text=True, timeout=patience, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout), time.monotonic() - started, done.stderr


def failure(graph, *arguments, layout="spread"):
    status, report, seconds, _ = attempt(graph, *arguments, layout=layout)
    assert status == 3, report
    assert report["state"] == "failed"
    assert seconds < 30
    return report["failure"]


def total(report):
    ((element, ports),) = report["outputs"].items()
    assert element.startswith("Total")
    return ports["total"]


@pytest.mark.parametrize("layout", ["fused", "spread"])
@pytest.mark.parametrize(
    "graph, element, method",
    [
        ("raise_in_process", "Faulty", ""),
        ("raise_in_preprocess", "Faulty", "preprocess"),
        ("raise_in_postprocess", "Faulty", "postprocess"),
        ("raise_in_source", "FaultySource", ""),
        ("raise_in_preprocess_of_source", "FaultySource", "preprocess"),
        ("raise_in_postprocess_of_source", "FaultySource", "postprocess"),
    ],
)
def test_an_exception_names_pe_method_and_cause(graph, element, method, layout):
    report = failure(graph, layout=layout)
    assert report["cause"] == "exception"
    assert report["element"].startswith(element)
    assert "ValueError: seven is not allowed" in report["message"] and method in report["message"]
    assert 'raise ValueError("seven is not allowed")' in report["traceback"]
    if graph == "raise_in_process":
        assert report["datum_summary"] == "7"


@pytest.mark.parametrize(
    "graph, words",
    [("exit_at_once", ["exited with status 9"]), ("segmentation_fault", ["SIGSEGV"]), ("closed_descriptors", ["exited with status 1"])],
)
def test_a_worker_that_vanishes_is_named(graph, words):
    report = failure(graph)
    assert report["cause"] == "worker"
    assert "Faulty" in report["message"]
    assert all(word in report["message"] for word in words), report


@pytest.mark.parametrize("graph", ["endless_loop", "endless_loop_in_c"])
@pytest.mark.parametrize("layout", ["fused", "spread"])
def test_an_endless_loop_ends_at_its_limit(graph, layout):
    report = failure(graph, layout=layout)
    assert report["cause"] == "time_limit"
    assert "1 s" in report["message"] and "Faulty" in report["message"]


def test_what_cannot_be_sent_is_named():
    report = failure("unpicklable")
    assert report["cause"] == "unpicklable"
    assert report["element"].startswith("Faulty") and "lock" in report["message"]


def test_a_pe_that_leaves_the_interpreter_fails_the_run():
    assert "SystemExit: enough" in failure("system_exit")["message"]


@pytest.mark.parametrize("graph", ["skipped", "skipped_after_its_time"])
@pytest.mark.parametrize("layout", ["fused", "spread"])
def test_a_skipped_datum_is_counted_and_the_rest_arrives(graph, layout):
    status, report, _, errors = attempt(graph, layout=layout)
    assert status == 0 and report["state"] == "succeeded"
    assert report["skipped"] == 1
    assert total(report) == [TOTAL - 7]
    assert "Faulty" in errors and "skipped" in errors


@pytest.mark.parametrize("layout", ["fused", "spread"])
def test_a_call_that_is_retried_writes_once(layout):
    status, report, _, _ = attempt("retried", layout=layout)
    assert status == 0 and total(report) == [TOTAL]


def test_a_call_that_is_retried_in_vain_fails_the_run():
    assert "ConnectionError: try again" in failure("retried_in_vain")["message"]


@pytest.mark.skipif(
    os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < 10e9 or shutil.disk_usage("/dev/shm").free < 4e9,
    reason="needs 10 GB of memory",
)
def test_a_datum_of_three_gigabytes_arrives():
    status, report, _, errors = attempt("three_gigabytes", patience=300)
    assert status == 0, errors
    assert total(report) == [3_000_000_000]


@pytest.mark.parametrize("layout", ["fused", "spread"])
def test_what_a_pe_prints_is_kept(layout):
    status, report, _, errors = attempt("talkative", layout=layout)
    assert status == 0 and total(report) == [TOTAL]
    for number in range(20):
        for text in ("printed", "written", "past sys.stdout", "error", "logged"):
            assert f"{text} {number}\n" in errors, (text, number)


@pytest.mark.parametrize("graph", ["closed_standard_input", "read_standard_input"])
def test_standard_input_is_empty_and_may_be_closed(graph):
    status, report, _, errors = attempt(graph)
    assert status == 0, errors
    assert total(report) == [TOTAL]


def test_a_run_that_takes_too_long_is_ended():
    report = failure("run_time_limit", "--time-limit", "2")
    assert report["cause"] == "time_limit" and "2 s" in report["message"]
