# SPDX-License-Identifier: Apache-2.0
"""Facts about the machine and the programs, without which figures say little."""

import json
import os
import platform
import subprocess

import environment

PACKAGES = ("stream-d4py", "mpi4py", "networkx", "numpy", "obspy")


def facts(weft_program):
    versions = "import importlib.metadata as m, json; print(json.dumps({n: m.version(n) for n in %r}))" % (PACKAGES,)
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "processors": os.cpu_count(),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "kernel": platform.release(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": _output(environment.PYTHON, "--version"),
        "mpi": _output("mpirun", "--version").partition("\n")[0],
        "packages": json.loads(_output(environment.PYTHON, "-c", versions) or "{}"),
        "weft": _output(weft_program, "--version"),
        "revision": _output("git", "-C", environment.ROOT, "rev-parse", "HEAD"),
    }


def _field(file, name):
    with open(file) as lines:
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), None)


def _output(*command):
    """The command's output; empty where it cannot tell."""
    try:
        ended = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""
