# SPDX-License-Identifier: Apache-2.0
"""Bytes that leave a worker: frames to its rank (docs/worker-protocol.md) and provenance records (docs/segment-format.md)."""

import json
import reprlib
import struct

# Kinds of frames.
INPUT, FINISH, GO = 1, 2, 3
READY, OUTPUT, RECORDS, CONSUMED, LOG, DONE, FAILED = 16, 17, 18, 19, 20, 21, 22

MAXIMUM_FRAME = 1 << 30
MAXIMUM_LINE = 16 * 1024
MAXIMUM_JSON = 64 * 1024

#: "None", where a record has room for an id, a port or an instance.
NO_ID = (1 << 64) - 1
NO_INDEX = 0xFFFF

# What an invocation was of, and bits of the flag of a failed one.
PROCESS, PREPROCESS, POSTPROCESS = 0, 1, 2
FAILURE = 1 << 4

# Flags of a datum's record.
MEASURED, ESTIMATED, RUN_INPUT = 0, 1, 2

FRAME_HEADER = struct.Struct("<IB")
DATA_HEADER = struct.Struct("<HQQI")
_RECORD_HEADER = struct.Struct("<BBHI")
_INVOCATION = struct.Struct("<BBHIQQqqH6x")
_DATUM = struct.Struct("<BBHIQQQq")
_DERIVATION = struct.Struct("<BBHIQQ")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_LOG_HEADER = struct.Struct("<HB")
_INPUT_BIT = 1 << 62


def frame(kind, body=b""):
    return FRAME_HEADER.pack(len(body), kind) + body


def output_frame(records):
    return frame(OUTPUT, _U32.pack(len(records)) + b"".join(records))


def consumed_frame(batch):
    return frame(CONSUMED, _U32.pack(batch))


def log_frame(instance, stream, line):
    return frame(LOG, _LOG_HEADER.pack(instance, stream) + line)


def data_record(edge, datum, key_hash, pickled):
    return DATA_HEADER.pack(edge, datum, key_hash, len(pickled)) + pickled


def unpack_input(body):
    """The batch's number and its data as (edge, datum id, view of the pickled value)."""
    batch, count = struct.unpack_from("<II", body)
    view = memoryview(body)
    position = 8
    data = []
    for _ in range(count):
        edge, datum, _, length = DATA_HEADER.unpack_from(body, position)
        position += DATA_HEADER.size
        if position + length > len(body):
            raise ValueError("a datum is longer than its INPUT frame")
        data.append((edge, datum, view[position : position + length]))
        position += length
    if position != len(body):
        raise ValueError("an INPUT frame is longer than its data")
    return batch, data


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


def datum(flag, port, datum, sequence, size, time, pack=_DATUM.pack):
    return pack(2, flag, port, 32, datum, sequence, size, time)


def derivation(datum, origin):
    return _DERIVATION.pack(3, 0, 0, 16, datum, origin)


def attributes(datum, values):
    """`values` maps names to anything; what JSON cannot hold becomes its representation."""
    body = b"{" + b",".join(json_bytes(name) + b":" + json_bytes(value) for name, value in values.items()) + b"}"
    return _RECORD_HEADER.pack(4, 0, 0, 8 + len(body)) + _U64.pack(datum) + body


def result(datum, port, value):
    body = json_bytes(value)
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
