# SPDX-License-Identifier: Apache-2.0
"""`import dispel4py` means Weft."""

import importlib
import sys

import pytest

import weft
from weft import compat


@pytest.fixture(autouse=True)
def aliases():
    compat.install()


@pytest.mark.parametrize(
    "module, names",
    [
        ("dispel4py.core", "GenericPE NAME TYPE GROUPING"),
        ("dispel4py.base", "BasePE IterativePE ProducerPE ConsumerPE SimpleFunctionPE CompositePE create_iterative_chain"),
        ("dispel4py.workflow_graph", "WorkflowGraph WorkflowNode write_image drawDot draw"),
        ("dispel4py.provenance", "ProvenanceType AccumulateFlow configure_prov_run json traceback"),
    ],
)
def test_names_resolve(module, names):
    imported = importlib.import_module(module)
    for name in names.split():
        assert hasattr(imported, name), name
        assert getattr(imported, name) is getattr(weft, name, getattr(imported, name))


def test_the_alias_wins_over_an_installed_dispel4py(tmp_path):
    (tmp_path / "dispel4py").mkdir()
    for name in ("__init__", "core", "extra"):
        (tmp_path / "dispel4py" / f"{name}.py").write_text("raise RuntimeError('the installed one')")
    sys.path.insert(0, str(tmp_path))
    from dispel4py.core import GenericPE

    assert GenericPE is weft.GenericPE
    with pytest.raises(ModuleNotFoundError):
        import dispel4py.extra  # noqa: F401


def test_provenance_calls_do_nothing():
    from dispel4py.provenance import ProvenanceType, configure_prov_run

    assert configure_prov_run(weft.WorkflowGraph(), provImpClass=(ProvenanceType,), save_mode="file") is None
    assert issubclass(ProvenanceType, weft.GenericPE) and ProvenanceType.SAVE_MODE_FILE == "file"
    assert weft.GenericPE().ignorePastFlow() is None
