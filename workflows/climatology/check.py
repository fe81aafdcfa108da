#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the results of a run against `expected.json`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from common import check  # noqa: E402

check(Path(__file__).resolve().parent)
