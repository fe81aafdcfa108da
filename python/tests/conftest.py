# SPDX-License-Identifier: Apache-2.0

import os
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(autouse=True)
def interpreter_as_it_was(monkeypatch):
    """Loading a module changes these."""
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    yield
    for name in set(sys.modules) - modules:
        if name.startswith(("dispel4py", "flow", "workflow_", "helper")):
            del sys.modules[name]


@pytest.fixture
def attempt(tmp_path):
    """Makes an Attempt from a module's text."""
    from rank import Attempt

    return lambda source, **options: Attempt(tmp_path, source, **options)
