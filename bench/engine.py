#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Weft's engine against dispel4py's mpi mapping: the same graph files, in turn, in one session on one machine.

Prints `name: value` lines, progress on standard error, and writes everything to a JSON file. The short form looks at
results only: it fails when a count, a sum or a key is wrong, and judges no speed.
"""

import sys
import tempfile
from pathlib import Path

import environment
import programs
import sessions
from measures import MEASURES, Session


def main():
    options = sessions.parse_options(__doc__, MEASURES)
    if options.list:
        return sessions.show_list(MEASURES)
    weft = programs.find_weft()
    environment.prepare()
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder:
        return sessions.take_all(MEASURES, Session(weft, programs.Peer(), options.short, Path(folder)), options)


if __name__ == "__main__":
    sys.exit(main())
