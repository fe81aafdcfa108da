#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what Weft adds to starting a run: the time from `weft run submit` to the first datum, over the time that a bare
`mpirun` or `sbatch` takes to the first datum of the same run.

Prints `name: value` lines, progress on standard error, and writes everything to a JSON file. The short form looks at
results only: it fails when a run gives a wrong sum on either side, and judges no speed.
"""

import signal
import sys
import tempfile
from pathlib import Path

import environment
import programs
import sessions
from measures import Measure, Session
from sites import Site, SlurmSite

GOAL = "<= 1.3"


def measures(weft, folder):
    local, slurm = Site(weft, folder / "local"), SlurmSite(weft, folder / "slurm")
    return [
        Measure("launch_overhead_ratio", GOAL, "`weft run submit` over bare mpirun: time to the first datum", local.pair, around=local),
        Measure("launch_overhead_slurm_ratio", GOAL, "the same on Slurm, over bare sbatch", slurm.pair, around=slurm),
    ]


def main():
    weft = programs.find_weft()
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder:
        folder = Path(folder)
        folder.chmod(0o711)  # The database's account passes through.
        known = measures(weft, folder)
        options = sessions.parse_options(__doc__, known)
        if options.list:
            return sessions.show_list(known)
        environment.prepare()
        # What was started is ended also when this is.
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
        if missing := SlurmSite.missing():
            print(f"bench: Slurm is left out: {missing}.", file=sys.stderr)
            known = [measure for measure in known if not isinstance(measure.around, SlurmSite)]
        return sessions.take_all(known, Session(weft, None, options.short, folder), options, section="launch")


if __name__ == "__main__":
    sys.exit(main())
