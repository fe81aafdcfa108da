# SPDX-License-Identifier: Apache-2.0
"""dispel4py's provenance types and `configure_prov_run`, as declarations of what Weft records by itself.

A type never changes results. What it declares becomes part of Weft's own records: `extractItemMetadata` and `makeUniqueId`
describe the data that a PE writes; types like `AccumulateFlow` say which earlier inputs an output was derived from. What is
about the run as a whole is kept as the graph's attribute `provenance`.
"""

import collections
import collections.abc
import inspect
import json
import os
import socket
import sys
import uuid

from weft.elements import GenericPE, IterativePE, SimpleFunctionPE, derived_class
from weft.graph import WorkflowGraph

INPUT_NAME = "input"
OUTPUT_DATA = "output"
OUTPUT_METADATA = "provenance"

#: Inputs that an output may be said to be derived from; earlier ones are dropped.
MAXIMUM_ORIGINS = 10_000

#: Namespace prefixes that types declare.
namespaces = {}


def getUniqueId(data=None):
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid1()}"


class ProvenanceType(GenericPE):
    """What types derive from: mixed into the PEs that `configure_prov_run` names, in front of their own class."""

    PROV_PATH = "./"
    REPOS_URL = ""
    PROV_EXPORT_URL = ""
    PROV_BEARER_TOKEN = ""
    SAVE_MODE_SERVICE = "service"
    SAVE_MODE_FILE = "file"
    SAVE_MODE_SENSOR = "sensor"
    BULK_SIZE = 1
    STATEFUL_PORT = None
    send_prov_to_sensor = False
    #: Makes what keeps the earlier inputs that an output is derived from; None: the present one only.
    _weft_flow = None
    _weft_inputs = {}
    _weft_origins = None

    def __init__(self):
        GenericPE.__init__(self)
        self.parameters = {}
        self.ns = {}

    def extractItemMetadata(self, data, port):
        """What is known of a datum that is written: a dictionary, or a list of them."""
        return {}

    def makeUniqueId(self, data, port):
        return getUniqueId()

    def makeProcessId(self, **_):
        return getUniqueId()

    def getUniqueId(self, data, port, **_):
        return self.makeUniqueId(data, port)

    def getProvStateObjectId(self, name):
        return name

    def addNamespacePrefix(self, prefix, url):
        self.__dict__.setdefault("ns", {})[prefix] = url
        namespaces[prefix] = url

    def getInputAt(self, port="input", index=None):
        """The datum that is being processed, or a part of it."""
        data = type(self)._weft_inputs[port]
        return data if index is None else data[index]


class _Remembered:
    """Inputs remembered under names; a name that is no longer needed is used again, so that there are no more than data."""

    def __init__(self):
        self._free = []
        self._made = 0

    def remember(self, pe):
        if self._free:
            name = self._free.pop()
        else:
            name = f"weft.provenance {self._made}"
            self._made += 1
        pe.update_prov_state(name)
        return name

    def forget(self, names):
        self._free += names


class _SinceOutput:
    """An output is derived from all inputs (of its key) since the last one."""

    def __init__(self, pe):
        self._inputs = _Remembered()
        self._windows = {}
        self._count = 0
        self._wrote = None

    def begin(self, pe, port, data):
        self.end()
        self._key = self.key(pe, port, data)
        self._windows.setdefault(self._key, collections.deque()).append(self._inputs.remember(pe))
        self._count += 1
        if self._count > MAXIMUM_ORIGINS:
            key, window = next(iter(self._windows.items()))
            self._drop([window.popleft()])
            if not window:
                del self._windows[key]

    def origins(self, pe, port):
        self._wrote = self._key
        return self._windows.get(self._key, ())

    def end(self):
        if self._wrote is not None:
            self._drop(self._windows.pop(self._wrote, ()))
            self._wrote = None

    def key(self, pe, port, data):
        return ()

    def _drop(self, names):
        self._inputs.forget(names)
        self._count -= len(names)


