# SPDX-License-Identifier: Apache-2.0
"""Makes `import dispel4py` mean Weft, so that dispel4py's modules load unmodified.

What only dispel4py's own enactment and capture of provenance need is present by name and does nothing: Weft plans, runs
and records by itself.
"""

import sys
import types

from weft import elements, graph


def install():
    """Puts the alias modules into `sys.modules`, in front of an installed dispel4py."""
    for name, contents in _modules().items():
        module = types.ModuleType(name, f"{name}, as Weft understands it")
        module.__dict__.update(contents)
        module.__path__ = []  # A package: what is not listed here is not found, rather than taken from an installed dispel4py.
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    for name in _INERT_METHODS:
        if not hasattr(elements.GenericPE, name):
            setattr(elements.GenericPE, name, _do_nothing)


def _modules():
    core = {name: getattr(elements, name) for name in ("GenericPE", "NAME", "TYPE", "DESCRIPTION", "META", "GROUPING", "WRITER")}
    base = {
        "GenericPE": elements.GenericPE,
        "NAME": elements.NAME,
        **{name: getattr(elements, name) for name in ("BasePE", "IterativePE", "ProducerPE", "ConsumerPE", "SimpleFunctionPE")},
        **{name: getattr(graph, name) for name in ("CompositePE", "WorkflowGraph", "create_iterative_chain")},
    }
    workflow_graph = {
        "GenericPE": elements.GenericPE,
        "WorkflowGraph": graph.WorkflowGraph,
        "WorkflowNode": graph.WorkflowNode,
        **dict.fromkeys(("draw", "drawDot", "write_image"), _do_nothing),
    }
    utils = {"WorkflowGraph": graph.WorkflowGraph, "total_size": sys.getsizeof}
    logger = {"simpleLogger": elements.GenericPE.log, "simple_logger": elements.GenericPE.log}
    return {
        "dispel4py": {},
        "dispel4py.core": core,
        "dispel4py.base": base,
        "dispel4py.workflow_graph": workflow_graph,
        "dispel4py.utils": utils,
        "dispel4py.visualisation": dict.fromkeys(("display", "draw"), _do_nothing),
        "dispel4py.new": {},
        "dispel4py.new.logger": logger,
        "dispel4py.provenance": _provenance(),
    }


def _provenance():
    # `from dispel4py.provenance import *` brought these along, and workflows came to rely on it.
    import argparse, collections, copy, datetime, inspect, json, os, socket, traceback, uuid  # noqa: E401

    borrowed = dict(
        argparse=argparse, collections=collections, datetime=datetime, deepcopy=copy.deepcopy, inspect=inspect, json=json, os=os,
        socket=socket, sys=sys, traceback=traceback, uuid=uuid, GenericPE=elements.GenericPE, IterativePE=elements.IterativePE,
        SimpleFunctionPE=elements.SimpleFunctionPE, WorkflowGraph=graph.WorkflowGraph, NAME=elements.NAME,
    )
    provenance_type = type("ProvenanceType", (elements.GenericPE,), dict(_PROVENANCE_SETTINGS))
    types_of_it = {name: type(name, (provenance_type,), {}) for name in _PROVENANCE_TYPES}
    return {
        **borrowed,
        **dict.fromkeys(_INERT_FUNCTIONS, _do_nothing),
        **types_of_it,
        "ProvenanceType": provenance_type,
        "PassThroughPE": type("PassThroughPE", (elements.IterativePE,), {"_process": lambda self, data: data}),
        "INPUT_NAME": "input",
        "OUTPUT_DATA": "output",
        "OUTPUT_METADATA": "provenance",
        "namespaces": {},
        "provclusters": {},
        "prov_save_mode": {},
        "total_size": sys.getsizeof,
    }


def _do_nothing(*_, **__):
    return None


_PROVENANCE_SETTINGS = {
    "PROV_PATH": "./",
    "REPOS_URL": "",
    "PROV_EXPORT_URL": "",
    "PROV_BEARER_TOKEN": "",
    "SAVE_MODE_SERVICE": "service",
    "SAVE_MODE_FILE": "file",
    "SAVE_MODE_SENSOR": "sensor",
    "BULK_SIZE": 1,
    "send_prov_to_sensor": False,
}
_PROVENANCE_TYPES = (
    "AccumulateFlow", "Nby1Flow", "SlideFlow", "ASTGrouped", "SingleInvocationFlow", "AccumulateStateTrace",
    "IntermediateStatefulOut", "ForceStateless", "ProvenanceSimpleFunctionPE", "ProvenanceIterativePE", "ProvenanceRecorder",
    "ProvenanceRecorderToFile", "ProvenanceRecorderToFileBulk", "ProvenanceRecorderToService", "ProvenanceRecorderToServiceBulk",
    "ProvenancePE", "OnWriteOnly", "StatelessPE",
)
_INERT_FUNCTIONS = (
    "configure_prov_run", "profile_prov_run", "InitiateNewRun", "injectProv", "update_prov_run", "load_provenance_config",
    "init_provenance_config", "attachProvenanceRecorderPE", "attachProvenancePE", "commandChain", "toW3Cprov", "getUniqueId",
    "clean_empty", "get_source",
)
_INERT_METHODS = (
    "addNamespacePrefix", "apply_derivation_rule", "discardInFlow", "discardState", "getProvStateObjectId", "ignorePastFlow",
    "ignoreState", "removeDerivation", "setStateDerivations",
)
