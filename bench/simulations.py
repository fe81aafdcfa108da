# SPDX-License-Identifier: Apache-2.0
"""Runs `weft simulate`, and tells what it came to, how long it took and how much memory."""

import json
import os
import re
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

from programs import RunFailed

TIME_LIMIT = 900


@dataclass
class Simulated:
    #: The figures of the schedule.
    metrics: dict
    #: Wall time of the whole command and of the simulation in it; CPU time of the command.
    wall: float
    inside: float
    cpu: float
    #: 10^6 bytes, at the most.
    memory: float

    def sample(self):
        """For the results' file."""
        return {"wall_seconds": round(self.wall, 3), "simulated_seconds": round(self.inside, 3), "cpu_seconds": round(self.cpu, 3),
                "peak_MB": round(self.memory, 1)}


def simulate(weft, trace, jobs, *options):
    """Fails when not each of the trace's jobs has started."""
    command = [str(part) for part in (weft.program, "simulate", trace, "-o", "json", *options)]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error:
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=error)
        limit = threading.Timer(TIME_LIMIT, os.kill, (process.pid, 9))
        limit.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            limit.cancel()
        wall, process.returncode = time.monotonic() - began, os.waitstatus_to_exitcode(status)
        output.seek(0)
        error.seek(0)
        if process.returncode != 0:
            raise RunFailed(f"'{' '.join(command)}' ended with status {process.returncode}: {error.read().decode(errors='replace')}")
        document = json.load(output)
    metrics = {snake(key): value for key, value in document["metrics"].items()}
    if metrics["jobs"] != jobs or metrics["unstarted"] != 0:
        raise RunFailed(f"'{' '.join(command)}' started {metrics['jobs']} of {jobs} jobs.")
    return Simulated(metrics, wall, document["seconds"], usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


def snake(key):
    return re.sub("(?<=[a-z0-9])[A-Z]", lambda letter: "_" + letter[0].lower(), key)
