# SPDX-License-Identifier: Apache-2.0
"""What the examples' `prepare.py` and `check.py` share: obtaining data, writing inputs, comparing results."""

import argparse
import hashlib
import importlib.util
import json
import math
import os
import re
import sys
from collections import defaultdict
from pathlib import Path


def prepare(name, collect):
    """Command line of a `prepare.py`: `collect(folder)` fills the folder with data and returns the run's inputs."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description="Puts the example's data and inputs.json into FOLDER.")
    parser.add_argument("folder", nargs="?", type=Path, default=cache / "weft" / name, metavar="FOLDER")
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "inputs.json"
    path.write_text(json.dumps(collect(folder), indent=2) + "\n")
    print(path)


def package_folder(name):
    """Folder of an installed Python package, found without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        sys.exit(f"The Python package {name} is not installed for {sys.executable}. 'make setup' installs it into .venv.")
    return Path(next(iter(spec.submodule_search_locations)))


def place(source, folder, sha256):
    """Copies a file into the folder, after a check that it is the very file the expected results were made from."""
    data = Path(source).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        sys.exit(f"{source} is not the file that the expected results belong to: its SHA-256 is {found}, not {sha256}.")
    target = folder / Path(source).name
    target.write_bytes(data)
    return str(target)


def check(folder, direct=None):
    """Command line of a `check.py`: compares the results of a run with `expected.json` in the folder, as multisets.

    `expected.json` holds values by PE and output port. `direct(inputs)` may compute more of the same form from the run's inputs.
    """
    parser = argparse.ArgumentParser(
        description="Compares the results of a run with the expected ones; exit status 1 when they differ.",
        epilog="RESULTS is a file with what 'weft run results RUN --limit 0 -o json' prints; '-' is standard input.",
    )
    parser.add_argument("results", metavar="RESULTS")
    if direct:
        parser.add_argument("--inputs", type=Path, required=True, help="the inputs.json that the run was given")
    arguments = parser.parse_args()
    results = json.loads(sys.stdin.read() if arguments.results == "-" else Path(arguments.results).read_text())
    expected = json.loads((Path(folder) / "expected.json").read_text())
    if direct:
        expected.update(direct(json.loads(arguments.inputs.read_text())))
    expected = [
        {"element": element, "port": port, "value": value}
        for element, ports in expected.items()
        for port, values in ports.items()
        for value in values
    ]
    problems = differences(results, expected)
    for problem in problems[:10]:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(f"{len(problems)} differences between the {len(results)} results and the {len(expected)} expected ones.")
    print(f"All {len(expected)} results are as expected.")


def differences(results, expected, tolerance=1e-6):
    """Compares two lists of results without regard to order; numbers are equal within a relative tolerance."""
    open_results = defaultdict(list)
    for result in results:
        open_results[shape(signature(result))].append(signature(result))
    missing = []
    for result in map(signature, expected):
        candidates = open_results[shape(result)]
        match = next((c for c in candidates if close(c, result, tolerance)), None)
        if match is None:
            missing.append(result)
        else:
            candidates.remove(match)
    unexpected = [result for candidates in open_results.values() for result in candidates]
    return [f"missing: {json.dumps(r)}" for r in missing] + [f"unexpected: {json.dumps(r)}" for r in unexpected]


def signature(result):
    """What of a result must agree: the PE's name (its id without the position in the graph), the port and the value."""
    return [re.sub(r"\d+$", "", result["element"]), result["port"], result["value"]]


def shape(value):
    """The value with its numbers blanked out, as text: results of different shapes cannot be equal."""
    return json.dumps(json.loads(json.dumps(value), parse_float=lambda _: 0, parse_int=lambda _: 0), sort_keys=True)


def close(a, b, tolerance):
    """JSON does not tell 2.0 from 2, so whole numbers are compared as floats unless both are integers."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key], tolerance) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(close(x, y, tolerance) for x, y in zip(a, b))
    if isinstance(a, float) and isinstance(b, (float, int)) or isinstance(a, int) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-9)
    return a == b
