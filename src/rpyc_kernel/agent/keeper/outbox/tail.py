"""The newest messages of the journal: in memory, and not given out. A plain object without I/O."""

from __future__ import annotations

from collections import deque

from ... import wire
from .entries import OVERHEAD, thin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Deque, Iterable, Iterator, List

    from ...wire import Bytes
    from .entries import Entry

CHUNK = 64 << 10  #: bytes of text in one message, at most
FEW = 64  #: dead messages that are left where they are


class Tail:
    """A queue of messages.

    :ivar urgent: how many are urgent
    :ivar bytes: their data
    :ivar parts: what of it belongs to messages that were cut
    """

    def __init__(self) -> None:
        self._entries: Deque[Entry] = deque()
        self._dead = 0  # how many of them; they stay until it is their turn, or until they are many
        self.urgent = self.bytes = self.parts = 0

    def __len__(self) -> int:
        return len(self._entries) - self._dead

    def __iter__(self) -> Iterator[Entry]:
        return (entry for entry in self._entries if not entry.dead)

    @property
    def in_memory(self) -> int:
        """Bytes of memory, about."""
        return self.bytes + OVERHEAD * len(self._entries)

    def append(self, entry: Entry) -> None:
        """Add a message."""
        last = self._entries[-1] if self._entries else entry
        if isinstance(last.data, bytearray):
            last.data = bytes(last.data)  # which takes an eighth less
        self._entries.append(entry)
        self._count(entry, 1)

    def join(self, name: str, parent: str, data: Bytes) -> bool:
        """Add text to the newest message, if that is of the same stream and cell and has room for it."""
        last = self._entries[-1] if self._entries else None
        if (
            last is None
            or last.name != name
            or last.parent != parent
            or last.lost
            or len(last.data) + len(data) > CHUNK
        ):
            return False
        if not isinstance(last.data, bytearray):
            last.data = bytearray(last.data)
        last.data += data
        self.bytes += len(data)
        return True

    @property
    def oldest(self) -> Entry:
        """The oldest message; there must be one."""
        return next(iter(self))

    def take(self) -> Entry:
        """Remove the oldest message; there must be one."""
        entry = self._entries.popleft()
        while entry.dead:
            self._dead -= 1
            entry = self._entries.popleft()
        self._count(entry, -1)
        return entry

    def put_back(self, entries: List[Entry]) -> None:
        """Undo some `take`, of which these are the messages."""
        for entry in reversed(entries):
            self._entries.appendleft(entry)
            self._count(entry, 1)

    def exchange(self, entry: Entry, data: bytes) -> None:
        """Let a message that waits have other data, in its place."""
        self.bytes += len(data) - len(entry.data)
        entry.data = data

    def kill(self, entry: Entry) -> None:
        """Remove a message from the midst."""
        self._count(entry, -1)
        entry.dead, entry.data = True, b""
        self._dead += 1
        if self._dead > max(len(self), FEW):
            self._set(list(self))

    def thin(self, size: int, most: int) -> None:
        """Drop about ``size`` bytes of the oldest text, unless all the rest would still be ``most`` bytes."""
        left, _saved = thin(self, size)
        if sum(entry.cost for entry in left) < most:
            self._set(left)

    def clear(self) -> None:
        """Forget everything."""
        self._set(())

    def _set(self, entries: Iterable[Entry]) -> None:
        self._entries = deque(entries)
        self._dead = self.urgent = self.bytes = self.parts = 0
        for entry in self._entries:
            self._count(entry, 1)

    def _count(self, entry: Entry, sign: int) -> None:
        self.urgent += sign * entry.urgent
        self.bytes += sign * len(entry.data)
        if not entry.name and wire.is_part(entry.data):
            self.parts += sign * len(entry.data)