class _SinceOutputOfKey(_SinceOutput):
    def key(self, pe, port, data):
        grouping = pe.inputconnections[port].get("grouping")
        return repr([data[part] for part in grouping]) if isinstance(grouping, list) else ()


class _Latest:
    """An output is derived from as many of the latest inputs as the type's window is long."""

    def __init__(self, pe):
        self._inputs = _Remembered()
        self._window = collections.deque()
        self._length = min(pe.WLENGTH, MAXIMUM_ORIGINS)

    def begin(self, pe, port, data):
        if len(self._window) >= self._length:
            self._inputs.forget([self._window.popleft()])
        self._window.append(self._inputs.remember(pe))

    def origins(self, pe, port):
        return self._window


class _LockStep:
    """An output is derived from the first input of each other port that no output was derived from yet."""

    def __init__(self, pe):
        self._inputs = _Remembered()
        self._waiting = {port: collections.deque() for port in pe.inputconnections}
        self._used = []
        self._wrote = False

    def begin(self, pe, port, data):
        if self._wrote:
            self._inputs.forget(self._used)
            self._used, self._wrote = [], False
        waiting = self._waiting.setdefault(port, collections.deque())
        if len(waiting) >= MAXIMUM_ORIGINS:
            self._inputs.forget([waiting.popleft()])
        waiting.append(self._inputs.remember(pe))

    def origins(self, pe, port):
        if not self._wrote:
            self._used = [waiting.popleft() for waiting in self._waiting.values() if waiting]
            self._wrote = True
        return self._used


class _State:
    """An output is derived from the input of the call that last wrote to the stateful port."""

    NAME = "weft.provenance state"

    def __init__(self, pe):
        self._origins = ()

    def begin(self, pe, port, data):
        pass

    def origins(self, pe, port):
        if port != pe.STATEFUL_PORT:
            return self._origins
        pe.update_prov_state(self.NAME)
        self._origins = (self.NAME,)
        return ()


class AccumulateFlow(ProvenanceType):
    """An output is derived from all inputs since the one before."""

    _weft_flow = _SinceOutput


class Nby1Flow(ProvenanceType):
    """An output is derived from one input of each port, in lock-step."""

    _weft_flow = _LockStep


class SlideFlow(ProvenanceType):
    """An output is derived from the latest inputs, as many as `wlength` says."""

    _weft_flow = _Latest
    WLENGTH = 1


class ASTGrouped(ProvenanceType):
    """An output is derived from all inputs with the same key since the one before."""

    _weft_flow = _SinceOutputOfKey


class SingleInvocationFlow(ProvenanceType):
    """An output is derived from the input of its call, as Weft records without a type."""


class AccumulateStateTrace(ProvenanceType):
    """What is written to the stateful port is the state that later outputs are derived from."""

    _weft_flow = _State


class IntermediateStatefulOut(AccumulateStateTrace):
    """What is written to the stateful port is the state that later outputs are derived from."""


class ForceStateless(ProvenanceType):
    """An output is derived from the input of its call, whatever `update_prov_state` says."""

    def update_prov_state(self, *_, **__):
        pass


# dispel4py's names before 2019.
ProvenancePE = ProvenanceType
OnWriteOnly = StatelessPE = SingleInvocationFlow


class SeismoPE(ProvenanceType):
    """Describes each trace of an ObsPy stream by its `stats`."""

    def extractItemMetadata(self, data, port="output"):
        traces = data if isinstance(data, (list, tuple)) or hasattr(data, "traces") else [data]
        return [_plain(trace.stats) for trace in traces if hasattr(trace, "stats")]


