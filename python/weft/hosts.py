# SPDX-License-Identifier: Apache-2.0
"""PE instances of a stage, and what is counted of their calls until the recorder takes it."""

import functools

from weft import elements, records, values
from weft.ports import Port
from weft.profile import Timing


def _is_own(pe, method):
    """Whether it is the class's, not put in place on the instance. Looking into `__dict__` would slow its attributes down for good."""
    return getattr(getattr(pe, method), "__func__", None) is getattr(type(pe), method)


class Host:
    """One PE instance."""

    def __init__(self, pe, element, instance):
        self.pe = pe
        self.element = element
        self.id = element["id"]
        self.instance = instance
        self.inputs = {port["name"]: index for index, port in enumerate(element["inputs"])}
        self.ports = {name: Port(self, name, index) for index, name in enumerate(element["outputs"])}
        #: What feeds it; with several, which one each of the calls was fed by that are not recorded yet.
        self.feeds = []
        self.log = []
        #: A source of which the run says only how often it is called.
        self.is_given_nothing = False
        self.timing = Timing()
        self.next_datum = records.datum_base(instance)
        #: Number of the first `process` invocation, and how many of them have records.
        self.first_call = 0
        self.recorded = 0
        #: Calls without a datum on the main output, and calls that wrote, with the number of their data there.
        self.dropped = []
        self.wrote_in = []
        #: Calls whose data on the main output have records, and the data so recorded of the call after them.
        self.accounted = 0
        self.told = 0
        #: Calls that were skipped: they have records of their own.
        self.skipped_calls = []
        #: What the run of `preprocess` or `postprocess` is numbered, while it is on.
        self.outside = None
        #: What is written before the run begins, or by a call that may be repeated or skipped, waits here.
        self.held = None
        self.writes_slowly = False
        self.limit = None
        #: What `update_prov_state` remembered: name to datum id.
        self.state = {}
        self.blocked = 0
        self.skipped = 0
        self.retried = 0
        #: Attributes that calls changed, where the PE does not declare its state.
        self.changed = None
        self.told_of_state = False

    # What is called for each datum

    def bind(self):
        """Looks up what is called. Not earlier than `preprocess`, which may put other methods in place."""
        pe = self.pe
        process = None if not _is_own(pe, "process") or type(pe).write is not elements.GenericPE.write else type(pe).process
        source = not self.feeds or self.feeds[0].port is None
        self.is_generic = self.drops_result = self.is_function = False
        self.argument = "x"
        main = None
        if process is elements.IterativePE.process and (source or self._reads("input")):
            self.function, main = pe._process, pe.OUTPUT_NAME
            if type(pe)._process is elements.SimpleFunctionPE._process and _is_own(pe, "_process") and pe.compute_fn:
                self.function = functools.partial(pe.compute_fn, **pe.params) if pe.params else pe.compute_fn
                self.is_function = True
            if source:
                self.argument = "x['input']"
        elif process is elements.ProducerPE.process:
            self.function, main = pe._process, pe.OUTPUT_NAME
            if not elements._takes_item(type(pe)._process):
                self.argument = ""
        elif process is elements.ConsumerPE.process and (source or self._reads("input")):
            self.function, self.drops_result = pe._process, True
            if source:
                self.argument = "x['input']"
        else:
            self.function, self.is_generic = pe.process, True
            if not source and len({feed.port for feed in self.feeds}) == 1:
                self.argument = f"{{{self.feeds[0].port!r}: x}}"
        #: Each usual call returns a datum for the main output.
        self.returns_data = main is not None and main in self.ports
        if main is not None and not self.returns_data:  # Its output has another name: `write` will say so.
            self.function, self.is_generic = pe.process, True
            self.argument = "x" if source else "{'input': x}"
        #: The output whose data are only counted.
        self.main = self.ports[main] if self.returns_data else next(iter(self.ports.values())) if len(self.ports) == 1 else None
        if self.returns_data:
            self.timing.port = self.main
        self.hands_over = self.main is not None and bool(self.main.feeds)

    def _reads(self, port):
        return all(feed.port == port for feed in self.feeds)

    @property
    def fed_by(self):
        """The output, in this stage, whose data all go to it, and that alone feeds it."""
        writer = self.feeds[0].writer if len(self.feeds) == 1 else None
        return writer if writer is not None and len(writer.feeds) == 1 and not writer.edges else None

    def next_in_chain(self):
        """The PE that each usual result goes straight on to."""
        if not self.returns_data or len(self.main.feeds) != 1 or self.main.edges:
            return None
        reader = self.main.feeds[0].host
        return reader if len(reader.feeds) == 1 else None

    def calls(self):
        """How many calls of `process` have begun."""
        return self.chain.counts()[self.position]

    def call_now(self):
        """Number of the running call, or of the last one."""
        return self.calls() - 1

    def counts(self, first, end):
        """How many data on the main output each of the calls has written, all of which have returned."""
        counts = [1 if self.returns_data else 0] * (end - first)
        for call in self.dropped:
            counts[call - first] = 0
        for call, count in self.wrote_in:
            counts[call - first] = count
        return counts

    def profile(self):
        timing = self.timing
        calls, timed, spent = self.calls(), timing.calls + timing.recent_calls, timing.total + timing.recent
        profile = {
            "calls": calls,
            "items_in": calls,
            "items_out": sum(port.assigned for port in self.ports.values()),
            "bytes_out": sum(port.bytes_out for port in self.ports.values()),
            "busy_ns": spent if timed >= calls else spent * calls // max(timed, 1),
            "blocked_ns": self.blocked,
            "sampled": timed,
            "p50_ns": timing.percentile(0.5),
            "p95_ns": timing.percentile(0.95),
            "skipped": self.skipped,
            "retried": self.retried,
        }
        if self.changed is not None:
            profile["changed"] = sorted(self.changed)
        return profile

    # Called by the chain

    def drop(self, call):
        self.dropped.append(call)

    def wrote(self, call, count):
        self.wrote_in.append((call, count))

    def result(self, value):
        """A result of a call that wrote, or one that names its ports."""
        if not self.is_generic:
            if self.is_function and type(value) is dict and "_d4p_prov" in value:
                self.pe.write(self.main.name, value["_d4p_data"], **value["_d4p_prov"])
            else:
                self._emit(self.main, value, False)
            return
        if not isinstance(value, dict):
            raise TypeError(f"process() returned a {type(value).__name__}: return a dictionary of output port and datum, or None")
        overridden = type(self.pe).write is not elements.GenericPE.write
        for name, data in value.items():
            if overridden:
                self.pe.write(name, data)
            else:
                self._emit(self._port(name), data, False)

    def write_slowly(self, name, data, details, private):
        """`write`, but for the second and further plain data of a call."""
        port = self._port(name)
        if self.held is not None:
            self.held.append((name, data if private else values.owned(data, False), details))
            return
        if self.outside is None:
            self.start()
        limit = self.limit
        left = limit and limit.pause()
        if details:
            self.stage.recorder.describe(self, details)
        self._emit(port, data, private)
        self.stage.look()
        if limit:
            limit.resume(left)

    def write_held(self, held):
        for name, data, details in held:
            self.write_slowly(name, data, details, True)

    def _port(self, name):
        port = self.ports.get(name)
        if port is None:
            known = ", ".join(map(repr, self.ports)) or "none"
            raise KeyError(f"Can't write data: Unknown output connection '{name}' of {self.id}; its outputs are: {known}")
        return port

    def _emit(self, port, data, private):
        if port is not self.main and self.outside is None:
            port.writers.append(self.call_now())
        if type(data) not in values.PLAIN and port.feeds:
            data = values.owned(data, private)
        port.emit(data)

    def remember(self, name=None, data=None, *_, **__):
        """`update_prov_state`."""
        if self.outside is None:
            self.state[name] = self.stage.recorder.input_now(self)
