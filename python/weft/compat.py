# SPDX-License-Identifier: Apache-2.0
"""Makes `import dispel4py` mean Weft, so that dispel4py's modules load unmodified.

What belongs to dispel4py's own enactment is there by name and says so when it is used: Weft plans, runs and records by itself.
A part is made when it is imported, so that nobody waits for what he does not use.
"""

import abc
import functools
import importlib
import importlib.abc
import importlib.machinery
import sys
import types
import typing

from weft import elements, graph

_RUN_IT = "Weft plans and runs the graph itself, with 'weft try FILE.py' or 'weft run submit'"
_RECORDS = "Weft records provenance itself; 'weft prov' shows and exports it"


def install():
    """Lets `dispel4py` and its parts be found here, in front of an installed dispel4py."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    for name in [name for name in sys.modules if name.partition(".")[0] == "dispel4py"]:
        if not isinstance(getattr(sys.modules[name].__spec__, "loader", None), _Finder):
            del sys.modules[name]
    for name in _INERT_METHODS:
        if not hasattr(elements.GenericPE, name):
            setattr(elements.GenericPE, name, _do_nothing)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name not in _PARTS and name not in _ENACTMENTS:
            return None
        # A package: what is not listed here is not found, rather than taken from an installed dispel4py.
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def exec_module(self, module):
        name = module.__name__
        module.__doc__ = f"{name}, as Weft understands it"
        if name in _PARTS:
            module.__dict__.update(_PARTS[name]())
        else:
            module.__getattr__ = lambda attribute: _enactment(name, attribute)


def _core():
    names = ("GenericPE", "NAME", "TYPE", "DESCRIPTION", "META", "GROUPING", "WRITER")
    return {**_pick(elements, *names), **_typing(), **_modules("uuid")}


def _base():
    return {
        **_pick(elements, "GenericPE", "NAME", "BasePE", "IterativePE", "ProducerPE", "ConsumerPE", "SimpleFunctionPE"),
        **_pick(graph, "CompositePE", "WorkflowGraph", "create_iterative_chain"),
        **_typing(),
    }


def _workflow_graph():
    from weft import drawing

    return {
        "GenericPE": elements.GenericPE,
        **_pick(graph, "WorkflowGraph", "WorkflowNode"),
        **_pick(drawing, "draw", "drawDot", "write_image"),
        **_modules("sys", nx="networkx"),
        "FROM_CONNECTION": "from_connection",
        "TO_CONNECTION": "to_connection",
        "DIRECTION": "direction",
    }


def _visualisation():
    from weft import drawing

    return _pick(drawing, "display", "draw", "drawDot", "write_image")


def _utils():
    from weft import utilities

    from itertools import chain

    shared = dict(chain=chain, getsizeof=sys.getsizeof, import_module=importlib.import_module)
    return {**_public(utilities), **shared, **_modules("copy", "os", "sys", "traceback")}


def _aggregate():
    from weft import aggregates

    return _public(aggregates)


def _monitoring():
    from weft import monitoring

    return _public(monitoring)


def _testing_elements():
    from weft import testing_elements

    return {**_public(testing_elements), **_modules("traceback")}


def _simple_process():
    from weft import simple

    refused = ("GenericWrapper", "SimpleProcessingPE", "SimpleProcessingWrapper", "main")
    processor = importlib.import_module("dispel4py.new.processor")
    functions = _pick(simple, "process", "process_and_return")
    return {**functions, "processor": processor, **_logging(), **_modules("types"), **_unavailable(_RUN_IT, *refused)}


def _processor():
    from weft import simple, utilities

    return {
        "GenericPE": elements.GenericPE,
        "GROUPING": elements.GROUPING,
        "WorkflowGraph": graph.WorkflowGraph,
        "make_hash": utilities.make_hash,
        "get_inputs": simple.get_inputs,
        "STATUS_ACTIVE": 10,
        "STATUS_INACTIVE": 11,
        "STATUS_TERMINATED": 12,
        "STATUS": {10: "ACTIVE", 11: "INACTIVE", 12: "TERMINATED"},
        **_mappings(),
        **_logging(),
        **_typing(),
        **_modules("argparse", "contextlib", "copy", "os", "sys", "time", "types"),
        **_unavailable(
            _RUN_IT,
            "AllToOneCommunication", "GenericWrapper", "GenericWriter", "GroupByCommunication", "OneToAllCommunication",
            "ShuffleCommunication", "SimpleProcessingPE", "SimpleWriter", "assign_and_connect", "check_commandline_argument",
            "create_arg_parser", "create_inputs", "create_partitioned", "get_inputs_from_arguments", "get_partitions",
            "get_partitions_adv", "load_graph_and_inputs", "main", "map_inputs_to_partitions", "parse_common_args",
        ),
    }  # fmt: skip


def _mappings():
    return {"config": {mapping: f"dispel4py.new.{module}" for mapping, module in _MAPPINGS.items()}}


def _logging():
    return {"simpleLogger": elements.GenericPE.log, "simple_logger": elements.GenericPE.log}


def _logger():
    import logging
    import traceback

    logger = logging.getLogger("dispel4py")
    if not logger.handlers:
        # Writes to `sys.stderr`, whatever that is by then: a worker puts its own in place.
        handler = type(logging.lastResort)(logging.INFO)
        handler.setFormatter(logging.Formatter(_LOG_FORMAT))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    return {
        "logger": logger,
        "format": _LOG_FORMAT,
        "print_stack_trace": traceback.print_stack,
        **_logging(),
        **_modules("inspect", "logging", "coloredlogs"),
    }


_LOG_FORMAT = "%(asctime)s %(name)s[%(process)d] %(levelname)s %(message)s"


def _provenance():
    # `from dispel4py.provenance import *` brought these along, and workflows came to rely on it.
    from copy import deepcopy
    from http.client import HTTPConnection
    from itertools import chain
    from subprocess import PIPE, Popen
    from urllib.parse import urlencode, urlparse

    from weft import provenance, utilities

    return {
        **_modules(
            "argparse", "collections", "datetime", "dispel4py", "inspect", "json", "jwt", "os", "socket", "sys", "traceback",
            "ujson", "uuid",
        ),
        **dict(chain=chain, deepcopy=deepcopy, HTTPConnection=HTTPConnection, PIPE=PIPE, Popen=Popen),
        **dict(urlencode=urlencode, urlparse=urlparse),
        **_typing(),
        **_public(provenance),
        "NAME": elements.NAME,
        "make_hash": utilities.make_hash,
        "total_size": utilities.total_size,
        "simple_process": importlib.import_module("dispel4py.new.simple_process"),
        "update_prov_state": elements.GenericPE.update_prov_state,
        "write": elements.GenericPE.write,
        "provclusters": {},
        "prov_save_mode": {},
        "meta": True,
        "SPROV_CL_D4PY_INPUT": {
            "mime-type": "text/json", "name": "dispel4py_input", "prov:type": "provone:Data", "value": "encoded_json",
        },
        **_unavailable(
            _RECORDS,
            "NewWorkflowRun", "UpdateWorkflowRun", "commandChain", "components_type_str_list_2_class_tuple",
            "create_provenance_argparser", "getDestination_prov", "get_source", "init_provenance_config", "new_process", "toW3Cprov",
        ),
    }  # fmt: skip


def _seismo():
    from weft import provenance

    return _pick(provenance, "SeismoPE", "ProvenancePE", "INPUT_NAME", "OUTPUT_DATA")


def _nothing():
    return {}


_PARTS = {
    "dispel4py": _nothing,
    "dispel4py.core": _core,
    "dispel4py.GenericPE": _core,
    "dispel4py.base": _base,
    "dispel4py.workflow_graph": _workflow_graph,
    "dispel4py.utils": _utils,
    "dispel4py.visualisation": _visualisation,
    "dispel4py.provenance": _provenance,
    "dispel4py.seismo": _nothing,
    "dispel4py.seismo.seismo": _seismo,
    "dispel4py.new": _nothing,
    "dispel4py.new.aggregate": _aggregate,
    "dispel4py.new.logger": _logger,
    "dispel4py.new.mappings": _mappings,
    "dispel4py.new.monitoring": _monitoring,
    "dispel4py.new.processor": _processor,
    "dispel4py.new.simple_process": _simple_process,
    "dispel4py.examples": _nothing,
    "dispel4py.examples.graph_testing": _nothing,
    "dispel4py.examples.graph_testing.testing_PEs": _testing_elements,
}
_MAPPINGS = {
    "multi": "multi_process",
    "simple": "simple_process",
    "redis": "dynamic_redis",
    "mpi": "mpi_process",
    "dyn_multi": "new_dynamic",
    "dyn_auto_multi": "new_dynamic_auto",
    "dyn_redis": "new_dynamic_redis",
    "dyn_auto_redis": "new_dynamic_redis_auto",
    "hybrid_redis": "new_hybrid_redis",
}
_ENACTMENTS = frozenset(f"dispel4py.new.{name}" for name in _MAPPINGS.values()) - set(_PARTS)
_INERT_METHODS = (
    "addNamespacePrefix", "apply_derivation_rule", "discardInFlow", "discardState", "getProvStateObjectId", "ignorePastFlow",
    "ignoreState", "removeDerivation", "setStateDerivations",
)  # fmt: skip


@functools.lru_cache(maxsize=None)
def _enactment(module, name):
    """Functions and classes of another way to run a graph. Values, such as `rank`, have no counterpart."""
    if name in ("process", "parse_args", "main") or name[:1].isupper() and not name.isupper():
        return _unavailable(_RUN_IT, name)[name]
    raise AttributeError(f"module '{module}' has no attribute '{name}' in Weft")


def _pick(module, *names):
    return {name: getattr(module, name) for name in names}


def _public(module):
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


def _unavailable(instead, *names):
    """Classes, or stand-ins for functions, that may be imported and derived from but not called."""

    def refused(name):
        def refuse(*_, **__):
            raise NotImplementedError(f"dispel4py's '{name}' does not exist in Weft: {instead}")

        return type(name, (), {"__new__": refuse})

    return {name: refused(name) for name in names}


class _Lazy(types.ModuleType):
    """A module that is imported when something of it is asked for."""

    def __getattr__(self, attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self.__name__), attribute)


def _modules(*names, **aliases):
    aliases.update(zip(names, names))
    return {alias: sys.modules.get(name) or _Lazy(name) for alias, name in aliases.items()}


def _typing():
    """What `import *` brought along."""
    return {**_pick(typing, "Any", "Callable", "Dict", "List", "Optional", "Tuple"), "abstractmethod": abc.abstractmethod}


def _do_nothing(*_, **__):
    return None
