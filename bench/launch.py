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
LOCAL, SLURM = Site(), SlurmSite()
MEASURES = [
    Measure("launch_overhead_ratio", GOAL, "`weft run submit` over bare mpirun: time to the first datum", LOCAL.pair, around=LOCAL),
    Measure("launch_overhead_slurm_ratio", GOAL, "the same on Slurm, over bare sbatch", SLURM.pair, around=SLURM),
]


def main():
    options = sessions.parse_options(__doc__, MEASURES)
    if options.list:
        return sessions.show_list(MEASURES)
    weft = programs.find_weft()
    environment.prepare()
    measures = MEASURES
    if missing := SLURM.missing():
        print(f"bench: Slurm is left out: {missing}.", file=sys.stderr)
        measures = [measure for measure in MEASURES if measure.around is not SLURM]
    # What was started is ended also when this is.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)  # The database's account passes through.
        LOCAL.prepare(weft, folder / "local")
        SLURM.prepare(weft, folder / "slurm")
        return sessions.take_all(measures, Session(weft, None, options.short, folder), options, section="launch")


if __name__ == "__main__":
    sys.exit(main())
