"""Copies of plain data from another machine. The form, and the writer, are in ``agent/worker/plain_data.py``."""

from __future__ import annotations

import json
import re
from typing import Any

from rpyc_kernel.errors import ProtocolError, ValueMissingError
from rpyc_kernel.transport.brine import MAX_COLLISIONS, collisions

MAX_TEXT = 64 << 20  # bytes of JSON: each costs memory far beyond what it takes on the wire
MAX_CONTAINERS = 5_000_000  # lists and objects in it: two bytes there are seventy here
_DTYPE = re.compile(r"[<>|=]?[biufcSUmM][0-9]{0,9}(\[[0-9]{0,9}[a-zA-Zμ]{1,7}\])?")  # of nothing but bytes
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')


def unpack(packed: Any, where: str) -> Any:
    """The value that *where* has packed. Raises ProtocolError where that is none, ValueMissingError."""
    if not (type(packed) is tuple and packed and all(type(each) is bytes for each in packed)):  # no netref that poses
        raise ProtocolError(where, "a value that is not packed as one")
    if len(packed[0]) > MAX_TEXT:
        raise ProtocolError(where, f"a value of more than {MAX_TEXT >> 20} MiB: ask for parts of it, or for an array")
    if _containers(packed[0]) > MAX_CONTAINERS and _containers(_STRINGS.sub(b"", packed[0])) > MAX_CONTAINERS:
        raise ProtocolError(where, f"more than {MAX_CONTAINERS:,} lists and the like: ask for parts of it")
    reader = _Reader(packed[1:], where)
    try:
        return json.loads(packed[0], object_hook=reader.revive)
    except (ValueError, TypeError, LookupError, OverflowError, MemoryError, RecursionError) as error:
        raise ProtocolError(where, f"a value that cannot be read: {str(error)[:200]}") from None


def _containers(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


class _Reader:
    def __init__(self, buffers: tuple[bytes, ...], where: str) -> None:
        self._buffers: list[bytes | None] = list(buffers)
        self._where = where
        self._collisions = 0

    def revive(self, node: dict[str, Any]) -> Any:
        """What an object in the JSON text stands for."""
        kind = node.get("!")
        if kind is None:
            return node
        if kind in ("bytes", "bytearray"):
            data = self._buffer(node)
            return data if kind == "bytes" else bytearray(data)
        if kind in ("array", "scalar"):
            return self._array(node, kind)
        of = node.get("of")
        if kind == "int" and isinstance(of, str):
            return int(of, 16)
        if not isinstance(of, list):
            raise ValueError(f"{str(kind)[:20]!r} of nothing")  # noqa: TRY004 - as all that is wrong in it
        if kind == "tuple":
            return tuple(of)
        if kind in ("set", "frozenset"):
            return (set if kind == "set" else frozenset)(self._fair(of))
        if kind == "dict":
            pairs = [(key, value) for key, value in of]
            self._fair([key for key, _value in pairs])
            return dict(pairs)
        if kind == "complex":
            real, imag = map(float, of)
            return complex(real, imag)
        if kind == "range":
            start, stop, step = map(int, of)
            return range(start, stop, step)
        raise ValueError(f"an unknown {str(kind)[:20]!r}")

    def _buffer(self, node: dict[str, Any]) -> bytes:
        """The bytes that it names. Each are taken once: a thousand copies of a large one would cost no more to send."""
        at = node.get("at")
        data = self._buffers[at - 1] if type(at) is int and 1 <= at <= len(self._buffers) else None
        if data is None:
            raise ValueError("bytes that are not there")
        self._buffers[node["at"] - 1] = None
        return data

    def _array(self, node: dict[str, Any], kind: str) -> Any:
        try:
            import numpy as np  # noqa: PLC0415 - only who copies arrays needs it
        except ImportError:
            raise ValueMissingError(
                f"What was copied from {self._where} has a numpy array in it, and numpy is not installed here: "
                "python -m pip install numpy. As a list it comes without: remote.value('….tolist()')."
            ) from None
        name = node.get("dtype")
        if not (isinstance(name, str) and _DTYPE.fullmatch(name)):
            raise ValueError(f"an array of {str(name)[:50]!r}")
        dtype = np.dtype(name)
        data = bytearray(self._buffer(node))
        if kind == "scalar":
            return np.frombuffer(data, dtype, 1)[0]
        shape = node.get("shape")
        if not (isinstance(shape, list) and len(shape) <= 64 and all(type(n) is int and n >= 0 for n in shape)):
            raise ValueError("an array without a shape")
        if not data:
            return np.empty(0, dtype).reshape(shape)
        return np.frombuffer(data, dtype).reshape(shape)

    def _fair(self, members: list[Any]) -> list[Any]:
        """The members, unless they were chosen so that their hashes collide, which would take time without end."""
        self._collisions += collisions(members)
        if self._collisions > MAX_COLLISIONS:
            raise ValueError("members that were chosen to collide")
        return members
