"""The newest messages of the journal: in memory, and not given out. A plain object without I/O."""

from __future__ import annotations

from collections import deque

from ... import wire
from .entries import OVERHEAD_BYTES, thin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Deque, Iterable, Iterator, List

    from ...wire import Bytes
    from .entries import JournalEntry

CHUNK_BYTES = 64 << 10  #: of text in one message, at most
MAX_DEAD = 64  #: so many dead messages are left where they are


class Tail:
    """A queue of messages.

    Attributes:
        urgent: How many are urgent.
        bytes: Their data.
        parts: Bytes of that which belong to messages that were cut.
    """

    def __init__(self) -> None:
        self._entries: Deque[JournalEntry] = deque()
        self._dead = 0  # how many of these; they stay until it is their turn, or until they are many
        self.urgent = self.bytes = self.parts = 0

    def __len__(self) -> int:
        return len(self._entries) - self._dead

    def __iter__(self) -> Iterator[JournalEntry]:
        return (entry for entry in self._entries if not entry.dead)

    @property
    def in_memory(self) -> int:
        """Bytes of memory, about."""
        return self.bytes + OVERHEAD_BYTES * len(self._entries)

    def append(self, entry: JournalEntry) -> None:
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
            or len(last.data) + len(data) > CHUNK_BYTES
        ):
            return False
        if not isinstance(last.data, bytearray):
            last.data = bytearray(last.data)
        last.data += data
        self.bytes += len(data)
        return True

    @property
    def oldest(self) -> JournalEntry:
        """The oldest message; there must be one."""
        return next(iter(self))

    def take(self) -> JournalEntry:
        """Remove the oldest message; there must be one."""
        entry = self._entries.popleft()
        while entry.dead:
            self._dead -= 1
            entry = self._entries.popleft()
        self._count(entry, -1)
        return entry

    def put_back(self, entries: List[JournalEntry]) -> None:
        """Put messages back that `take` has just removed."""
        for entry in reversed(entries):
            self._entries.appendleft(entry)
            self._count(entry, 1)

    def exchange(self, entry: JournalEntry, data: bytes) -> None:
        """Give a waiting message other data."""
        self.bytes += len(data) - len(entry.data)
        entry.data = data

    def kill(self, entry: JournalEntry) -> None:
        """Remove a message from the midst."""
        self._count(entry, -1)
        entry.dead, entry.data = True, b""
        self._dead += 1
        if self._dead > max(len(self), MAX_DEAD):
            self._set(list(self))

    def thin(self, size: int, most: int) -> None:
        """Drop about ``size`` bytes of the oldest text, unless all the rest would still be ``most`` bytes."""
        left, _saved = thin(self, size)
        if sum(entry.cost for entry in left) < most:
            self._set(left)

    def clear(self) -> None:
        """Forget everything."""
        self._set(())

    def _set(self, entries: Iterable[JournalEntry]) -> None:
        self._entries = deque(entries)
        self._dead = self.urgent = self.bytes = self.parts = 0
        for entry in self._entries:
            self._count(entry, 1)

    def _count(self, entry: JournalEntry, sign: int) -> None:
        self.urgent += sign * entry.urgent
        self.bytes += sign * len(entry.data)
        if not entry.name and wire.is_part(entry.data):
            self.parts += sign * len(entry.data)
