# SPDX-License-Identifier: Apache-2.0
"""Chunks: data that go the same way, pickled together (docs/worker-protocol.md, Frames).

A chunk's data must arrive as independent as if each had been pickled alone, though one pickle keeps what it holds twice as one
object. So what goes into one pickle is immutable, or was copied when it was written (`snapshot`); what cannot be copied
is pickled alone at once.
"""

import collections
import io
import itertools
import operator
import pickle
import struct
import sys

from weft.arena import LARGE_BYTES, PIECE

_HEADER = struct.Struct("<IHHIBBHQ")
_PROGRESSION = struct.Struct("<QQ")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_LISTED, _CONTENT_IS_PIECE = 0x01, 0x80
_MAXIMUM_ID = (1 << 64) - 1

#: Values that hold no others and never change.
ATOMS = frozenset((int, float, complex, bool, str, bytes, type(None)))
_SIZED = frozenset((str, bytes))
#: Atoms, and types found to be like them: NumPy's scalars.
_leaves = set(ATOMS)
_CONTAINERS = frozenset((list, dict, tuple, set, frozenset))
_MAXIMUM_DEPTH = 40
#: Containers of up to so many members are looked at in one go.
_SHORT = 32
_NOT_FLAT = -(1 << 62)


class NumPy:
    """NumPy's type of arrays, once somebody has imported it, and the last type of elements that was found to be plain."""

    array = None
    dtype = None


# Pickles that are put together here from bytes that are at hand already; pickletools.dis shows them.
_ROWS = b"\x80\x05cweft.chunks\nrows\n(\x96"  # rows(bytearray ...
_LOADS = b"\x80\x05]cpickle\nloads\nq\x00"  # [loads(bytes), loads(bytes) ...]; the function comes from the memo from the second on
_BYTES = b"\x80\x05]\x8e"  # [bytes]

#: What came in a chunk: ids are a range or a list.
Chunk = collections.namedtuple("Chunk", "edge ids values")


class ContentError(ValueError):
    """A chunk whose content is no list of its values."""

    def __init__(self, edge, ids, error):
        super().__init__(f"{type(error).__name__}: {error}")
        self.edge = edge
        self.ids = ids


class Pickled(bytes):
    """A value that was pickled when it was written."""


class Parcel:
    """A value that was pickled, with its large buffers in shared memory: the pickle of a list of it, and for each buffer its pieces."""

    __slots__ = ("content", "pieces", "weight")

    def __init__(self, content, pieces):
        self.content = content
        #: By destination, the pieces of all buffers.
        self.pieces = pieces
        self.weight = len(content) + sum(piece[3] for piece in pieces[0])


# Values as they are when they are written


def plain_size(values):
    """About the bytes that the values take, if they are atoms, tuples of as many atoms each, or arrays; otherwise None."""
    kinds = set(map(type, values))
    if kinds <= ATOMS:
        return _size(values, kinds)
    if kinds == {NumPy.array}:
        return sum([value.nbytes for value in values])
    if len(kinds) > 1 or tuple not in kinds or len(set(map(len, values))) > 1:
        return None
    total = 3 * len(values)
    for column in zip(*values):
        kinds = set(map(type, column))
        if not kinds <= ATOMS:
            return None
        total += _size(column, kinds)
    return total


def _size(atoms, kinds):
    if kinds.isdisjoint(_SIZED):
        return 5 * len(atoms)
    if kinds <= _SIZED:
        return 3 * len(atoms) + sum(map(len, atoms))
    return sum([len(atom) if type(atom) in _SIZED else 5 for atom in atoms])


def snapshot(value, place):
    """The value as it is now, and about its size: for `encode`, whatever its author does with it later.

    `place` puts a large buffer into shared memory: it returns the buffer's piece for each destination, or None where it must
    stay in the pickle. Raises what pickle raises.
    """
    kind = type(value)
    if kind in _SIZED:
        return value, len(value) + 3
    if kind in ATOMS:
        return value, 5
    if kind in _CONTAINERS:
        size = _flat_size(value) if kind is not dict else _flat_size(value) + _flat_size(value.values())
        if size >= 0:
            return value if kind is tuple or kind is frozenset else value.copy(), size
        copier = _Copier()
        try:
            return copier.copy(value, kind), copier.size
        except _NotPlain:
            pass
    elif kind is NumPy.array or NumPy.array is None and kind.__name__ == "ndarray" and ndarray() is kind:
        dtype, size = value.dtype, value.nbytes
        if (dtype is NumPy.dtype or _is_plain(dtype)) and value.ndim > 0 and size > 0:
            if size < LARGE_BYTES:
                return value.copy("A"), size
            if not value.flags.forc:
                value = value.copy()
    elif kind is bytearray:
        return value.copy(), len(value)
    elif _is_leaf(kind):
        return value, 32
    return _pickled(value, place)


