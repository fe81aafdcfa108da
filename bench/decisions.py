# SPDX-License-Identifier: Apache-2.0
"""What the scheduler does where no launcher could follow: passes over a long queue, and decisions that go through Postgres.

`scheduler-bench` (bench/SchedulerBench) does both; here are its program, the database that it needs, and its figures.
"""

import contextlib
import functools
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import environment
from programs import RunFailed
from sites import OWN_VARIABLES, find_server

QUEUED = 100_000
TIME_LIMIT = 600

FILL = f"""
WITH owner AS (INSERT INTO app_user (issuer, subject) VALUES ('bench', 'bench') RETURNING id),
    space AS (INSERT INTO namespace (name, owner) SELECT 'bench', id FROM owner RETURNING name),
    graph AS (
        INSERT INTO graph_version (namespace, name, version, digest, owner, registered_at, filename, graph, source, element_names,
            element_texts)
        SELECT 'bench', 'bench', '1', '', owner.id, now(), 'bench.py', '{{}}', '', '', '' FROM owner, space RETURNING id)
INSERT INTO run (public_id, graph_version, owner, state, ranks, memory_per_rank, inputs, plan, submitted_at, request_digest)
SELECT gen_random_uuid(), graph.id, owner.id, 'queued', 1 + n % 8, 256 * (1 + n % 4), '{{}}', '{{}}', now(), ''
FROM generate_series(1, {QUEUED}) AS n, graph, owner;
INSERT INTO attempt (run, number, state, queued_at) SELECT id, 1, 'queued', now() FROM run ORDER BY id;
ANALYZE;
"""


def program():
    """Beside the programs under test, else of the release build."""
    folders = [Path(os.environ["WEFT_PROGRAMS"])] if "WEFT_PROGRAMS" in os.environ else []
    for folder in [*folders, environment.ROOT / ".build" / "release"]:
        if os.access(folder / "scheduler-bench", os.X_OK):
            return folder / "scheduler-bench"
    raise RunFailed("there is no program 'scheduler-bench'. Build it with 'make bench-scheduler'.")


def call(command, variables=None, text=None):
    ended = subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, timeout=TIME_LIMIT, env=variables)
    if ended.returncode != 0:
        raise RunFailed(f"'{command[0]} {command[1]}' ended with {ended.returncode}: {(ended.stderr or ended.stdout)[-500:]}")
    return ended.stdout


@functools.cache
def passes(index):
    """Figures of a cluster where any free slot does, and of one where memory decides."""
    return [json.loads(line) for line in call([program(), "decisions"]).splitlines()]


@functools.cache
def through_storage(weft, folder, index):
    """A server's database with a long queue, and what a scheduler that begins on it does. The server itself is killed before."""
    data = folder / f"storage-{index}"
    variables = {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}
    server = find_server(weft)
    variables |= {"WEFT_DATA": str(data), "XDG_CONFIG_HOME": str(folder), "WEFT_PYTHON_INTERPRETER": str(environment.PYTHON)}
    variables["PATH"] = os.pathsep.join([str(server.parent), variables.get("PATH", os.defpath)])
    with contextlib.ExitStack() as stack:
        stack.callback(call, [weft.program, "down", "--data", data], variables)
        call([weft.program, "up", "--data", data], variables)
        kill_server(data)
        found = re.search(r"conninfo: [\"']?(.*?)[\"']?$", (data / "weft.yaml").read_text(), re.MULTILINE)
        call(["psql", "--quiet", "--set", "ON_ERROR_STOP=1", found[1]], text=FILL)
        return json.loads(call([program(), "storage", found[1]]))


def kill_server(data):
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if words and words[0].endswith(b"/weftd") and any(str(data).encode() in word for word in words):
                os.kill(int(entry.name), signal.SIGKILL)