def _plain(value):
    if isinstance(value, collections.abc.Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    return value if isinstance(value, (int, float, str, type(None))) else str(value)


class ProvenanceSimpleFunctionPE(ProvenanceType, SimpleFunctionPE):
    def __init__(self, *args, **kwargs):
        SimpleFunctionPE.__init__(self, *args, **kwargs)


class ProvenanceIterativePE(ProvenanceType, IterativePE):
    def __init__(self, *args, **kwargs):
        IterativePE.__init__(self, *args, **kwargs)


class PassThroughPE(IterativePE):
    def _process(self, data):
        return data


class ProvenanceRecorder(GenericPE):
    """dispel4py's collectors of records. Weft keeps the records itself and attaches none."""

    INPUT_NAME = "metadata"
    REPOS_URL = ""

    def __init__(self, name="ProvenanceRecorder", toW3C=False):
        GenericPE.__init__(self)
        self.name = name
        self.convertToW3C = toW3C
        self.porttopemap = {}
        self._add_input(ProvenanceRecorder.INPUT_NAME)
        self._add_output("feedback")


class ProvenanceRecorderToFile(ProvenanceRecorder):
    pass


class ProvenanceRecorderToFileBulk(ProvenanceRecorder):
    pass


class ProvenanceRecorderToService(ProvenanceRecorder):
    pass


class ProvenanceRecorderToServiceBulk(ProvenanceRecorder):
    pass


class MyProvenanceRecorderWithFeedback(ProvenanceRecorder):
    pass


class _Capture:
    """Put in front of types that describe data or say what they derive from.

    Each PE has a class of its own, which holds what this needs to keep: the PE's attributes are the author's.
    """

    def preprocess(self):
        type(self)._weft_origins = None if self._weft_flow is None else self._weft_flow(self)
        super().preprocess()

    def process(self, inputs):
        type(self)._weft_inputs = inputs
        port, data = next(iter(inputs.items()), (None, None))
        if self._weft_origins is not None and port is not None:
            self._weft_origins.begin(self, port, data)
        return super().process(inputs)

    def postprocess(self):
        # Weft derives what is written now from all inputs.
        type(self)._weft_origins = None
        super().postprocess()

    def write(self, name, data, **details):
        if self._weft_origins is not None and details.get("dep") is None:
            details["dep"] = list(self._weft_origins.origins(self, name))
        metadata = self._described(name, data, details.get("metadata"))
        if metadata:
            details["metadata"] = metadata
        super().write(name, data, **details)

    def _described(self, port, data, told):
        try:
            found = self.extractItemMetadata(data, port)
            items = found if isinstance(found, list) else [found] if found else []
            if type(self).makeUniqueId is not ProvenanceType.makeUniqueId:
                items = [{"id": self.makeUniqueId(data, port), **item} for item in items or [{}]]
        except Exception as error:  # A description must not end a run that would succeed without it.
            self.log(f"the metadata of a datum for output '{port}' cannot be extracted: {type(error).__name__}: {error}")
            items = []
        if isinstance(told, list):
            items = [*items, *told]
        elif isinstance(told, dict):
            items = [{**item, **told} for item in items] or [told]
        return items[0] if len(items) == 1 else items


_RUN = (
    "input", "username", "workflowId", "description", "system_id", "workflowName", "workflowType", "w3c_prov", "runId",
    "componentsType", "clustersRecorders", "feedbackPEs", "save_mode", "sel_rules", "transfer_rules", "update", "sprovConfig",
    "sessionId", "mapping", "force",
)  # fmt: skip
_CONFIGURED = {
    "s-prov:run-id": "runId", "s-prov:session-id": "sessionId", "s-prov:system-id": "system_id",
    "s-prov:transfer-rules": "transfer_rules", "s-prov:WFExecutionInputs": "input", "provone:User": "username",
    "s-prov:workflowId": "workflowId", "s-prov:description": "description", "s-prov:workflowName": "workflowName",
    "s-prov:sel-rules": "sel_rules", "s-prov:workflowType": "workflowType", "s-prov:componentsType": "componentsType",
    "s-prov:save-mode": "save_mode", "s-prov:mapping": "mapping",
}  # fmt: skip


def configure_prov_run(graph, provRecorderClass=None, provImpClass=ProvenanceType, *values, **declared):
    """Declares types for the PEs of a graph, and what is known of the run; returns the run's id.

    `provImpClass` is the type, or tuple of types, of every PE that `componentsType` does not name; `componentsType` maps names of
    PEs to `s-prov:type`, `s-prov:prov-cluster`, `s-prov:stateful-port` and `wlength`.
    """
    declared = {**dict(zip(_RUN, values)), **declared}
    configuration = declared.pop("sprovConfig", None) or {}
    declared.update((_CONFIGURED.get(name, name), value) for name, value in configuration.items())
    declared["runId"] = declared.get("runId") or getUniqueId()
    components = declared.pop("componentsType", None) or {}
    injectProv(graph, provImpClass, componentsType=components, names=sys._getframe(1).f_globals)
    graph.provenance = {name: value for name, value in declared.items() if value is not None}
    return declared["runId"]


def InitiateNewRun(graph, provRecorderClass=None, provImpClass=ProvenanceType, *values, **declared):
    return configure_prov_run(graph, provRecorderClass, provImpClass, *values, **declared)


profile_prov_run = InitiateNewRun


def injectProv(object, provType, active=True, componentsType=None, workflow=None, names=None, **_):
    """Mixes the types into a PE, or into all PEs of a graph."""
    if isinstance(object, WorkflowGraph):
        for member in object.get_contained_objects():
            injectProv(member, provType, componentsType=componentsType, names=names)
        return {}
    component = (componentsType or {}).get(object.name, {})
    types = component.get("s-prov:type") or provType
    types = types if isinstance(types, (tuple, list)) else [types]
    _mix_in(object, [_resolved(one, object.name, names or {}) for one in types])
    for name, attribute in _COMPONENT.items():
        if name in component:
            setattr(object, attribute, component[name])
    return {}


_COMPONENT = {"s-prov:stateful-port": "STATEFUL_PORT", "wlength": "WLENGTH", "s-prov:prov-cluster": "prov_cluster"}


def _resolved(one, name, names):
    """A configuration may be a JSON document, which names types."""
    found = names.get(one, globals().get(one)) if isinstance(one, str) else one
    if not isinstance(found, type) or not issubclass(found, ProvenanceType):
        raise TypeError(f"the provenance type {one!r} of the PE '{name}' is no ProvenanceType: use a class derived from it")
    return found


def _mix_in(pe, types):
    own = type(pe)
    types = tuple(one for one in dict.fromkeys(types) if not issubclass(own, one))
    if not types:
        return
    described = any(
        getattr(one, name) is not getattr(ProvenanceType, name)
        for one in types
        for name in ("_weft_flow", "extractItemMetadata", "makeUniqueId")
    )
    # An author's own `write` may take nothing beside the datum; it must not fail for what is added here.
    described = described and any(p.kind is p.VAR_KEYWORD for p in inspect.signature(own.write).parameters.values())
    contents = {}
    for one in types:  # What a type's __init__ sets, where the PE does not set it itself.
        contents.update((name, value) for name, value in vars(one()).items() if name not in _PLAIN)
    if pe.stateful is None and any(one._weft_flow is not None for one in types):
        contents["stateful"] = True
    pe.__class__ = derived_class(own, ((_Capture,) if described else ()) + types, contents)
    pe.provenance_types = [one.__name__ for one in types]


_PLAIN = frozenset(vars(GenericPE()))


def update_prov_run(runId, save_mode="file", dic=None):
    """Weft records how a run goes on by itself."""


def attachProvenanceRecorderPE(graph, *_, **__):
    return graph


attachProvenancePE = attachProvenanceRecorderPE


def load_provenance_config(configfile):
    with open(configfile, encoding="utf-8") as file:
        return json.load(file)


def clean_empty(d):
    """The list or dictionary without what is empty, at any depth."""
    if isinstance(d, dict):
        return {name: value for name, value in ((name, clean_empty(value)) for name, value in d.items()) if value}
    return [value for value in map(clean_empty, d) if value] if isinstance(d, list) else d


def num(s):
    try:
        return int(s)
    except Exception:
        return float(s)


class CommandLineInputs:
    """What dispel4py's command line leaves for its capture. Weft's leaves nothing."""

    inputs = {}
    provenanceCommandLineConfigPresent = False
    inline_prov_config = {}
    inline_graph = None
    module = None
