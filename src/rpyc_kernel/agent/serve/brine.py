"""RPyC's encoding of plain values ("brine"), as far as a kernel's requests and their answers need it.

Every length is checked against the bytes there are, and everything has a bound: what comes is data, whoever sends it.
`rpyc_kernel.transport.rpyc_wire.brine` is the other end's, for all kinds of values, and for Python from 3.11 on.
"""

from __future__ import annotations

import re
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Tuple

MAX_DEPTH = 20  #: of values in values; a request has five
MAX_ITEMS = 1000  #: values in one message; a request has twenty
MAX_DIGITS = 100  #: of an integer

_I4 = struct.Struct("!L")
_NONE, _NO_BYTES, _NO_ITEMS, _TRUE, _FALSE, _UNICODE = 0x00, 0x01, 0x02, 0x03, 0x04, 0x08
_BYTES_SHORT, _TUPLE_SHORT = range(0x0A, 0x0E), range(0x10, 0x14)  # of 1 to 4
_BYTES_L1, _BYTES_L4, _TUPLE_L1, _TUPLE_L4, _INT_L1, _INT_L4 = 0x0E, 0x0F, 0x14, 0x15, 0x16, 0x17
_SMALL = range(0x20, 0xF0)  # an integer that is the tag itself, less 0x50
_CONSTANTS = {_NONE: None, _NO_BYTES: b"", _NO_ITEMS: (), _TRUE: True, _FALSE: False}


class BrineError(ValueError):
    """Bytes that are no brine, brine beyond the bounds, or a value that a request has no use for."""


def load(data: bytes) -> Any:
    """Return the value that ``data`` is the brine of. Raises BrineError where it is none."""
    reader = _Reader(data)
    value = reader.value(0)
    if reader.position != len(data):
        raise BrineError("bytes behind the value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.items = 0

    def take(self, count: int) -> bytes:
        start = self.position
        self.position += count
        if self.position > len(self.data):
            raise BrineError("it ends in the middle of a value")
        return self.data[start : self.position]

    def length(self, long: bool) -> int:
        return int(_I4.unpack(self.take(4))[0]) if long else self.take(1)[0]

    def value(self, depth: int) -> Any:
        self.items += 1
        if self.items > MAX_ITEMS or depth > MAX_DEPTH:
            raise BrineError("too many values, or too deep in each other")
        tag = self.take(1)[0]
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag in _SMALL:
            return tag - 0x50
        if tag == _UNICODE:
            text = self.value(depth + 1)
            if not isinstance(text, bytes):
                raise BrineError("a text that is not made of bytes")
            try:
                return text.decode("utf-8")
            except UnicodeDecodeError:
                raise BrineError("a text that is no UTF-8") from None
        if tag in _BYTES_SHORT:
            return self.take(tag - _BYTES_SHORT.start + 1)
        if tag in (_BYTES_L1, _BYTES_L4):
            return self.take(self.length(tag == _BYTES_L4))
        if tag in _TUPLE_SHORT:
            return self.tuple_of(tag - _TUPLE_SHORT.start + 1, depth)
        if tag in (_TUPLE_L1, _TUPLE_L4):
            return self.tuple_of(self.length(tag == _TUPLE_L4), depth)
        if tag in (_INT_L1, _INT_L4):
            digits = self.length(tag == _INT_L4)
            text = self.take(digits)
            if digits > MAX_DIGITS or not re.match(rb"-?[0-9]+\Z", text):
                raise BrineError("an integer that is none, or too long")
            return int(text)
        raise BrineError("a value of the kind %#04x, which no request has" % tag)

    def tuple_of(self, count: int, depth: int) -> Tuple[Any, ...]:
        return tuple([self.value(depth + 1) for _ in range(min(count, MAX_ITEMS + 1))])


def dump(value: Any) -> List[bytes]:
    """Return the brine of None, a bool, an int, a text, bytes or a tuple in pieces; long bytes are not copied."""
    if value is None or isinstance(value, bool):
        return [bytes([_NONE if value is None else _TRUE if value else _FALSE])]
    if isinstance(value, int):
        digits = b"%d" % value
        return [bytes([_INT_L1, len(digits)]) + digits]
    if isinstance(value, str):
        return [bytes([_UNICODE]), *dump(value.encode("utf-8", "backslashreplace"))]
    if isinstance(value, bytes):
        return [_head(len(value), _BYTES_L1), value]
    if isinstance(value, tuple):
        return [_head(len(value), _TUPLE_L1), *(piece for item in value for piece in dump(item))]
    raise BrineError("a %s can't be sent" % type(value).__name__)


def _head(length: int, tag: int) -> bytes:
    return bytes([tag, length]) if length < 256 else bytes([tag + 1]) + _I4.pack(length)
