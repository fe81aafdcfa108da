#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes three collections of quotations from Debian's package `fortunes`, installed or fetched with `apt-get download`."""

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from common import place, prepare  # noqa: E402

FORTUNES = Path("usr/share/games/fortunes")
TEXTS = {
    "art": "600b8197bc994fd4fcbb623aa5e700629540af44f044d4907886bd1031f160ce",
    "science": "7ab350b142ee6c70c1d8517c5a1b3790c09b190a62859427cad98e6e35a19fcc",
    "wisdom": "9b0bd6b9331a68c9172219784a411c417c055ed69734edc7b4406795b87d4e94",
}


def collect(folder):
    if (Path("/") / FORTUNES / "science").exists():
        return inputs(Path("/"), folder)
    with tempfile.TemporaryDirectory() as scratch:
        fetch(Path(scratch))
        return inputs(Path(scratch), folder)


def inputs(root, folder):
    return {"ReadTexts": [{"input": place(root / FORTUNES / name, folder, digest)} for name, digest in TEXTS.items()]}


def fetch(scratch):
    download = subprocess.run(["apt-get", "download", "fortunes"], cwd=scratch, capture_output=True, text=True)
    if download.returncode != 0:
        sys.exit(f"Debian's package 'fortunes' cannot be fetched; install it with apt-get. {download.stderr.strip()}")
    package = next(scratch.glob("fortunes_*.deb"))
    subprocess.run(["dpkg-deb", "-x", package, scratch], check=True)


prepare("text_statistics", collect)
