# SPDX-License-Identifier: Apache-2.0
import json
import os
import sys
import time

import pytest

import measures
import processes
import programs
import sessions
import sites


def shell(script, time_limit=30, **options):
    return processes.run(["sh", "-c", script], time_limit, **options)


def test_cpu_time_of_an_orphan_counts():
    spin = f"{sys.executable} -c 'import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass'"
    assert shell(f"({spin} &)").cpu_seconds >= 0.5


def test_a_command_is_ended_with_its_children_when_its_time_is_over():
    began = time.monotonic()
    ended = shell("sleep 60 & echo started; sleep 60", time_limit=1)
    assert ended.status is None
    assert ended.output == "started\n"
    assert time.monotonic() - began < 20
    assert not processes.descendants(os.getpid())


def test_memory_is_sampled_by_process():
    hold = f"exec {sys.executable} -c 'import time; held = b\"x\" * 50_000_000; time.sleep(1)'"
    memory = shell(hold, sample_every=0.05).memory
    assert max(size for samples in memory.values() for _, size in samples) > 48_000


def test_reports_of_several_instances_are_one():
    reports = [{"began": 2.0, "items": 3}, {"began": 1.0, "ended": 5.0, "items": 4}, {"ended": 4.0}]
    assert programs.merge(reports) == {"began": 1.0, "ended": 5.0, "items": 7}


@pytest.mark.parametrize("line", ['Sum3[0] (rank 2): BENCH {"items": 2}', 'P1: doneSum3 (rank 3): BENCH {"items": 2}P2'])
def test_a_report_is_found_in_any_line(line):
    job = programs.Job("streams.py", 1, 1, {"items": 2})
    assert programs._finish("test", job, ["echo", line]).report == {"items": 2}


@pytest.mark.parametrize("items", [1, 3])
def test_wrong_results_fail(items):
    job = programs.Job("streams.py", 1, 1, {"items": 2})
    with pytest.raises(programs.RunFailed, match=f"items is {items}, not 2"):
        programs._finish("test", job, ["echo", "BENCH " + json.dumps({"items": items})])


def test_growth_is_counted_from_the_settled_state():
    assert measures.growth([(0, 1024), (1, 51200), (2, 50176), (3, 52224)], settled=1) == 1.0


@pytest.mark.parametrize("goal, value, met", [(">= 10", 10, True), (">= 10", 9.9, False), ("<= 0.5", 0.5, True), ("<= 0.5", 0.6, False)])
def test_goals(goal, value, met):
    assert measures.Measure("x", goal, "", None).met(value) is met


def test_pairs_alternate():
    order = []
    session = measures.Session(None, None, True, None)
    for index in range(2):
        assert session.in_turn(index, lambda: order.append("a") or 1, lambda: order.append("b") or 2) == (1, 2)
    assert order == ["a", "b", "b", "a"]


def test_results_of_another_section_stay(tmp_path):
    file = tmp_path / "results.json"
    sessions.write(file, {"date": "1", "measures": {"a": 1}})
    sessions.write(file, {"launch": {"date": "2"}})
    sessions.write(file, {"date": "3", "measures": {"b": 1}})
    assert json.loads(file.read_text()) == {"date": "3", "measures": {"b": 1}, "launch": {"date": "2"}}


def test_the_bare_launch_is_that_of_the_launch_script(tmp_path):
    site = sites.Site()
    site.origin = tmp_path / "runs" / "run_1" / "1"
    (site.origin / "launcher").mkdir(parents=True)
    (site.origin / "launcher" / "launch.sh").write_text(
        f"cd {site.origin}/launcher || exit 71\nexport WEFT_RUN_ID=run_1\nexport WEFT_ATTEMPT=1\n"
        f"mpirun -n 3 --mca orte_tmpdir_base /tmp/weft-run_1-1 'a b/weft-rank' {site.origin} > ../launcher/output 2>&1 < /dev/null\n")
    words, variables = site.script(tmp_path / "copy")
    session = str(tmp_path / "copy" / "launcher" / "session")
    assert words == ["mpirun", "-n", "3", "--mca", "orte_tmpdir_base", session, "a b/weft-rank", str(tmp_path / "copy")]
    assert variables == {"WEFT_RUN_ID": "run_1", "WEFT_ATTEMPT": "1"}


def test_a_copy_of_a_run_has_its_own_input_and_nothing_of_its_output(tmp_path):
    site = sites.Site()
    site.origin = tmp_path / "origin"
    for name in ("module", "python/weft/__pycache__", "work", "ranks", "launcher"):
        (site.origin / name / "file").mkdir(parents=True)
    (site.origin / "run.json").write_text(json.dumps({"run": "run_1", "inputs": {"First0": [{"input": {"file": "/old", "count": 7}}]}}))
    site.copy(tmp_path / "copy", tmp_path / "first")
    made = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*")}
    assert made == {"module", "module/file", "python", "python/weft", "work", "ranks", "launcher", "run.json"}
    document = json.loads((tmp_path / "copy" / "run.json").read_text())
    assert document == {"run": "run_1", "inputs": {"First0": [{"input": {"file": str(tmp_path / "first"), "count": sites.ITEMS}}]}}
