# SPDX-License-Identifier: Apache-2.0
"""PEs that run inside the rank, without Python: `native.count(key=["station"])`, `native.filter(expression="value > 3")`, …

They are declared here; docs/native-elements.md lists them and their parameters, which Weft checks at registration.
"""

from weft.elements import GenericPE

_STATEFUL = (
    *("count", "sum", "min", "max", "mean", "standard_deviation", "top_k", "sample", "window", "deduplicate"),
    *("write_text", "write_lines", "write_csv", "write_json", "write_ndjson"),
)
#: Operations: the parameter that makes it a source, if there is one, and whether it keeps state.
OPERATIONS = {
    "files": ("pattern", False),
    **dict.fromkeys(("read_text", "lines", "csv", "json", "ndjson"), ("path", False)),
    **dict.fromkeys(("filter", "map", "select", "flatten", "split"), (None, False)),
    **dict.fromkeys(_STATEFUL, (None, True)),
}


# No docstring: the rank's catalogue describes each operation.
class NativePE(GenericPE):
    # Ports are `input`, unless the parameters make it a source, and `output`. With a parameter `key` equal keys meet.
    def __init__(self, operation, /, **parameters):
        GenericPE.__init__(self)
        if operation not in OPERATIONS:
            raise ValueError(f"there is no native PE '{operation}'; there are: {', '.join(OPERATIONS)}")
        source_parameter, self.stateful = OPERATIONS[operation]
        if parameters.get(source_parameter) is None:
            key = parameters.get("key")
            self._add_input("input", grouping=[key] if isinstance(key, (str, int)) else key)
        self._add_output("output")
        self.operation = operation
        self.parameters = parameters
        self.name = operation
        self._single = None

    @property
    def single(self):
        """What keeps state of all data has one instance, unless its author asks for more."""
        if self._single is not None:
            return self._single
        return self.stateful is True and self.parameters.get("key") is None and self.numprocesses == 1

    @single.setter
    def single(self, single):
        self._single = single

    def process(self, inputs):
        raise RuntimeError(f"{self.id} is a native PE, which runs inside a rank and not in Python")


def __getattr__(operation):
    if operation not in OPERATIONS:
        raise AttributeError(f"there is no native PE '{operation}'; there are: {', '.join(OPERATIONS)}")

    def declare(**parameters):
        return NativePE(operation, **parameters)

    declare.__name__ = operation
    return declare
