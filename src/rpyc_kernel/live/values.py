"""Copies of plain data from another machine; ``agent/worker/plain_data.py`` defines and writes the format."""

from __future__ import annotations

import re
from typing import Any

from rpyc_kernel.agent.wire_live import Reader
from rpyc_kernel.errors import ProtocolError, ValueMissingError
from rpyc_kernel.transport.rpyc_wire.brine import MAX_COLLISIONS, collisions

MAX_JSON_BYTES = 64 << 20  # of JSON, which takes far more memory than bytes on the wire
MAX_CONTAINERS = 5_000_000  # lists and objects in the JSON: each takes two bytes there, and seventy in memory
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')


def unpack(packed: Any, where: str) -> Any:
    """Unpack a value that the machine `where` has packed.

    Raises:
        ProtocolError: `packed` isn't a packed value, or is too large.
        ValueMissingError: It holds a numpy array, and numpy isn't installed here.
    """
    if not (
        type(packed) is tuple and packed and all(type(each) is bytes for each in packed)
    ):  # and no netref that poses as them
        raise ProtocolError(where, "a value that is not packed as one")
    if len(packed[0]) > MAX_JSON_BYTES:
        raise ProtocolError(
            where, f"a value of more than {MAX_JSON_BYTES >> 20} MiB: ask for parts of it, or for an array"
        )
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
        """Check that the members' hashes don't collide too often, which would take time without end."""
        self._collisions += collisions(members)
        if self._collisions > MAX_COLLISIONS:
            raise ValueError("members that were chosen to collide")
        return members
