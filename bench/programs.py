# SPDX-License-Identifier: Apache-2.0
"""The two sides: dispel4py's mpi mapping under mpirun, and `weft try`. Each runs a graph file and tells what its PEs reported."""

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import environment
import processes

GRAPHS = environment.BENCH / "graphs"
TIME_LIMIT = 900
REPORT = re.compile(r"BENCH (\{[^{}]*\})")


class RunFailed(Exception):
    """A run that did not end well, or whose results are wrong."""


@dataclass
class Run:
    """What one run of a graph showed."""

    #: Sums of what the PEs reported; "began" is the earliest and "ended" the latest of theirs.
    report: dict
    #: Wall time of the whole command.
    wall: float
    cpu: float
    memory: dict

    @property
    def streaming(self):
        """Seconds from the first datum at the last PE to its end."""
        return self.report["ended"] - self.report["began"]

    def sample(self):
        """For the results' file."""
        sample = {"wall_seconds": round(self.wall, 4), "cpu_seconds": round(self.cpu, 3)}
        if "ended" in self.report:
            sample["streaming_seconds"] = round(self.streaming, 6)
        return {**sample, "items": self.report.get("items")}


@dataclass
class Job:
    """One graph with its input and the reports it must give."""

    file: str
    ranks: int
    input: dict | int
    expected: dict
    graph: str | None = None


class Peer:
    """dispel4py. Its group-by needs one hash seed on all ranks to be right."""

    name = "dispel4py"

    def run(self, job):
        command = ["mpirun", "--oversubscribe", "-x", "PYTHONHASHSEED=0", "-n", str(job.ranks)]
        command += [str(environment.ENVIRONMENT / "bin" / "dispel4py"), "mpi", str(GRAPHS / job.file), "-n", str(job.ranks)]
        command += ["-a", job.graph] if job.graph else []
        return _finish(self.name, job, command + _inputs(job))


class Weft:
    """`weft try` of a release build, with the options of the measure."""

    name = "weft"

    def __init__(self, folder):
        self.program = folder / "weft"
        self.rank = folder / "weft-rank"

    def run(self, job, *options, sample_every=None):
        command = [str(self.program), "try", str(GRAPHS / job.file), "-n", str(job.ranks), "--python", str(environment.PYTHON)]
        command += ["--graph", job.graph] if job.graph else []
        return _finish(self.name, job, command + _inputs(job) + [str(option) for option in options], sample_every)


def find_weft(names=("weft", "weft-rank"), knows=("try", "--layout"), made_by="bench-engine"):
    """The programs under test. Exits with a sentence when they are missing or too old to know the command and its option."""
    folder = Path(os.environ.get("WEFT_PROGRAMS", environment.ROOT / ".build-static" / "release")).resolve()
    for program in names:
        if not os.access(folder / program, os.X_OK):
            sys.exit(f"bench: there is no program '{program}' in {folder}. Build it with 'make {made_by}', "
                     "or name the folder of a build in WEFT_PROGRAMS.")
    command, option = knows
    asked = processes.run([str(folder / "weft"), command, "--help"], time_limit=60)
    if asked.status != 0 or option not in asked.output:
        sys.exit(f"bench: {folder / 'weft'} does not know 'weft {command}' with {option}, by which is measured. Build it anew.")
    return Weft(folder)


def measure_transport(weft, size, seconds):
    """Bytes/s of batches between two ranks of weft-rank."""
    return _bytes_per_second([str(weft.rank), "--measure-transport", str(size), str(seconds)], seconds)


def measure_mpi(folder, size, seconds):
    """Bytes/s of the same batches sent by a C program, which is compiled into the folder."""
    program = Path(folder) / "mpi_stream"
    if not program.exists():
        built = processes.run(["mpicc", "-O2", "-o", str(program), str(environment.BENCH / "mpi_stream.c")], time_limit=120)
        if built.status != 0:
            raise RunFailed(f"mpicc could not compile mpi_stream.c:\n{built.output}")
    return _bytes_per_second([str(program), str(size), str(seconds)], seconds)


def measure_plain_words(job):
    """Seconds that the word count takes where each write is the call of the next PE."""
    command = [str(environment.PYTHON), str(environment.BENCH / "plain_words.py"), str(job.input["Lines"][0]["input"])]
    return _finish("plain Python", job, command).streaming


def _bytes_per_second(program, seconds):
    ended = processes.run(["mpirun", "--oversubscribe", "-n", "2", *program], time_limit=seconds + 60)
    numbers = re.findall(r"([0-9.]+)(?: bytes/s)?$", ended.output, re.MULTILINE)
    if ended.status != 0 or len(numbers) != 1:
        raise RunFailed(f"{' '.join(program)} on 2 ranks gave no single number of bytes/s (exit status {ended.status}):\n{ended.output}")
    return float(numbers[0])


def _inputs(job):
    return ["-i", str(job.input)] if isinstance(job.input, int) else ["-d", json.dumps(job.input)]


def _finish(side, job, command, sample_every=None):
    ended = processes.run(command, TIME_LIMIT, sample_every)
    what = f"{side} with {job.file}{':' + job.graph if job.graph else ''} on {job.ranks} ranks"
    last = "\n".join(ended.output.splitlines()[-20:])
    if ended.status is None:
        raise RunFailed(f"{what} did not end within {TIME_LIMIT} s and was ended. Its last lines:\n{last}")
    report = merge(json.loads(text) for text in REPORT.findall(ended.output))
    if ended.status != 0:
        raise RunFailed(f"{what} ended with status {ended.status}. Its last lines:\n{last}")
    wrong = [f"{key} is {report.get(key)}, not {value}" for key, value in job.expected.items() if report.get(key) != value]
    if wrong:
        raise RunFailed(f"{what} gave wrong results: {'; '.join(wrong)}. Its last lines:\n{last}")
    return Run(report, ended.seconds, ended.cpu_seconds, ended.memory)


def merge(reports):
    """One report of those of several PE instances."""
    merged = {}
    for report in reports:
        for key, value in report.items():
            combine = {"began": min, "ended": max}.get(key, lambda a, b: a + b)
            merged[key] = combine(merged[key], value) if key in merged else value
    return merged
