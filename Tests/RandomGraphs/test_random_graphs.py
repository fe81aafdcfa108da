# SPDX-License-Identifier: Apache-2.0
"""Random graphs on real ranks equal a sequential loop: nothing hangs, nothing is lost, nothing comes twice.

WEFT_RANDOM_GRAPHS is how many (default 500), WEFT_SEED the first one's seed (default: another one each time). A failure names
the seed of its graph; `WEFT_RANDOM_GRAPHS=1 WEFT_SEED=<seed>` runs that graph again.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from generation import Case  # noqa: E402

PROGRAMS = Path(os.environ.get("WEFT_PROGRAMS", FOLDER.parent.parent / ".build" / "debug"))
GRAPHS = int(os.environ.get("WEFT_RANDOM_GRAPHS", "500"))
FIRST_SEED = int(os.environ.get("WEFT_SEED", time.time_ns() // 1_000_000_000))
BATCH = 25
#: Seconds for one graph; the slowest take a few.
PATIENCE = 120


def run(case, folder):
    """The outputs of the case as Weft tells them: a list of (element's name, port, value)."""
    folder.mkdir()
    text = (FOLDER / "reactions.py").read_text() + f"\n\nDESCRIPTION = {case.description!r}\n\n" + (FOLDER / "elements.py").read_text()
    (folder / "graph.py").write_text(text)
    (folder / "inputs.json").write_text(json.dumps(case.inputs))
    command = [PROGRAMS / "weft", "try", "graph.py", "--graph", "graph", "-f", "inputs.json", "-n", case.ranks, "--layout", case.layout]
    # A session of its own, so that a graph that hangs can be ended with all its ranks.
    process = subprocess.Popen(
        [*map(str, command), "-o", "json"], cwd=folder, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        output, errors = process.communicate()
        raise AssertionError(f"it did not end within {PATIENCE} s\n{errors[-4000:]}") from None
    assert process.returncode == 0, f"it ended with {process.returncode}\n{errors[-4000:]}"
    outputs = json.loads(output)["outputs"]
    return [
        (re.sub(r"\d+$", "", element), port, value) for element, ports in outputs.items() for port, values in ports.items() for value in values
    ]


def problems(seed, folder):
    case = Case(seed)
    try:
        found = case.differences(run(case, folder / str(seed)))
    except AssertionError as error:
        found = [str(error)]
    return [f"seed {seed} ({case.ranks} ranks, {case.layout}): {problem}" for problem in found]


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + GRAPHS, BATCH))
def test_random_graphs_equal_a_sequential_loop(first, tmp_path):
    seeds = range(first, min(first + BATCH, FIRST_SEED + GRAPHS))
    print(f"seeds {seeds.start} to {seeds.stop - 1}")
    with ThreadPoolExecutor(max_workers=max(1, (os.cpu_count() or 1))) as pool:
        found = [problem for result in pool.map(lambda seed: problems(seed, tmp_path), seeds) for problem in result]
    assert not found, "\n".join(found)
