#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the results of a run against `expected.json`, and the count of every word against a direct count of the inputs."""

import re
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from common import check  # noqa: E402


def direct_count(inputs):
    counts = Counter()
    for item in inputs["ReadTexts"]:
        text = Path(item["input"]).read_text(encoding="utf-8").lower()
        counts.update(re.findall(r"[a-z]+(?:'[a-z]+)*", text))
    return {"CountWords": {"counts": [[word, count] for word, count in counts.items()]}}


check(Path(__file__).resolve().parent, direct_count)
