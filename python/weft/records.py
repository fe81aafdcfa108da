# SPDX-License-Identifier: Apache-2.0
"""Bytes that leave a worker: frames to its rank (docs/worker-protocol.md) and provenance records (docs/segment-format.md)."""

import json
import reprlib
import struct

# Kinds of frames.
INPUT, FINISH, GO, CHECKPOINT = 1, 2, 3, 4
READY, OUTPUT, RECORDS, CONSUMED, LOG, DONE, FAILED, CHECKPOINTED, PAUSED, LAST = 16, 17, 18, 19, 20, 21, 22, 23, 24, 25

MAXIMUM_FRAME = 1 << 30
MAXIMUM_LINE = 16 * 1024
MAXIMUM_JSON = 64 * 1024

#: "None", where a record has room for an id, a port or an instance.
NO_ID = (1 << 64) - 1
NO_INDEX = 0xFFFF

# What an invocation was of, and bits of the flag of one that failed.
PROCESS, PREPROCESS, POSTPROCESS = 0, 1, 2
FAILURE, SKIPPED = 1 << 4, 2 << 4

# Flags of a datum's record.
MEASURED, ESTIMATED, RUN_INPUT = 0, 1, 2

FRAME_HEADER = struct.Struct("<IB")
_RECORD_HEADER = struct.Struct("<BBHI")
_INVOCATION = struct.Struct("<BBHIQQqqH6x")
_CALLS = struct.Struct("<BBHIQQHBB4xqqQQ")
_DATA = struct.Struct("<BBHIQQB7xQQqq")
_DERIVATION = struct.Struct("<BBHIQQ")
_MEMORY = struct.Struct("<BBHIq")
_U32 = struct.Struct("<I")
_PROGRESSION = struct.Struct("<QQ")
_U64 = struct.Struct("<Q")
_CHECKPOINT = struct.Struct("<IQ")
_LOG_HEADER = struct.Struct("<HB")
_INPUT_BIT = 1 << 62


def consumed(batch):
    return _U32.pack(batch)


def checkpoint_of(body):
    """The number of a CHECKPOINT frame, and how many items a source may process until the next."""
    return _CHECKPOINT.unpack(body)


def checkpointed(number, items):
    """`items`: of the run's input that were processed, None where the worker hosts no source."""
    return _CHECKPOINT.pack(number, NO_ID if items is None else items)


def batch_of(body):
    """The number of an INPUT frame's batch, and its chunks."""
    if len(body) < _U32.size:
        raise ValueError("an INPUT frame without its batch")
    return _U32.unpack_from(body)[0], memoryview(body)[_U32.size :]


def log_frame(instance, stream, line):
    return FRAME_HEADER.pack(_LOG_HEADER.size + len(line), LOG) + _LOG_HEADER.pack(instance, stream) + line


def datum_base(instance):
    """Id of the first datum that the instance writes; the next ones follow it."""
    return instance << 48


def input_base(instance):
    """Id of the first item that the instance is given as input of the run."""
    return _INPUT_BIT | instance << 48


def datum_name(datum):
    """`7.42`, or `in7.42` for an input of the run."""
    return f"{'in' if datum & _INPUT_BIT else ''}{datum >> 48 & 0x3FFF}.{datum & (1 << 48) - 1}"


def invocation(flag, instance, sequence, datum, start, duration, port, pack=_INVOCATION.pack):
    return pack(1, flag, instance, 40, sequence, datum, start, duration, port)


def calls(instance, sequence, count, port, inputs, start, end, timed, spent, each):
    """A run of `process` invocations. `inputs`: None, a range or a sequence of datum ids; `each`: None, or start and duration of each."""
    if inputs is None:
        form, listed = 0, b""
    elif type(inputs) is range:
        form, listed = 1, _PROGRESSION.pack(inputs.start, inputs.step)
    else:
        form, listed = 2, struct.pack(f"<{count}Q", *inputs)
    times = b"" if each is None else struct.pack(f"<{2 * count}q", *each)
    length = _CALLS.size - _RECORD_HEADER.size + len(listed) + len(times)
    header = _CALLS.pack(8, 0, instance, length, sequence, count, port, form, 0 if each is None else 1, start, end, timed, spent)
    return header + listed + times


#: Writers of a run of data.
BY_ONE, BY_ONE_EACH, BY_DISTANCE, BY_NONE = range(4)


def data(flag, port, first, count, form, sequence, size, start, end, distances=()):
    """A run of data. `distances`, of form BY_DISTANCE: of each datum's writer from `sequence`."""
    listed = struct.pack(f"<{len(distances)}I", *distances)
    length = _DATA.size - _RECORD_HEADER.size + len(listed)
    return _DATA.pack(9, flag, port, length, first, count, form, sequence, size, start, end) + listed


def profile(instance, values):
    body = json.dumps(values, separators=(",", ":")).encode()
    return _RECORD_HEADER.pack(10, 0, instance, len(body)) + body


def memory(worker, peak):
    return _MEMORY.pack(11, 0, worker, 8, peak)


def derivation(datum, origin):
    return _DERIVATION.pack(3, 0, 0, 16, datum, origin)


def attributes(datum, values):
    """`values` maps names to anything; what JSON cannot hold becomes its representation."""
    body = b"{" + b",".join(json_bytes(name) + b":" + json_bytes(value) for name, value in values.items()) + b"}"
    return _RECORD_HEADER.pack(4, 0, 0, 8 + len(body)) + _U64.pack(datum) + body


def result(datum, port, body):
    """`body`: the value by `json_bytes`."""
    return _RECORD_HEADER.pack(5, 0, port, 8 + len(body)) + _U64.pack(datum) + body


def json_bytes(value):
    """The value as JSON, or `{"repr": ...}` where JSON (or a database) cannot hold it or it is larger than 64 KiB."""
    try:
        if hasattr(value, "__len__") and len(value) > MAXIMUM_JSON:
            raise ValueError("too long")
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain, separators=(",", ":")).encode()
        if len(text) > MAXIMUM_JSON or b"\\u0000" in text:
            raise ValueError("too long, or holds a NUL")
        return text
    except Exception:
        return json.dumps({"repr": summary(value, 2000)}, separators=(",", ":")).encode()


def _plain(value):
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()
    raise TypeError


def summary(value, limit=500):
    """How the value looks, in at most `limit` characters and whatever its `__repr__` does."""
    shortened = reprlib.Repr()
    shortened.maxstring = shortened.maxother = limit
    shortened.maxlist = shortened.maxtuple = shortened.maxdict = shortened.maxset = shortened.maxarray = 20
    try:
        text = shortened.repr(value)
    except Exception:
        text = f"<{type(value).__name__} whose repr() raises>"
    return text if len(text) <= limit else text[: limit - 1] + "…"
