"""Copies of plain data from another machine. The form, and the writer, are in ``agent/worker/plain_data.py``."""

from __future__ import annotations

import json
from typing import Any

from rpyc_kernel.errors import ProtocolError, RpycKernelError

MAX_TEXT = 64 << 20  # bytes of JSON: each costs memory far beyond what it takes on the wire
_KINDS = "?biufcSUmM"  # of numpy's types: those that are nothing but bytes
_MANY = 1_000  # members of a set, or keys, above which their hashes are looked at


class ValueMissingError(RpycKernelError, ImportError):
    """Raised where a copy needs a package that isn't installed here."""


def unpack(packed: Any, where: str) -> Any:
    """The value that *where* has packed. Raises ProtocolError where that is none, ValueMissingError."""
    if not (isinstance(packed, tuple) and packed and all(isinstance(each, bytes) for each in packed)):
        raise ProtocolError(where, "a value that is not packed as one")
    if len(packed[0]) > MAX_TEXT:
        raise ProtocolError(where, f"a value of more than {MAX_TEXT >> 20} MiB: ask for parts of it, or for an array")
    reader = _Reader(packed[1:], where)
    try:
        return json.loads(packed[0], object_hook=reader.revive)
    except (ValueError, TypeError, LookupError, OverflowError, MemoryError, RecursionError) as error:
        raise ProtocolError(where, f"a value that cannot be read: {error}") from None


class _Reader:
    def __init__(self, buffers: tuple[bytes, ...], where: str) -> None:
        self._buffers = buffers
        self._where = where

    def revive(self, node: dict[str, Any]) -> Any:
        """What an object in the JSON text stands for."""
        kind = node.get("!")
        if kind is None:
            return node
        of = node.get("of")
        if kind in ("bytes", "bytearray"):
            data = self._buffer(node)
            return data if kind == "bytes" else bytearray(data)
        if kind in ("array", "scalar"):
            return self._array(node, kind)
        if kind == "int" and isinstance(of, str):
            return int(of, 16)
        of = of if isinstance(of, list) else []
        if kind == "tuple":
            return tuple(of)
        if kind in ("set", "frozenset"):
            return (set if kind == "set" else frozenset)(_fair(of))
        if kind == "dict":
            pairs = [(key, value) for key, value in of]
            _fair([key for key, _value in pairs])
            return dict(pairs)
        if kind == "complex":
            real, imag = map(float, of)
            return complex(real, imag)
        if kind == "range":
            start, stop, step = map(int, of)
            return range(start, stop, step)
        raise ValueError(f"an unknown {str(kind)[:20]!r}")

    def _buffer(self, node: dict[str, Any]) -> bytes:
        at = node.get("at")
        if type(at) is not int or not 1 <= at <= len(self._buffers):
            raise ValueError("bytes that are not there")
        return self._buffers[at - 1]

    def _array(self, node: dict[str, Any], kind: str) -> Any:
        try:
            import numpy as np  # noqa: PLC0415 - only who copies arrays needs it
        except ImportError:
            raise ValueMissingError(
                f"What was copied from {self._where} has a numpy array in it, and numpy is not installed here: "
                "python -m pip install numpy. As a list it comes without: remote.value('….tolist()')."
            ) from None
        dtype = np.dtype(str(node.get("dtype"))[:50])
        if dtype.kind not in _KINDS or dtype.hasobject:
            raise ValueError(f"an array of {dtype}")
        array = np.frombuffer(bytearray(self._buffer(node)), dtype)
        if kind == "scalar":
            return array[0]
        shape = node.get("shape")
        if not (isinstance(shape, list) and len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)):
            raise ValueError("an array without a shape")
        return array.reshape(shape)


def _fair(members: list[Any]) -> list[Any]:
    """The members, unless they were chosen so that their hashes collide, which would take time without end."""
    if len(members) > _MANY and len(set(map(hash, members))) * 2 < len(members):
        raise ValueError("members whose hashes collide")
    return members