def _flat_size(values):
    """About the bytes that the members of a container take if all are atoms; otherwise what makes any sum negative."""
    if len(values) > _SHORT:
        kinds = set(map(type, values))
        return _size(values, kinds) if kinds <= ATOMS else _NOT_FLAT
    size = 5
    for value in values:
        kind = type(value)
        if kind in _SIZED:
            size += len(value) + 3
        elif kind in ATOMS:
            size += 5
        else:
            return _NOT_FLAT
    return size


def _pickled(value, place):
    pieces = []

    def keep(buffer):
        with buffer.raw() as raw:
            placed = place(raw) if raw.nbytes >= LARGE_BYTES else None
        if placed is not None:
            pieces.append(placed)
        return placed is None

    content = pickle.dumps(value, 5, buffer_callback=keep)
    if not pieces:
        return Pickled(content), len(content)
    # As a list of the value: EMPTY_LIST after PROTO, and APPEND before STOP.
    parcel = Parcel(b"".join((content[:2], b"]", content[2:-1], b"a.")), list(zip(*pieces)))
    # What lies in shared memory is on its way already, and a frame that tells of several such buffers is cheaper.
    return parcel, len(content) + (parcel.weight - len(parcel.content)) // 8


class _NotPlain(Exception):
    pass


class _Copier:
    """Copies plain data; what is one object within a datum stays one object."""

    def __init__(self):
        self.size = 0
        self._copies = {}
        self._depth = 0

    def copy(self, value, kind):
        flat = _flat_size(value) if kind is not dict else _flat_size(value) + _flat_size(value.values())
        if flat >= 0:
            self.size += flat
            return value if kind is tuple or kind is frozenset else self._keep(value, value.copy())
        if kind is set or kind is frozenset or self._depth == _MAXIMUM_DEPTH:
            raise _NotPlain
        self._depth += 1
        if kind is dict:
            copied = self._keep(value, {})
            for key, member in value.items():
                copied[self._member(key)] = self._member(member)
        elif kind is list:
            copied = self._keep(value, [])
            copied.extend(map(self._member, value))
        else:
            copied = tuple(map(self._member, value))
            # Unless it holds itself, by way of a list.
            copied = self._copies.get(id(value)) or self._keep(value, copied)
        self._depth -= 1
        return copied

    def _member(self, value):
        kind = type(value)
        if kind in _CONTAINERS:
            return self._copies[id(value)] if id(value) in self._copies else self.copy(value, kind)
        if kind in _SIZED:
            self.size += len(value)
        elif kind is bytearray or is_array(value, kind) and value.nbytes < LARGE_BYTES:
            if id(value) in self._copies:
                return self._copies[id(value)]
            self.size += (len(value) if kind is bytearray else value.nbytes) + 100
            return self._keep(value, value.copy() if kind is bytearray else value.copy("A"))
        elif not _is_leaf(kind):
            raise _NotPlain
        self.size += 5
        return value

    def _keep(self, value, copied):
        self._copies[id(value)] = copied
        return copied


def _is_leaf(kind):
    if kind in _leaves:
        return True
    if kind.__module__ == "numpy":
        numpy = sys.modules["numpy"]
        if issubclass(kind, numpy.generic) and not issubclass(kind, (numpy.void, numpy.object_)):
            _leaves.add(kind)
            return True
    return False


def is_array(value, kind):
    """Whether it is an array like most: rows of such arrays are put together."""
    if kind is not ndarray():
        return False
    dtype = value.dtype
    return (dtype is NumPy.dtype or _is_plain(dtype)) and value.ndim > 0 and value.nbytes > 0


def _is_plain(dtype):
    if dtype.hasobject or dtype.metadata is not None:
        return False
    NumPy.dtype = dtype
    return True


def ndarray():
    if NumPy.array is None:
        NumPy.array = getattr(sys.modules.get("numpy"), "ndarray", None)
    return NumPy.array


# To bytes


def encode(values):
    """Contents of chunks for the values, in order: (count, parts, parcel).

    The parts, one after another, are the pickle; where there is a parcel its buffers belong to it.
    """
    kinds = set(map(type, values))
    if kinds <= ATOMS:
        if bytes not in kinds or max(len(value) for value in values if type(value) is bytes) < LARGE_BYTES:
            return [(len(values), [_without_memo(values)], None)]
    elif len(kinds) == 1:
        (kind,) = kinds
        if kind is tuple:
            if set(map(type, itertools.chain.from_iterable(values))) <= ATOMS:
                return [(len(values), [_without_memo(values)], None)]
            return [(len(values), [pickle.dumps(values, 5)], None)]
        if kind is Pickled:
            return [(len(values), _loads_parts(values), None)]
        if kind is Parcel:
            return [(1, [value.content], value) for value in values]
        if kind is ndarray():
            layouts = itertools.groupby(values, operator.attrgetter("dtype", "shape", "strides"))
            return [_rows_content(layout, list(arrays)) for layout, arrays in layouts]
        return [(len(values), [pickle.dumps(values, 5)], None)]
    contents = []
    for form, run in itertools.groupby(values, _form):
        run = list(run)
        if form is bytes:
            contents += [(1, [_BYTES + _U64.pack(len(value)), value, b"a."], None) for value in run]
        elif form is None:
            contents.append((len(run), [pickle.dumps(run, 5)], None))
        else:
            contents += encode(run)
    return contents


