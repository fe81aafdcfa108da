# SPDX-License-Identifier: Apache-2.0
"""Compiles a chain: PEs of a stage each of which is fed by the one before it and by nothing else.

A datum runs down a chain in one generated function, as plain calls. Nothing is counted there but the chain's head: member i
counts the data that entered at it (`n`, by a write of the member before, or at the head) and its calls whose result did not
go straight on (`e`: none, several, or written), from which follows how often each member was called.

The generated functions, for each member i:

- `run(x)` takes a datum down the chain from here; now and then it is `timed`, the same with a clock around each call.
- `after(x)` is called for a result that is not usual: None, something that others might change, or one of a call that wrote.
- `write` is the PE's. `start` notes that the running call writes.
- `open(False)` lets `write` through in calls, `open(True)` always; before the first `open` it is for others to hold what is written.
"""

import os
import re
import sys
import time

from weft import values

#: Longer ones are split: the functions grow with the square of the length.
MAXIMUM_LENGTH = 8
_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep

_HEAD = """\
def chain({calls}, hosts, emit, written, plain, owned, due, checkpoint, fault):
    {n} = {e} = {m} = 0
    {w} = None
    mask = 0
"""

_RUN = """\
    def run{i}(x):
        nonlocal n{i}
        n{i} += 1
        if not n{i} & mask:
            return {timed}
        try:
{plain_steps}
        except BaseException as error:
            fault(error)

    def timed{i}(x):
        try:
{timed_steps}
        except BaseException as error:
            fault(error)
"""

_BATCH = """\
    def batch(items):
        nonlocal n0
        try:
            for {item} in items:
                n0 += 1
{steps}
        except BaseException as error:
            fault(error)

    def sample(x):
        nonlocal n0
        n0 += 1
        timed0(x)

    def counts():
        return {begun}

    def writing():
        return {w},

    def sample_one_in(stride):
        nonlocal mask
        mask = stride - 1
"""

#: A result goes on as it is where it is usual.
_STEP = """\
{call}
if w{i} or type(x) not in plain:
    x = after{i}(x)
    if x is None:
        {leave}
"""
#: A result that names its ports, or none. `x` stays the input, for the report of a failure.
_LAST = """\
{call}
if w{i} or result is not None:
    after{i}(result)
"""
_CONSUMED = """\
{call}
if w{i}:
    after{i}(None)
"""

_MEMBER = """\
    def start{i}():
        nonlocal w{i}, e{i}, m{i}
        if not w{i}:
            w{i} = True
            e{i} += 1
            m{i} = {written}

    def open{i}(flag):
        nonlocal w{i}
        w{i} = flag

    def call{i}(function):
        nonlocal p{i}
        p{i} = function

    write_slowly{i}, drop{i}, wrote{i} = hosts[{i}].write_slowly, hosts[{i}].drop, hosts[{i}].wrote
    result{i}, begin{i}, took{i} = hosts[{i}].result, hosts[{i}].timing.begin, hosts[{i}].timing.took
"""

_AFTER = """\
    def after{i}(x):
        nonlocal w{i}, e{i}
        if not w{i}:
            if x is None:
                e{i} += 1
                drop{i}({begun} - 1)
                return None
            {usual}
        if x is not None:
            result{i}(x)
        w{i} = False
        wrote{i}({begun} - 1, {written} - m{i})
        return None
"""
_USUAL = "return {x}"
_USUAL_OF_FUNCTION = """\
if type(x) is not dict or "_d4p_prov" not in x:
                return {x}
            start{i}()"""

_AFTER_ALL = """\
    def after{i}(x):
        nonlocal w{i}
        start{i}()
        if x is not None:
            result{i}(x)
        w{i} = False
        wrote{i}({begun} - 1, {written} - m{i})
"""

_WRITE = """\
    def write{i}(name, data, **details):
        if w{i} is None or name != {port!r} or details:
            return write_slowly{i}(name, data, details, getrefcount(data) <= WRITTEN)
        if not w{i}:
            start{i}()
        if due:
            checkpoint()
        {hand_over}emit(data)
"""
#: The next member's part follows as in its `run`, without a call.
_WRITE_ON = """\
    def write{i}(name, data, **details):
        nonlocal n{j}
        if w{i} is None or name != {port!r} or details:
            return write_slowly{i}(name, data, details, getrefcount(data) <= WRITTEN)
        if not w{i}:
            start{i}()
        if due:
            checkpoint()
        {hand_over}x = data
        n{j} += 1
        if not n{j} & mask:
            return {timed}
        try:
{plain_steps}
        except BaseException as error:
            fault(error)
"""
_HAND_OVER = """\
if type(data) not in plain:
            if type(data) is tuple:
                for member in data:
                    if type(member) not in leaves:
                        data = owned(data, getrefcount(data) <= WRITTEN)
                        break
            else:
                data = owned(data, getrefcount(data) <= WRITTEN)
        """
_WRITE_ANY = """\
    def write{i}(name, data, **details):
        write_slowly{i}(name, data, details, getrefcount(data) <= WRITTEN)
"""

_CALL = re.compile(r" *(?:x = |result = )p(\d+)\(| *after(\d+)\(result\)")

#: File name of generated code to its chain, for those who find it in a traceback.
compiled = {}


