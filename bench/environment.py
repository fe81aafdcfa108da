# SPDX-License-Identifier: Apache-2.0
"""The Python environment that both sides run their PEs in: `.bench-venv`, made when it is missing or out of date."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import processes

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
ENVIRONMENT = ROOT / ".bench-venv"
PYTHON = ENVIRONMENT / "bin" / "python"
REQUIREMENTS = BENCH / "requirements.txt"
#: Tells by its status: what ranks print at the same time gets mixed.
MPI_CHECK = "from mpi4py import MPI; v = MPI.Get_library_version(); exit(0 if MPI.COMM_WORLD.size == 2 and 'Open MPI' in v else v)"


def prepare():
    """Makes the environment. Exits with a sentence when something it needs is missing."""
    for program in ("mpirun", "mpicc"):
        if shutil.which(program) is None:
            sys.exit(f"bench: '{program}' is not on PATH. Install Debian's openmpi-bin and libopenmpi-dev: make setup.")
    stamp = ENVIRONMENT / "stamp"
    wanted = _stamp()
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"bench: installing dispel4py and its peers into {ENVIRONMENT.name}", file=sys.stderr)
    _do(sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT))
    _pip("-r", str(REQUIREMENTS))
    if not _speaks_mpi():  # The wheel does not fit this MPI: build against its headers.
        _pip("--force-reinstall", "--no-deps", "--no-binary=mpi4py", *_requirement("mpi4py"))
        if not _speaks_mpi():
            sys.exit("bench: mpi4py does not start two ranks under mpirun. Run it by hand to see why: "
                     f"mpirun --oversubscribe -n 2 {PYTHON} -c \"{MPI_CHECK}\"")
    stamp.write_text(wanted)


def _stamp():
    files = [REQUIREMENTS, ROOT / "workflows/seismology/requirements.txt"]
    return hashlib.sha256(sys.version.encode() + b"".join(file.read_bytes() for file in files)).hexdigest()


def _requirement(name):
    return [line for line in REQUIREMENTS.read_text().split() if line.startswith(f"{name}==")]


def _pip(*arguments):
    _do(str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments)


def _speaks_mpi():
    check = ["mpirun", "--oversubscribe", "-n", "2", str(PYTHON), "-c", MPI_CHECK]
    return processes.run(check, time_limit=60).status == 0


def _do(*command):
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        sys.exit(f"bench: '{' '.join(command)}' failed; its message stands above.")
