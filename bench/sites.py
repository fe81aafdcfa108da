# SPDX-License-Identifier: Apache-2.0
"""Places where runs are started: a Weft server of its own on this machine or before Slurm, and the same launch without Weft.

The bare side takes the folder of a run that Weft has started, and the very command in that run's launch script.
"""

import contextlib
import itertools
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from functools import partial

import environment
from processes import AS_ROOT
from programs import GRAPHS, REPORT, RunFailed, merge

GRAPH = GRAPHS / "launches.py"
NAME = "bench/launches"
RANKS = 3
ITEMS = 100
EXPECTED = {"items": ITEMS, "total": sum(number * number for number in range(ITEMS))}
TIME_LIMIT = 60
#: What the server does not hand on to runs, and what would lead the commands elsewhere.
OWN_VARIABLES = ("WEFT_", "PG", "BEARER_TOKEN", "XDG_CONFIG_HOME", "SLURM")

#: Where the Slurm is: at none of the places that tests use.
CLUSTER = {
    "WEFT_CLUSTER_STATE": "/run/weft-cluster-bench", "WEFT_CLUSTER_BRIDGE": "weftbr5", "WEFT_CLUSTER_SUBNET": "10.85.0",
    "WEFT_CLUSTER_PREFIX": "b", "WEFT_CLUSTER_PORT": "7817", "WEFT_CLUSTER_NODES": "2",
}


