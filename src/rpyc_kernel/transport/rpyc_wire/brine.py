"""RPyC's messages: brine, its encoding of plain values, read from bytes that nobody vouches for, and their dialects.

The brine is that of ``rpyc.core.brine`` of RPyC 4.1 to 6, whose tags never changed. RPyC's own reader is not used,
because hostile bytes make it raise half a dozen kinds of exceptions, recurse, take a string that was cut off for a
whole one, and turn 64 MiB into gigabytes. Here everything has a bound, and BrineError is the only error.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple, TypeAlias, cast

# None, bool, int, float, complex, str, bytes, slice, NotImplemented, Ellipsis, and tuples of them
Value: TypeAlias = object

MAX_DEPTH = 50  # of values in values; RPyC itself wraps four around a value
MAX_ITEMS = 100_000  # values in one message: each costs memory far beyond its one or two bytes on the wire
MAX_DIGITS = 4300  # of an integer, as Python's own limit: int() takes time that is quadratic in it
UNCOPIED_BYTES = 4096  # dump() passes on strings of this length and more without a copy

_I1, _I4 = struct.Struct("!B"), struct.Struct("!L")
_F8, _C16 = struct.Struct("!d"), struct.Struct("!dd")

_CONSTANTS: dict[int, Value] = {
    0x00: None, 0x01: b"", 0x02: (), 0x03: True, 0x04: False, 0x05: NotImplemented, 0x06: ...,
    **{number + 0x50: number for number in range(-0x30, 0xA0)},
}  # fmt: skip
_UNICODE, _LONG = 0x08, 0x09  # _LONG: from a server on Python 2
_BYTES_SHORT = range(0x0A, 0x0E)  # of 1 to 4 bytes
_BYTES_L1, _BYTES_L4 = 0x0E, 0x0F
_TUPLE_SHORT = range(0x10, 0x14)  # of 1 to 4 items
_TUPLE_L1, _TUPLE_L4 = 0x14, 0x15
_INT_L1, _INT_L4 = 0x16, 0x17
_FLOAT, _SLICE, _FROZENSET, _COMPLEX = 0x18, 0x19, 0x1A, 0x1B


class BrineError(ValueError):
    """Raised by `load` for bytes that are no brine, or brine beyond the bounds."""


# --- reading ------------------------------------------------------------------------------------------------------


def load(data: bytes | bytearray | memoryview, *, max_items: int = MAX_ITEMS, frozensets: bool = False) -> Value:
    """Return the value that *data* is the brine of.

    Args:
        data: All of the brine.
        max_items: How many values may be in it, the inner ones counted too.
        frozensets: Whether a frozenset is returned as one. Otherwise it is returned as a tuple.

    Raises:
        BrineError: It is no brine of one value, or beyond the bounds.
    """
    reader = _BrineReader(memoryview(data), max_items, frozensets=frozensets)
    value = reader.value(0)
    if reader.position != len(reader.data):
        raise BrineError("bytes behind the value")
    return value


class _BrineReader:
    def __init__(self, data: memoryview, max_items: int, *, frozensets: bool) -> None:
        self.data = data
        self.max_items = max_items
        self.frozensets = frozensets
        self.position = 0
        self.items = 0
        self.collisions = 0

    def take(self, count: int) -> memoryview:
        end = self.position + count
        if end > len(self.data):
            raise BrineError("it ends in the middle of a value")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def length(self, tag: int, short: int) -> int:
        packed = _I1 if tag == short else _I4
        return cast("int", packed.unpack(self.take(packed.size))[0])

    def value(self, depth: int) -> Value:
        self.items += 1
        if self.items > self.max_items:
            raise BrineError(f"more than {self.max_items:,} values")
        if depth > MAX_DEPTH:
            raise BrineError(f"nested deeper than {MAX_DEPTH}")
        tag = self.take(1)[0]
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag == _UNICODE:
            return self.text(depth)
        if tag in _BYTES_SHORT:
            return bytes(self.take(tag - _BYTES_SHORT.start + 1))
        if tag in (_BYTES_L1, _BYTES_L4):
            return bytes(self.take(self.length(tag, _BYTES_L1)))
        if tag in _TUPLE_SHORT:
            return self.tuple_of(tag - _TUPLE_SHORT.start + 1, depth)
        if tag in (_TUPLE_L1, _TUPLE_L4):
            return self.tuple_of(self.length(tag, _TUPLE_L1), depth)
        if tag in (_INT_L1, _INT_L4):
            return self.integer(self.length(tag, _INT_L1))
        if tag == _FLOAT:
            return _F8.unpack(self.take(8))[0]
        if tag == _COMPLEX:
            return complex(*_C16.unpack(self.take(16)))
        return self.wrapped(tag, depth)

    def wrapped(self, tag: int, depth: int) -> Value:
        """Read a value that is written as a tag around another one."""
        if tag not in (_LONG, _SLICE, _FROZENSET):
            raise BrineError(f"unknown tag {tag:#04x}")
        inner = self.value(depth + 1)
        if tag == _LONG and type(inner) is int:
            return inner
        if tag == _FROZENSET and isinstance(inner, tuple):
            return self.frozenset_of(inner) if self.frozensets else inner
        if tag == _SLICE and isinstance(inner, tuple) and len(inner) == 3:
            return slice(*inner)
        raise BrineError(f"tag {tag:#04x} around something else than belongs there")

    def frozenset_of(self, members: tuple[Value, ...]) -> Value:
        try:
            from rpyc_kernel.agent.values.hashing import MAX_COLLISIONS, collisions  # noqa: PLC0415 - few answers have sets

            self.collisions += collisions(members)
            if self.collisions > MAX_COLLISIONS:
                raise BrineError("frozensets with members that were chosen to collide")
            return frozenset(members)
        except TypeError:  # a slice is no member of a set before Python 3.12
            raise BrineError("a frozenset with members that can't be in one") from None

    def tuple_of(self, count: int, depth: int) -> tuple[Value, ...]:
        if count > len(self.data) - self.position:  # each item takes a byte at least
            raise BrineError("it ends in the middle of a tuple")
        return tuple([self.value(depth + 1) for _ in range(count)])

    def integer(self, digits: int) -> int:
        if digits > MAX_DIGITS:
            raise BrineError(f"an integer of more than {MAX_DIGITS:,} digits")
        text = bytes(self.take(digits))
        if not re.fullmatch(rb"-?[0-9]+", text):
            raise BrineError("an integer that is none")
        try:
            return int(text)
        except ValueError:  # where the interpreter's own limit was set lower than ours
            raise BrineError("an integer with too many digits") from None

    def text(self, depth: int) -> str:
        inner = self.value(depth + 1)
        if not isinstance(inner, bytes):
            raise BrineError("a text that is not made of bytes")
        try:
            return inner.decode()
        except UnicodeDecodeError:
            raise BrineError("a text that is no UTF-8") from None


# --- writing ------------------------------------------------------------------------------------------------------


def dump(value: Value) -> list[bytes | bytearray | memoryview]:
    """Return *value* in brine, as a list of pieces for ``sendmsg``: long strings are not copied.

    bytearray and memoryview are written as bytes.

    Raises:
        TypeError: It is no plain value.
    """
    pieces: list[bytes | bytearray | memoryview] = []
    small = _write(value, bytearray(), pieces)
    if small:
        pieces.append(small)
    return pieces


def _write(value: Value, out: bytearray, pieces: list[bytes | bytearray | memoryview]) -> bytearray:
    """Write *value* behind *out*. Returns the buffer to go on with: a long string starts a new one."""
    kind = type(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _write_bytes(value, out, pieces)
    if kind is str:
        out.append(_UNICODE)
        return _write_bytes(cast("str", value).encode(), out, pieces)
    if kind is tuple:
        items = cast("tuple[Value, ...]", value)
        _write_length(len(items), out, 0x02, _TUPLE_SHORT, _TUPLE_L1)
        for item in items:
            out = _write(item, out, pieces)
    elif value is None or kind is bool or value is ... or value is NotImplemented:
        out.append(next(tag for tag, constant in _CONSTANTS.items() if constant is value))
    elif kind is int:
        _write_int(cast("int", value), out)
    elif kind is float:
        out.append(_FLOAT)
        out += _F8.pack(value)
    elif kind is complex:
        out.append(_COMPLEX)
        out += _C16.pack(cast("complex", value).real, cast("complex", value).imag)
    elif kind is slice:
        out.append(_SLICE)
        cut = cast("slice", value)
        out = _write((cut.start, cut.stop, cut.step), out, pieces)
    else:
        raise TypeError(f"a {kind.__name__} cannot be sent by value")
    return out


def _write_int(number: int, out: bytearray) -> None:
    if -0x30 <= number < 0xA0:
        out.append(number + 0x50)
        return
    text = str(number).encode()
    out.append(_INT_L1 if len(text) < 256 else _INT_L4)
    out += (_I1 if len(text) < 256 else _I4).pack(len(text))
    out += text


def _write_length(length: int, out: bytearray, empty: int, short: range, long: int) -> None:
    """Write the tag and the length of a string or tuple; the four-byte form has the tag behind *long*."""
    if length == 0:
        out.append(empty)
    elif length <= 4:
        out.append(short[length - 1])
    elif length < 256:
        out.append(long)
        out += _I1.pack(length)
    else:
        out.append(long + 1)
        out += _I4.pack(length)


def _write_bytes(
    data: bytes | bytearray | memoryview, out: bytearray, pieces: list[bytes | bytearray | memoryview]
) -> bytearray:
    size = data.nbytes if isinstance(data, memoryview) else len(data)
    _write_length(size, out, 0x01, _BYTES_SHORT, _BYTES_L1)
    if size < UNCOPIED_BYTES:
        out += data
        return out
    pieces += (out, data)
    return bytearray()


# --- dialects -----------------------------------------------------------------------------------------------------

# Kinds of messages, labels of boxed values, ids of requests: rpyc.core.consts
MSG_REQUEST, MSG_REPLY, MSG_EXCEPTION = 1, 2, 3
LABEL_VALUE, LABEL_TUPLE, LABEL_LOCAL_REF, LABEL_REMOTE_REF = 1, 2, 3, 4
HANDLE_PING, HANDLE_CLOSE, HANDLE_GETROOT, HANDLE_CALL, HANDLE_CALLATTR = 1, 2, 3, 7, 8
EXC_STOP_ITERATION = 1

_UNBOUND = bytes(16)  # no thread of ours, and none in particular of theirs


class Dialect(NamedTuple):
    """One way to write ``(kind, seq, args)`` into a frame.

    Frames, brine, the ids of requests and the labels of boxed values are the same in all dialects
    (``tests/unit/transport/rpyc_wire/test_connection.py`` compares ours with RPyC's own, ``tests/servers`` with real
    servers). What changed is the envelope:

    =============  ======================================================================
    RPyC 6         one byte *kind*, then brine of ``(seq, args)``
    RPyC 4.1 to 5  brine of ``(kind, seq, args)``
    "bound"        either of them behind sixteen bytes that name two threads: a server
                   (5.3 or newer) whose environment says ``RPYC_BIND_THREADS=true``
    =============  ======================================================================

    Attributes:
        name: For messages to the user.
        kind_first: Whether the kind is a byte of its own before the brine.
        bound: Whether sixteen bytes that name two threads stand before all that.
    """

    name: str
    kind_first: bool
    bound: bool = False

    @property
    def head(self) -> bytes:
        """The bytes before the envelope."""
        return _UNBOUND if self.bound else b""

    def dump(self, kind: int, seq: int, args: Value) -> list[bytes | bytearray | memoryview]:
        """Return the body of a frame, in pieces."""
        pieces = dump((seq, args) if self.kind_first else (kind, seq, args))
        if self.kind_first:
            pieces.insert(0, bytes((kind,)))
        if self.bound:
            pieces.insert(0, _UNBOUND)
        return pieces

    def load(
        self, body: bytes | bytearray | memoryview, *, max_items: int = MAX_ITEMS, frozensets: bool = False
    ) -> tuple[int, int, Value]:
        """Read the body of a frame into ``(kind, seq, args)``, with the arguments and errors of the function `load`."""
        view = memoryview(body)
        if self.bound:
            view = view[len(_UNBOUND) :]
        if len(view) < 2:
            raise BrineError("an empty message")
        loaded = load(view[self.kind_first :], max_items=max_items, frozensets=frozensets)
        if not isinstance(loaded, tuple):
            raise BrineError("an envelope that is no tuple")
        message = (view[0], *loaded) if self.kind_first else loaded
        if len(message) != 3:
            raise BrineError("an envelope that has not three parts")
        kind, seq, args = message
        if type(kind) is not int or type(seq) is not int:
            raise BrineError("an envelope whose numbers are none")
        if kind not in (MSG_REQUEST, MSG_REPLY, MSG_EXCEPTION):
            raise BrineError(f"a message of the unknown kind {kind}")
        return kind, seq, args


RPYC_6 = Dialect("RPyC 6", kind_first=True)
RPYC_5 = Dialect("RPyC 4.1 to 5", kind_first=False)
RPYC_6_BOUND = Dialect("RPyC 6 with bound threads", kind_first=True, bound=True)
RPYC_5_BOUND = Dialect("RPyC 5.3 with bound threads", kind_first=False, bound=True)


def recognise(body: bytes | bytearray | memoryview) -> Dialect | None:
    """Return the dialect of a message, None for none. A server that was not understood says goodbye in its own."""
    for dialect in (RPYC_6, RPYC_5, RPYC_6_BOUND, RPYC_5_BOUND):
        try:
            dialect.load(body)
        except BrineError:
            continue
        return dialect
    return None
