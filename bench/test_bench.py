# SPDX-License-Identifier: Apache-2.0
import json
import os
import sys
import time

import pytest

import measures
import processes
import programs
import scheduler
import sessions
import simulations
import sites
import workloads


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


@pytest.mark.parametrize("goal, value, met", [(">= 10", 10, True), (">= 10", 9.9, False), ("<= 0.5", 0.5, True), ("<= 0.5", 0.6, False),
                                              ("0.93 to 0.97", 0.93, True), ("0.93 to 0.97", 0.98, False)])
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


def test_a_shaken_log_moves_submissions_by_a_minute_at_most_and_nothing_else(tmp_path):
    plain, shaken, again = (tmp_path / name for name in ("plain", "shaken", "again"))
    assert workloads.KTH.write(plain) == workloads.KTH.write(shaken, seed=1) == workloads.KTH.write(again, seed=1) == 28481
    assert shaken.read_text() == again.read_text()
    fields = [[line.split() for line in file.read_text().splitlines() if not line.startswith(";")] for file in (plain, shaken)]
    moved = [int(after[1]) - max(0, int(before[1])) for before, after in zip(*fields)]
    assert (min(moved), max(moved)) == (-60, 60) and min(int(after[1]) for after in fields[1]) >= 0
    assert all(before[:1] + before[2:] == after[:1] + after[2:] for before, after in zip(*fields))


def test_a_large_trace_asks_for_nine_tenths_of_the_machine(tmp_path):
    trace, again = tmp_path / "trace", tmp_path / "again"
    for file in (trace, again):
        workloads.write_large(file, 5000, 10_000)
    assert trace.read_bytes() == again.read_bytes()
    jobs = [[int(field) for field in line.split()] for line in trace.read_text().splitlines()[1:]]
    assert len(jobs) == 5000 and all(len(job) == 18 and job[3] <= job[8] <= 6 * job[3] + 1 for job in jobs)
    assert {job[4] for job in jobs} <= {1 << power for power in (*range(8), *range(10, 13))} and max(job[4] for job in jobs) > 128
    assert sum(job[3] * job[4] for job in jobs) / jobs[-1][1] / 10_000 == pytest.approx(0.9, abs=0.01)


def test_the_worse_log_counts():
    figures = {figure.name: figure for figure in scheduler.FIGURES}
    assert figures["bsld_ratio"].worst([0.5, 0.6]) == 0.6
    assert figures["utilisation_points"].worst([0.1, -0.4]) == -0.4
    assert figures["p95_coverage"].worst([0.94, 0.99]) == 0.99 and figures["p95_coverage"].worst([0.9, 0.96]) == 0.9


def test_each_reference_schedule_has_a_policy():
    assert all(set(log.schedules()) == set(scheduler.REFERENCE) for log in workloads.LOGS)


@pytest.mark.parametrize("started, status, reason", [(2, 0, "started 2 of 3 jobs"), (3, 1, "ended with status 1")])
def test_a_simulation_that_leaves_jobs_or_fails_is_no_result(tmp_path, started, status, reason):
    metrics = json.dumps({"seconds": 1, "metrics": {"jobs": started, "unstarted": 3 - started}})
    program = tmp_path / "weft"
    program.write_text(f"#!/bin/sh\necho '{metrics}'\nexit {status}\n")
    program.chmod(0o755)
    with pytest.raises(programs.RunFailed, match=reason):
        simulations.simulate(programs.Weft(tmp_path), "trace", 3)