class Site:
    """This machine, as the backend `local` uses it. Entering it starts server and database, and a run of either kind to warm up.

    How a run came to its first datum is told in seconds from the call of `weft run submit`, `mpirun` or `sbatch`: to the end of
    `weft run submit` (`submitted`), to that of `sbatch` (`job`), to the beginning of the script that starts the ranks, to the
    first datum.
    """

    #: Of each side in a pair.
    STARTS = 3

    def __init__(self):
        self.files = itertools.count()
        self.stack = contextlib.ExitStack()

    def prepare(self, weft, folder):
        """Names the programs, and a folder that is not there yet."""
        self.weft = weft
        self.folder = folder
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}
        # `weft` looks for `weftd` beside itself, then in PATH.
        path = [str(weft.program.parent), str(find_server(weft).parent), self.variables.get("PATH", os.defpath)]
        self.variables |= {"PATH": os.pathsep.join(path), **AS_ROOT}

    def settings(self):
        """The server's variables."""
        return {"WEFT_PYTHON_INTERPRETER": str(environment.PYTHON), "WEFT_LOCAL_RANK_PROGRAM": str(self.weft.rank)}

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder.mkdir()
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            data = self.folder / "data"
            self.server = {**self.variables, "WEFT_DATA": str(data), "XDG_CONFIG_HOME": str(self.folder / "config")}
            stack.callback(self.end, [self.weft.program, "down", "--data", data], self.server)
            self.call([self.weft.program, "up", "--data", data], {**self.server, **self.settings()})
            self.command("graph", "register", GRAPH, "--name", NAME)
            self.with_weft(0)
            self.bare(0)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def pair(self, session, index):
        """The ratio of the mean time of some starts with Weft to that of as many without."""
        count = 1 if session.short else self.STARTS
        starts = [
            session.in_turn(index + number, partial(self.with_weft, number / count), partial(self.bare, number / count))
            for number in range(count)
        ]
        weft, bare = zip(*starts, strict=True)
        return mean(weft)["first_datum"] / mean(bare)["first_datum"], {"weft": mean(weft), "bare": mean(bare)}

    # ---- with Weft

    def with_weft(self, phase):
        file = self.new_file()
        inputs = json.dumps({"First": self.items(file)})
        self.settle(phase)
        clock, began = time.time(), time.monotonic()
        run = self.command("run", "submit", NAME, "-n", RANKS, "--layout", "spread", "-d", inputs, "-o", "name").strip()
        submitted = time.monotonic() - began
        first = self.await_time(file, lambda: f"the run {run} gave no first datum:\n{self.command('run', 'show', run)}") - began
        self.command("run", "wait", run)
        check(f"the run {run}", self.command("run", "logs", run))
        #: Folder of the last run that Weft has started: what the bare side starts again.
        self.origin = next(self.folder.glob(f"data/server/runs/{run}/*"))
        start = {"first_datum": first, "submitted": submitted}
        for name, trace in (("script", "claimed"), ("job", "job")):
            if (self.origin / "launcher" / trace).exists():
                start[name] = (self.origin / "launcher" / trace).stat().st_mtime - clock
        return start

    def items(self, file):
        return [{"input": {"file": str(file), "count": ITEMS}}]

    def command(self, *words):
        return self.call([self.weft.program, *words], self.server)

    # ---- without

    def bare(self, phase):
        file = self.new_file()
        folder = self.folder / f"bare-{file.name}"
        self.copy(folder, file)
        start = self.launch(folder, file, phase)
        check(f"the bare launch in {folder.name}", "".join(log.read_text() for log in sorted((folder / "ranks").glob("*.log"))))
        return start

    def copy(self, folder, file):
        """What the ranks need of the original's folder: nothing that it had written."""
        folder.mkdir()
        for name in ("work", "ranks", "launcher"):
            (folder / name).mkdir()
        for name in ("module", "python"):
            shutil.copytree(self.origin / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        document = json.loads((self.origin / "run.json").read_text())
        (source,) = document["inputs"]
        document["inputs"][source] = self.items(file)
        text = json.dumps(document)
        if str(self.origin) in text:
            raise RunFailed(f"{self.origin}/run.json refers to its own folder, so a copy of it would not be a run of its own.")
        (folder / "run.json").write_text(text)

    def script(self, folder):
        """The words that start the ranks, and the variables that are set for them, for the new folder: as Weft's launch script says."""
        lines = (self.origin / "launcher" / "launch.sh").read_text().splitlines()
        started = [line.partition(" > ../launcher/output ")[0] for line in lines if " > ../launcher/output " in line]
        if len(started) != 1:
            raise RunFailed(f"{self.origin}/launcher/launch.sh has no single line that starts the ranks.")
        words = shlex.split(started[0].replace(str(self.origin), str(folder)))
        if "orte_tmpdir_base" in words:
            words[words.index("orte_tmpdir_base") + 1] = str(folder / "launcher" / "session")
        return words, dict(shlex.split(line)[1].split("=", 1) for line in lines if line.startswith("export "))

    def launch(self, folder, file, phase):
        words, variables = self.script(folder)
        printed = folder / "launcher" / "output"
        with open(printed, "wb") as output:
            self.settle(phase)
            began = time.monotonic()
            process = subprocess.Popen(
                words, cwd=folder / "work", env={**self.variables, **variables}, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT)
            try:
                first = self.await_time(file, lambda: f"{shlex.join(words)} gave no first datum:\n{printed.read_text()}")
                process.wait(TIME_LIMIT)
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
        return {"first_datum": first - began}

    # ----

    def settle(self, phase):
        """Returns when nothing of an earlier run is under way, and it is the moment to begin: that part of a second."""

    def new_file(self):
        return self.folder / f"first-{next(self.files)}"

    def await_time(self, file, complaint):
        """What the source has written into the file."""
        wait_until(file.exists, complaint)
        return float(file.read_text())

    def call(self, words, variables):
        """What the command prints."""
        words = [str(word) for word in words]
        try:
            ended = subprocess.run(
                words, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
        except subprocess.TimeoutExpired as error:
            raise RunFailed(f"{shlex.join(words)} did not end within {error.timeout:.0f} s.") from None
        if ended.returncode != 0:
            raise RunFailed(f"{shlex.join(words)} ended with status {ended.returncode}:\n{ended.stdout}{ended.stderr}")
        return ended.stdout

    def end(self, words, variables):
        """For what ends things: its failure hides no other."""
        try:
            self.call(words, variables)
        except RunFailed as error:
            print(f"bench: {error}", file=sys.stderr)


class SlurmSite(Site):
    """A Slurm on virtual hosts of this machine (Tests/Clusters/slurm.sh), and Weft in front of it."""

    SCRIPT = environment.ROOT / "Tests" / "Clusters" / "slurm.sh"
    #: Slurm's controller starts batch jobs once a second. The starts begin at as many moments of it, the same on both sides: one that
    #: comes a little later then waits a little less, or a second more, as often as it really does.
    STARTS = 8
    COMMANDS = ("ip", "slurmctld", "slurmd", "slurmdbd", "sbatch", "munged", "mariadbd")

    @classmethod
    def missing(cls):
        """Why there can be none here; None when there can."""
        if os.geteuid() != 0:
            return "its virtual hosts need root"
        path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
        absent = [name for name in cls.COMMANDS if shutil.which(name, path=path) is None]
        return f"not installed: {', '.join(absent)}" if absent else None

    def settings(self):
        return {**super().settings(), "WEFT_CLUSTER": "slurm"}

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.callback(self.end, [self.SCRIPT, "down"], {**self.variables, **CLUSTER})
            told = self.call([self.SCRIPT, "up"], {**self.variables, **CLUSTER})
            self.variables["SLURM_CONF"] = re.search(r"^export SLURM_CONF=(.*)$", told, re.MULTILINE)[1]
            super().__enter__()
            # Ends in the opposite order: the server first.
            stack.push(self.stack.pop_all())
            self.stack = stack.pop_all()
        return self

    def settle(self, phase):
        jobs = partial(self.call, ["squeue", "--noheader"], self.variables)
        wait_until(lambda: not jobs().strip(), lambda: f"Slurm does not come to rest:\n{jobs()}", every=0.1)
        time.sleep((phase - time.time()) % 1)

    def launch(self, folder, file, phase):
        words, variables = self.script(folder)
        launcher = folder / "launcher"
        script = launcher / "launch.sh"
        exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        script.write_text("\n".join([
            "#!/bin/sh", f"cd {folder}/work || exit 71", ": > ../launcher/begun", *exports,
            f"{shlex.join(words)} > ../launcher/output 2>&1 < /dev/null", "echo $? > ../launcher/exit", ""]))
        memory = json.loads(self.command("run", "show", self.origin.parent.name, "-o", "json"))["resources"]["memory_per_rank"]
        # As Weft asks for.
        options = [
            f"--job-name={folder.name}", f"--comment={folder.name}", f"--ntasks={RANKS}", "--cpus-per-task=1", f"--mem-per-cpu={memory}M",
            "--no-requeue", "--open-mode=append", f"--chdir={launcher}", f"--output={launcher}/slurm.out"]

        def complaint():
            return f"the job of {folder.name} does not come on:" + "".join(f"\n{part.read_text()}" for part in launcher.glob("*out*"))

        self.settle(phase)
        clock, began = time.time(), time.monotonic()
        self.call(["sbatch", "--parsable", *options, script], self.variables)
        submitted = time.monotonic() - began
        first = self.await_time(file, complaint) - began
        wait_until((launcher / "exit").exists, complaint, every=0.1)
        return {"first_datum": first, "job": submitted, "script": (launcher / "begun").stat().st_mtime - clock}


def find_server(weft):
    """`weftd`, where `weft up` will find it. Exits with a sentence when there is none."""
    folders = [weft.program.parent]
    if "WEFT_PROGRAMS" not in os.environ:
        folders.append(environment.ROOT / ".build" / "release")
    for folder in folders:
        if os.access(folder / "weftd", os.X_OK):
            return folder / "weftd"
    sys.exit(f"bench: there is no program 'weftd' in {folders[-1]}. Build it with 'make bench-launch', "
             "or name the folder of a build in WEFT_PROGRAMS.")


def mean(starts):
    return {name: round(statistics.mean(start[name] for start in starts), 4) for name in starts[0]}


def check(what, printed):
    report = merge(json.loads(text) for text in REPORT.findall(printed))
    if report != EXPECTED:
        raise RunFailed(f"{what} gave wrong results: {report}, not {EXPECTED}. It printed:\n{printed}")


def wait_until(condition, complaint, every=0.01):
    deadline = time.monotonic() + TIME_LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise RunFailed(complaint())
        time.sleep(every)