def _form(value):
    kind = type(value)
    if kind is Pickled or kind is Parcel or kind is ndarray():
        return kind
    return bytes if kind is bytes and len(value) >= LARGE_BYTES else None


def _without_memo(values):
    """Atoms, and tuples of them, hold nothing that must stay one object."""
    file = io.BytesIO()
    pickler = pickle.Pickler(file, 5)
    pickler.fast = True
    pickler.dump(values)
    return file.getbuffer()


def _loads_parts(values):
    """Each is a pickle of its own, within the one of the list."""
    parts = [_LOADS, b"0("]
    for value in values:
        parts += (b"h\x00\x8e", _U64.pack(len(value)), value, b"\x85R")
    parts.append(b"e.")
    return [b"".join(parts)]


def _rows_content(layout, arrays):
    dtype, shape, _ = layout
    fortran = not arrays[0].flags.c_contiguous
    if fortran:
        arrays = [array.T for array in arrays]
    try:
        buffer = b"".join(arrays)
    except (BufferError, TypeError, ValueError):  # Dates have no buffers.
        buffer = b"".join([array.tobytes() for array in arrays])
    layout = pickle.dumps((dtype, shape, fortran), 4)
    # Without PROTO and STOP; frames may be left out, and where there is one it is the whole.
    layout = layout[11:-1] if layout[2:3] == b"\x95" else layout[2:-1]
    return len(arrays), [_ROWS + _U64.pack(len(buffer)), buffer, layout + b"tR."], None


def rows(buffer, layout):
    """The arrays whose bytes follow each other in the buffer, as arrays of their own."""
    import numpy

    dtype, shape, fortran = layout
    stored = shape[::-1] if fortran else shape
    table = numpy.frombuffer(buffer, dtype).reshape((-1, *stored))
    if fortran:
        table = table.transpose((0, *range(len(shape), 0, -1)))
    # Each has memory of its own: one that is kept must not keep the others'.
    return [table[0]] if len(table) == 1 else [row.copy("A") for row in table]


def header(edge, replica, ids, content, pieces, weight, content_is_piece):
    """What a chunk begins with, before its content of so many bytes."""
    count = len(ids)
    if type(ids) is range:
        form, listed = 0, _PROGRESSION.pack(ids.start, ids.step)
    else:
        form, listed = _LISTED, struct.pack(f"<{count}Q", *ids)
    length = _HEADER.size + len(listed) + PIECE.size * len(pieces) + content
    form |= _CONTENT_IS_PIECE if content_is_piece else 0
    start = _HEADER.pack(length, edge, replica, count, form, 0, len(pieces), weight + length)
    return b"".join((start, listed, *[PIECE.pack(*piece) for piece in pieces]))


# From bytes


def decode(body, arenas):
    """The chunks of a frame. Raises ContentError for a content that cannot be read, other ValueErrors for what is no chunk."""
    view = memoryview(body)
    position = 0
    while position < len(view):
        if len(view) - position < _HEADER.size:
            raise ValueError("a chunk that ends in the middle of its header")
        length, edge, _, count, form, _, pieces, _ = _HEADER.unpack_from(view, position)
        ids_start = position + _HEADER.size
        pieces_start = ids_start + (8 * count if form & _LISTED else _PROGRESSION.size)
        start, end = pieces_start + PIECE.size * pieces, position + length
        if count == 0 or form & ~(_LISTED | _CONTENT_IS_PIECE) or not start <= end <= len(view):
            raise ValueError(f"a chunk whose parts do not fit its {length} bytes")
        if form & _LISTED:
            ids = view[ids_start:pieces_start].cast("Q").tolist()
        else:
            first, stride = _PROGRESSION.unpack_from(view, ids_start)
            if first + stride * (count - 1) > _MAXIMUM_ID or stride == 0 and count > 1:
                raise ValueError("a chunk with ids that are none")
            ids = range(first, first + count * (stride or 1), stride or 1)
        places = list(PIECE.iter_unpack(view[pieces_start:start]))
        try:
            values = _load(view[start:end], places, form & _CONTENT_IS_PIECE, arenas)
            if type(values) is not list or len(values) != count:
                raise ValueError(f"the content is not a list of {count} values")
        except Exception as error:
            raise ContentError(edge, ids, error) from error
        yield Chunk(edge, ids, values)
        position = end


def _load(content, pieces, is_piece, arenas):
    if not pieces:
        return pickle.loads(content)
    if arenas is None:
        raise ValueError("a chunk in shared memory, of which there is none")
    if is_piece:
        buffers = [memoryview(arenas.buffer(*piece)) for piece in pieces[1:]]
        with arenas.content(*pieces[0]) as memory:
            return pickle.loads(memory, buffers=buffers)
    return pickle.loads(content, buffers=[memoryview(arenas.buffer(*piece)) for piece in pieces])
