# SPDX-License-Identifier: Apache-2.0
import json
import os
import sys
import time

import pytest

import measures
import processes
import programs


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
