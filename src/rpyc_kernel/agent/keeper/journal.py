"""What the worker gave out, numbered, until the kernel has acknowledged it. A plain object without I/O.

Every message gets the next sequence number (from 1) and is kept until `Journal.acknowledge` names it or a later one.
Text that goes to the same stream of the same cell joins the message before it as long as that wasn't sent, so that a
million prints are a few hundred messages.
"""

from __future__ import annotations

from collections import deque

from .. import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Deque, List, Tuple

    from ..wire import Bytes

OVERHEAD = 200  #: bytes a message costs beside its data
CHUNK = 64 << 10  #: bytes of text in one stream message, at most


class Entry:
    """One numbered message: a finished packet, or the text of a stream that may still grow."""

    __slots__ = ("data", "name", "parent", "sealed", "urgent")

    def __init__(self, name: str, parent: str, data: Bytes, urgent: bool) -> None:
        self.name = name  # "stdout", "stderr", or "" for a finished packet
        self.parent = parent
        self.data = data
        self.urgent = urgent
        self.sealed = False  # once given out it never changes: a number always stands for the same message

    def packet(self) -> Bytes:
        """What goes over the wire."""
        return wire.stream_packet(self.name, self.parent, self.data) if self.name else self.data


class Journal:
    """The messages that were not acknowledged yet, oldest first.

    :param limit: bytes above which `full` is true; who fills the journal should wait then
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0  # bytes
        self.acknowledged = 0  # sequence number; the first entry's is one more
        self.entries: Deque[Entry] = deque()
        self.sent = 0  # how many of the entries were given out on this link
        self.urgent = 0  # how many of those that weren't are urgent
        self.unsent_bytes = 0  # the data of those that weren't

    @property
    def full(self) -> bool:
        """Whether the worker should be held back."""
        return self.size >= self.limit

    @property
    def unsent(self) -> int:
        """How many messages were not given out on this link."""
        return len(self.entries) - self.sent

    def add_text(self, name: str, parent: str, data: Bytes) -> None:
        """Append UTF-8 text of a stream, ``name`` being ``stdout`` or ``stderr``."""
        if self.unsent:
            last = self.entries[-1]
            fits = len(last.data) + len(data) <= CHUNK
            if last.name == name and last.parent == parent and fits and not last.sealed:
                if not isinstance(last.data, bytearray):
                    last.data = bytearray(last.data)
                last.data += data
                self.size += len(data)
                self.unsent_bytes += len(data)
                return
        rest = memoryview(data)
        while rest:
            cut = wire.utf8_cut(rest, CHUNK)
            self._add(Entry(name, parent, bytes(rest[:cut]), False))
            rest = rest[cut:]

    def add_packet(self, packet: bytes, urgent: bool) -> None:
        """Append a finished message; an urgent one is given out without waiting for more."""
        self._add(Entry("", "", packet, urgent))

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.size += len(entry.data) + OVERHEAD
        self.urgent += entry.urgent
        self.unsent_bytes += len(entry.data)

    def take(self, max_bytes: int) -> Tuple[int, List[Bytes]]:
        """The next messages that were not given out, up to about ``max_bytes``, and the number of the first."""
        first = self.acknowledged + self.sent + 1
        packets: List[Bytes] = []
        total = 0
        while self.unsent and (not packets or total < max_bytes):
            entry = self.entries[self.sent]
            entry.sealed = True
            packet = entry.packet()
            packets.append(packet)
            total += len(packet)
            self.sent += 1
            self.urgent -= entry.urgent
            self.unsent_bytes -= len(entry.data)
        return first, packets

    def acknowledge(self, number: int) -> None:
        """Forget everything up to ``number``, which the kernel has."""
        while self.sent and self.acknowledged < number:
            entry = self.entries.popleft()
            self.size -= len(entry.data) + OVERHEAD
            self.sent -= 1
            self.acknowledged += 1

    def rewind(self) -> None:
        """Give out again everything that was not acknowledged: a new link has come."""
        self.urgent = sum(entry.urgent for entry in self.entries)
        self.unsent_bytes = sum(len(entry.data) for entry in self.entries)
        self.sent = 0
