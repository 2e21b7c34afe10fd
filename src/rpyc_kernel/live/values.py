"""Copies of plain data from another machine. The form, and the writer, are in ``agent/worker/plain_data.py``."""

from __future__ import annotations

import re
from typing import Any

from rpyc_kernel.agent.wire_live import Reader
from rpyc_kernel.errors import ProtocolError, ValueMissingError
from rpyc_kernel.transport.rpyc_wire.brine import MAX_COLLISIONS, collisions

MAX_TEXT = 64 << 20  # bytes of JSON: each costs memory far beyond what it takes on the wire
MAX_CONTAINERS = 5_000_000  # lists and objects in it: two bytes there are seventy here
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')


def unpack(packed: Any, where: str) -> Any:
    """The value that *where* has packed. Raises ProtocolError where that is none, ValueMissingError."""
    if not (type(packed) is tuple and packed and all(type(each) is bytes for each in packed)):  # no netref that poses
        raise ProtocolError(where, "a value that is not packed as one")
    if len(packed[0]) > MAX_TEXT:
        raise ProtocolError(where, f"a value of more than {MAX_TEXT >> 20} MiB: ask for parts of it, or for an array")
    if _containers(packed[0]) > MAX_CONTAINERS and _containers(_STRINGS.sub(b"", packed[0])) > MAX_CONTAINERS:
        raise ProtocolError(where, f"more than {MAX_CONTAINERS:,} lists and the like: ask for parts of it")
    reader = _ValueReader(packed[1:], where)
    try:
        return reader.read(packed[0])
    except (ValueError, TypeError, LookupError, OverflowError, MemoryError, RecursionError) as error:
        raise ProtocolError(where, f"a value that cannot be read: {str(error)[:200]}") from None


def _containers(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


class _ValueReader(Reader):
    def __init__(self, buffers: tuple[bytes, ...], where: str) -> None:
        super().__init__(buffers)
        self._where = where
        self._collisions = 0

    def _numpy(self) -> Any:
        try:
            return super()._numpy()
        except ImportError:
            raise ValueMissingError(
                f"What was copied from {self._where} has a numpy array in it, and numpy is not installed here: "
                "python -m pip install numpy. As a list it comes without: remote.value('….tolist()')."
            ) from None

    def _fair(self, members: list[Any]) -> list[Any]:
        """The members, unless they were chosen so that their hashes collide, which would take time without end."""
        self._collisions += collisions(members)
        if self._collisions > MAX_COLLISIONS:
            raise ValueError("members that were chosen to collide")
        return members
