# SPDX-License-Identifier: Apache-2.0
"""Process elements (PEs): what a workflow's author subclasses.

The classes behave as dispel4py's of the same names, and accept both spellings of the calls that dispel4py renamed.
"""

import functools
import inspect
import uuid

NAME = "name"
TYPE = "type"
DESCRIPTION = "descr"
META = "meta"
GROUPING = "grouping"
WRITER = "writer"


class GenericPE:
    """Has any ports. Overrides `process` or `_process`, which receive a dictionary of one input port and its datum.

    Ports are the keys of `inputconnections` and `outputconnections`: declare them with `_add_input` and `_add_output`,
    or assign the dictionaries.
    """

    #: One instance only, whatever the number of ranks.
    single = False
    #: Whether calls change the instance in ways that matter to later ones; None: not said.
    stateful = None
    #: What happens when a datum cannot be processed: 'fail', 'skip' or 'retry N'.
    on_error = "fail"
    #: Seconds that one datum may take.
    time_limit = None
    #: Of a PE that defines both `snapshot()`, which returns what it keeps in memory, and `restore(state)`: seconds between two snapshots.
    snapshot_every = 30.0
    #: Number of the process that hosts this instance, unique among the processes of a run; set before `preprocess`.
    rank = None

    def __init__(self, numprocesses=1):
        self.inputconnections = {}
        self.outputconnections = {}
        self.wrapper = "simple"
        # Not `vars(self)`: asking for it once makes every attribute of the object slower in CPython 3.11 and 3.12.
        self.pickleIgnore = ["inputconnections", "outputconnections", "wrapper"]
        self.numprocesses = numprocesses
        self.name = type(self).__name__
        self.id = self.name + str(uuid.uuid4())

    def _add_input(self, name, grouping=None, tuple_type=None):
        """Declares an input. `grouping` is None, 'all', 'global', or a list of the indexes or keys that make up a datum's key."""
        self.inputconnections[name] = _connection(name, grouping, tuple_type)

    def _add_output(self, name, tuple_type=None):
        """Declares an output."""
        self.outputconnections[name] = _connection(name, None, tuple_type)

    def preprocess(self):
        """Called once in each instance, before its first datum."""
        self._preprocess()

    def _preprocess(self):
        pass

    def process(self, inputs):
        """Called for each datum. Returns a dictionary of output port and datum, or None."""
        return self._process(inputs)

    def _process(self, data):
        pass

    def postprocess(self):
        """Called once in each instance, after its last datum. May still write."""
        self._postprocess()

    def _postprocess(self):
        pass

    def write(self, name, data, **kwargs):
        """Sends a datum from an output port.

        For the provenance: `location`, `format` and `metadata` describe the datum, `dep` lists names given to
        `update_prov_state` that it was derived from. Other keywords are accepted and ignored.
        """
        self._write(name, data, **kwargs)

    def _write(self, name, data, **kwargs):
        # A worker puts its own function in this one's place.
        if name not in self.outputconnections:
            raise KeyError(f"Can't write data: Unknown output connection '{name}' for PE '{type(self).__name__}'")
        raise RuntimeError(f"{self.id} can't write to '{name}': it is not running in a workflow")

    def update_prov_state(self, name=None, data=None, *_, **__):
        """Remembers the datum that is being processed under a name, for `write(..., dep=[name])`."""

    def addToProvState(self, name, data=None, *details, **kwargs):
        self.update_prov_state(name, data, *details, **kwargs)

    def log(self, message):
        rank = getattr(self, "_mpi_rank", self.rank)
        print(f"{self.id}: {message}" if rank is None else f"{self.id} (rank {rank}): {message}")

    def set_input_types(self, types):
        pass

    def get_output_types(self):
        untyped = next((name for name, output in self.outputconnections.items() if TYPE not in output), None)
        if untyped is not None:
            raise KeyError(f"{self.id}: No output type defined for '{untyped}'")
        return {name: output[TYPE] for name, output in self.outputconnections.items()}

    def setInputTypes(self, types):
        self.set_input_types(types)

    def getOutputTypes(self):
        return self.get_output_types()


