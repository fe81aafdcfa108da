#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes a year of hourly temperatures of two cities (NOAA) from the installed PyPI package `vega-datasets`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from common import package_folder, place, prepare  # noqa: E402

TABLES = {
    "San Francisco": ("sf-temps.csv", "3f91699707cfed43ef551394bebef4c2ebe5505157b9be7bff9558eea2fbaaec"),
    "Seattle": ("seattle-temps.csv", "c220666521ff4bec4ffb6f0d9acfdc5c1056564b1aad6f78d3b06aa0a0c8b085"),
}


def collect(folder):
    source = package_folder("vega_datasets") / "_data"
    return {
        "ReadDays": [
            {"input": {"city": city, "path": place(source / name, folder, digest)}}
            for city, (name, digest) in TABLES.items()
        ]
    }


prepare("climatology", collect)
