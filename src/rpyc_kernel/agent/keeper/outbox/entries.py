"""Messages as the keeper keeps them, their queue, and how the oldest text makes room. Plain objects without I/O.

Where stream text is dropped, a *marker* stands in its place: a line of the same stream and cell that says how much it
was, to the line and to the byte.
"""

from __future__ import annotations

from collections import deque

from ... import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Deque, Dict, Iterable, Iterator, List, Optional, Protocol, Tuple, Union

    from ...wire import Bytes

    Data = Union[bytes, bytearray]
    Lost = Tuple[int, int, int]  # lines, messages that were no text, bytes

    class Store(Protocol):
        """Holds the data of messages on the disk: `segment.Segment`."""

        def forget(self, entry: JournalEntry) -> bool: ...
        def leave(self, entry: JournalEntry) -> None: ...


OVERHEAD_BYTES = 200  #: that a message costs beside its data
ALL_BYTES = 1 << 62  #: more than there are
CHUNK_BYTES = 64 << 10  #: of text in one message, at most
MAX_DEAD = 64  #: so many dead messages are left where they are
SHORT_TEXT_BYTES = 200  #: of text so short a marker would save nothing

#: the types of messages that a cell shows; all others are invisible
OUTPUTS = frozenset(["stream", "display_data", "update_display_data", "execute_result", "error", "clear_output"])
UPDATE = "update_display_data"

_TRANSIENT = b'"transient":{"display_id":"'


class JournalEntry:
    """One message: a finished packet, or the text of a stream that may still grow.

    Attributes:
        name: ``stdout`` or ``stderr``; "" for a finished packet.
        parent: The ``msg_id`` of its request, of a stream.
        number: Its sequence number once it was given out; then it never changes any more. 0 until then.
        lost: Of a marker: how much was dropped.
        display: The display_id of an update that a newer one shall replace.
        place: Segment, offset and size, where `data` lies on the disk (`spill.Spill`).
        dead: Whether a newer update has replaced it.
        picture: Whether it comes from ``show``.
    """

    __slots__ = ("data", "dead", "display", "lost", "name", "number", "parent", "picture", "place", "urgent")

    def __init__(self, name: str, parent: str, data: Data, urgent: bool = False) -> None:
        self.name = name
        self.parent = parent
        self.data = data
        self.urgent = urgent
        self.number = 0
        self.lost: Optional[Lost] = None
        self.display = ""
        self.place: Optional[Tuple[Store, int, int]] = None
        self.dead = False
        self.picture = False

    @property
    def cost(self) -> int:
        """Bytes of memory, about."""
        return OVERHEAD_BYTES + len(self.data)

    def packet(self) -> Data:
        """The message as it goes over the wire."""
        return wire.stream_packet(self.name, self.parent, self.data) if self.name else self.data


class Tail:
    """The newest messages of the journal, in a queue: in memory, and not given out.

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


def marker(name: str, parent: str, lost: Lost) -> JournalEntry:
    """Make the line that stands in the place of dropped text."""
    lines, messages, size = lost
    what = ["{:,} line{}".format(lines, "" if lines == 1 else "s")] if lines or not messages else []
    if messages:
        what.append("{:,} output{}".format(messages, "" if messages == 1 else "s"))
    text = "[{} ({:,} bytes) dropped here: there was no room to keep them]\n".format(" and ".join(what), size)
    entry = JournalEntry(name, parent, text.encode("ascii"))
    entry.lost = lost
    return entry


def display_id(packet: Data) -> str:
    """The display_id in a message, "" if it has none."""
    try:
        return str(wire.unpack(packet)[0]["content"]["transient"]["display_id"])
    except (wire.WireError, LookupError, TypeError):
        return ""


def likely_display_id(packet: Data) -> str:
    """The display_id in a message, without reading all of that: right unless somebody sets out to deceive."""
    head = 8 + 4 * int.from_bytes(packet[4:8], "big")
    start = packet.rfind(_TRANSIENT, head, head + int.from_bytes(packet[:4], "big")) + len(_TRANSIENT)
    if start < len(_TRANSIENT):
        return ""
    return packet[start : packet.find(b'"', start)].decode("utf-8", "replace")


def thin(entries: Iterable[JournalEntry], enough: int, outputs: bool = False) -> Tuple[List[JournalEntry], int]:
    """Drop the oldest stream text.

    Texts in a row become one marker for each stream of each cell; it counts the markers that were there already.

    Args:
        entries: The messages, oldest first.
        enough: The bytes to save, about.
        outputs: Whether to drop the other messages in the same way.

    Returns:
        The messages that are left, in order, and the bytes that were saved.
    """
    left: List[JournalEntry] = []
    run: Dict[Tuple[str, str], List[JournalEntry]] = {}
    saved = 0
    rest = iter(entries)
    for entry in rest:
        if saved < enough and (entry.name or outputs):
            run.setdefault((entry.name or "stdout", entry.parent), []).append(entry)
            saved += entry.cost
            continue
        done = saved >= enough
        if run:
            saved -= _end(run, left)
        left.append(entry)
        if done:
            break
    left.extend(rest)
    return left, saved - _end(run, left)


def _end(run: Dict[Tuple[str, str], List[JournalEntry]], left: List[JournalEntry]) -> int:
    """Put markers in the place of messages that were dropped in a row; returns their cost."""
    instead = [_instead(key, dropped) for key, dropped in run.items()]
    run.clear()
    left.extend(instead)
    return sum(entry.cost for entry in instead)


def _instead(key: Tuple[str, str], dropped: List[JournalEntry]) -> JournalEntry:
    """The entry in the place of dropped messages: a marker, or their text where that is short."""
    size = sum(entry.lost[2] if entry.lost else len(entry.data) for entry in dropped)
    if all(entry.name and not entry.lost for entry in dropped) and size <= SHORT_TEXT_BYTES:
        entry = JournalEntry(*key, b"".join([entry.data for entry in dropped]))
    else:
        lines = sum(_lines(entry) for entry in dropped)
        messages = sum(entry.lost[1] if entry.lost else not entry.name for entry in dropped)
        entry = marker(*key, (lines, messages, size))
    entry.number = dropped[0].number
    return entry


def _lines(entry: JournalEntry) -> int:
    if entry.lost:
        return entry.lost[0]
    return entry.data.count(b"\n") if entry.name else 0