def _connection(name, grouping, tuple_type):
    connection = {NAME: name}
    if grouping:
        connection[GROUPING] = grouping
    if tuple_type:
        connection[TYPE] = tuple_type
    return connection


def derived_class(own, bases, contents):
    """A class for one PE, with other bases in front of its own. It looks like its own: registration shows the author's class."""
    names = ("__module__", "__qualname__", "__doc__", "__firstlineno__")
    like = {name: getattr(own, name) for name in names if hasattr(own, name)}
    return type(own.__name__, (*bases, own), {**contents, **like})


class BasePE(GenericPE):
    """Has the named ports, and `input0` ... and `output0` ... as many as asked for."""

    INPUT_NAME = "input"
    OUTPUT_NAME = "output"

    def __init__(self, inputs=(), outputs=(), num_inputs=0, num_outputs=0, numInputs=0, numOutputs=0):
        GenericPE.__init__(self)
        for name in [f"{BasePE.INPUT_NAME}{i}" for i in range(num_inputs or numInputs)] + list(inputs or ()):
            self._add_input(name)
        for name in [f"{BasePE.OUTPUT_NAME}{i}" for i in range(num_outputs or numOutputs)] + list(outputs or ()):
            self._add_output(name)


class IterativePE(GenericPE):
    """Has ports `input` and `output`; `_process` receives a datum and returns one, or None to send nothing."""

    INPUT_NAME = "input"
    OUTPUT_NAME = "output"

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input(IterativePE.INPUT_NAME)
        self._add_output(IterativePE.OUTPUT_NAME)

    def process(self, inputs):
        result = self._process(inputs[IterativePE.INPUT_NAME])
        return None if result is None else {self.OUTPUT_NAME: result}

    def _process(self, data):
        return None


class ProducerPE(GenericPE):
    """Has port `output` only; `_process` receives an item of the run's input."""

    OUTPUT_NAME = "output"

    def __init__(self):
        GenericPE.__init__(self)
        self._add_output(ProducerPE.OUTPUT_NAME)

    def process(self, inputs):
        # Old dispel4py called `_process` without an argument.
        result = self._process(inputs) if _takes_item(type(self)._process) else self._process()
        return None if result is None else {self.OUTPUT_NAME: result}

    def _process(self, inputs):
        return None


@functools.lru_cache(maxsize=1024)
def _takes_item(function):
    parameters = inspect.signature(function).parameters.values()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 1 or any(p.kind == p.VAR_POSITIONAL for p in parameters)


class ConsumerPE(GenericPE):
    """Has port `input` only; what `_process` returns is dropped."""

    INPUT_NAME = "input"

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input(ConsumerPE.INPUT_NAME)

    def process(self, inputs):
        self._process(inputs[ConsumerPE.INPUT_NAME])

    def _process(self, data):
        return None


def function_name(function):
    """The name of a function, of what a `functools.partial` calls, or of a callable object's class."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)


class SimpleFunctionPE(IterativePE):
    """Applies a function to each datum: `compute_fn(datum, **params)`."""

    INPUT_NAME = IterativePE.INPUT_NAME
    OUTPUT_NAME = IterativePE.OUTPUT_NAME

    def __init__(self, compute_fn=None, params=None):
        IterativePE.__init__(self)
        if compute_fn:
            self.name = f"PE_{function_name(compute_fn)}"
        self.compute_fn = compute_fn
        self.params = {} if params is None else params

    def _process(self, data):
        if not self.compute_fn:
            return None
        result = self.compute_fn(data, **(self.params or {}))
        # dispel4py's convention for a function that describes its result to the provenance.
        if isinstance(result, dict) and "_d4p_prov" in result:
            self.write(self.OUTPUT_NAME, result["_d4p_data"], **result["_d4p_prov"])
            return None
        return result