class Chain:
    """What was generated; lists hold one entry for each member."""

    def __init__(self, hosts, emit, written, due, checkpoint, fault):
        """`emit` takes the data of the last member's main output, of which `written()` tells the number so far."""
        self.hosts = hosts
        source, self._lines = _source(hosts)
        name = f"{_FOLDER}<chain of {hosts[0].id}>"
        scope = {"getrefcount": sys.getrefcount, "RETURNED": values.RETURNED, "WRITTEN": values.WRITTEN, "clock": time.time_ns}
        scope["leaves"] = values.LEAVES
        exec(compile(source, name, "exec"), scope)
        functions = scope["chain"](
            *[host.function for host in hosts], hosts, emit, written, values.PLAIN, values.owned, due, checkpoint, fault
        )
        compiled[name] = self
        self.batch, self.sample, self.counts, self.writing, self.sample_one_in, members = functions
        for position, (host, (run, write, start, open, call)) in enumerate(zip(hosts, members)):
            host.chain, host.position = self, position
            host.run, host.write, host.start, host.open, host.call = run, write, start, open, call
        self.stride = 1

    def host_at(self, line):
        """Whose call the line of generated code is."""
        position = self._lines.get(line)
        return None if position is None else self.hosts[position]


def host_of(frame):
    """The PE instance whose code runs in the frame or below it, and the frame of its chain; or nothing."""
    while frame is not None:
        chain = compiled.get(frame.f_code.co_filename)
        if chain is not None:
            host = chain.host_at(frame.f_lineno)
            if host is not None:
                return host, frame
        frame = frame.f_back
    return None, None


def _source(hosts):
    last = len(hosts) - 1
    members = range(len(hosts))

    def every(letter, joint):
        return joint.join(f"{letter}{i}" for i in members)

    def begun(i):
        return "n0" + "".join(f" - e{k - 1} + n{k}" for k in range(1, i + 1))

    def written(i):
        return "written()" if i == last else begun(i + 1)

    parts = [_HEAD.format(calls=every("p", ", "), n=every("n", " = "), e=every("e", " = "), m=every("m", " = "), w=every("w", " = "))]
    for i, host in enumerate(hosts):
        parts.append(_MEMBER.format(i=i, written=written(i)))
        if host.returns_data:
            x = "owned(x, getrefcount(x) <= RETURNED)" if host.hands_over else "x"
            usual = (_USUAL_OF_FUNCTION if host.is_function else _USUAL).format(i=i, x=x)
            parts.append(_AFTER.format(i=i, begun=begun(i), written=written(i), usual=usual))
        else:
            parts.append(_AFTER_ALL.format(i=i, begun=begun(i), written=written(i)))
        if host.main is None or host.writes_slowly:
            parts.append(_WRITE_ANY.format(i=i))
        elif i == last:
            hand_over = _HAND_OVER if host.hands_over else ""
            parts.append(_WRITE.format(i=i, port=host.main.name, hand_over=hand_over))
        else:
            parts.append(
                _WRITE_ON.format(
                    i=i, j=i + 1, port=host.main.name, hand_over=_HAND_OVER, timed=_timed(hosts, i + 1),
                    plain_steps=_indented(_steps(hosts, i + 1, "return", False), 12),
                )
            )  # fmt: skip
    for i in members:
        plain, timed = (_indented(_steps(hosts, i, "return", clocked), 12) for clocked in (False, True))
        if hosts[i].fed_by is not None:
            parts.append(f"    sampled{i} = hosts[{i}].fed_by.sampled\n")
        parts.append(_RUN.format(i=i, timed=_timed(hosts, i), plain_steps=plain, timed_steps=timed))
    parts.append(
        _BATCH.format(
            steps=_indented(("x = {}\n" if hosts[0].is_given_nothing else "") + _steps(hosts, 0, "continue", False), 16),
            item="_" if hosts[0].is_given_nothing else "x", w=every("w", ", "),
            begun="(" + ", ".join(map(begun, members)) + ",)",
        )  # fmt: skip
    )
    functions = ", ".join(f"(run{i}, write{i}, start{i}, open{i}, call{i})" for i in members)
    parts.append(f"    return batch, sample, counts, writing, sample_one_in, ({functions},)\n")
    source = "".join(parts)
    lines = {}
    for number, line in enumerate(source.splitlines(), 1):
        call = _CALL.match(line)
        if call:
            lines[number] = int(call[1] or call[2])
    return source, lines


def _timed(hosts, i):
    # The time that a writer gives to its readers is told from the same data.
    return f"timed{i}(x)" if hosts[i].fed_by is None else f"sampled{i}(x, timed{i}, mask + 1)"


def _steps(hosts, first, leave, timed):
    parts = []
    for i in range(first, len(hosts)):
        host = hosts[i]
        result = "x" if host.returns_data else "result"
        call = f"{result} = p{i}({host.argument})"
        if timed:
            call = f"begun = begin{i}()\n{call}\ntook{i}(begun, clock(), {result})"
        if host.returns_data:
            parts.append(_STEP.format(call=call, i=i, leave=leave))
            if i == len(hosts) - 1:
                parts.append("emit(x)\n")
        else:
            parts.append((_CONSUMED if host.drops_result else _LAST).format(call=call, i=i))
    return "".join(parts)


def _indented(text, columns):
    return "\n".join(" " * columns + line for line in text.splitlines())
