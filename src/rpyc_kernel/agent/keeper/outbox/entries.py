"""One message as the keeper keeps it, and how the oldest text of many makes room. Plain objects without I/O.

Where stream text is dropped, a *marker* stands in its place: a line of the same stream and cell that says how much it
was, to the line and to the byte.
"""

from __future__ import annotations

from ... import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

    Data = Union[bytes, bytearray]
    Lost = Tuple[int, int, int]  # lines, messages that were no text, bytes

OVERHEAD = 200  #: bytes a message costs beside its data
EVERYTHING = 1 << 62  #: more bytes than there are
SHORT = 200  #: bytes of text for which a marker would save nothing

#: what a cell shows; of everything else that it gives out, nothing is to be seen
OUTPUTS = frozenset(["stream", "display_data", "update_display_data", "execute_result", "error", "clear_output"])
UPDATE = "update_display_data"

_TRANSIENT = b'"transient":{"display_id":"'


class Entry:
    """One message: a finished packet, or the text of a stream that may still grow.

    :ivar name: ``stdout`` or ``stderr``; "" for a finished packet
    :ivar number: once it was given out, when it never changes any more; 0 until then
    :ivar lost: what a marker stands for
    :ivar display: the display_id of an update that a newer one shall replace
    :ivar place: where it is instead of in `data`, see `spill.Spill`
    :ivar dead: a newer update has replaced it
    :ivar picture: it comes from ``show``
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
        self.place: Any = None
        self.dead = False
        self.picture = False

    @property
    def cost(self) -> int:
        """Bytes of memory, about."""
        return OVERHEAD + len(self.data)

    def packet(self) -> Data:
        """What goes over the wire."""
        return wire.stream_packet(self.name, self.parent, self.data) if self.name else self.data


def marker(name: str, parent: str, lost: Lost) -> Entry:
    """What stands in the place of text that was dropped."""
    lines, messages, size = lost
    what = ["{:,} line{}".format(lines, "" if lines == 1 else "s")] if lines or not messages else []
    if messages:
        what.append("{:,} output{}".format(messages, "" if messages == 1 else "s"))
    text = "[{} ({:,} bytes) dropped here: there was no room to keep them]\n".format(" and ".join(what), size)
    entry = Entry(name, parent, text.encode("ascii"))
    entry.lost = lost
    return entry


def display_id(packet: Data) -> str:
    """The display_id in a message, "" if it has none."""
    try:
        return str(wire.unpack(packet)[0]["content"]["transient"]["display_id"])
    except (wire.WireError, LookupError, TypeError):
        return ""


def likely_display_id(packet: Data) -> str:
    """The same without reading all of the message: right, as far as nobody sets out to deceive."""
    head = 8 + 4 * int.from_bytes(packet[4:8], "big")
    start = packet.rfind(_TRANSIENT, head, head + int.from_bytes(packet[:4], "big")) + len(_TRANSIENT)
    if start < len(_TRANSIENT):
        return ""
    return packet[start : packet.find(b'"', start)].decode("utf-8", "replace")


def thin(entries: Iterable[Entry], enough: int, outputs: bool = False) -> Tuple[List[Entry], int]:
    """Drop the oldest stream text until about ``enough`` bytes are saved; what is left, in order, and what was saved.

    Text that follows each other becomes one marker for each stream of each cell, in which markers that were there
    already are counted.

    :param outputs: drop the other messages in the same way
    """
    left: List[Entry] = []
    run: Dict[Tuple[str, str], List[Entry]] = {}
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


def _end(run: Dict[Tuple[str, str], List[Entry]], left: List[Entry]) -> int:
    """Put something in the place of what was dropped in a row; returns what it costs."""
    instead = [_instead(key, dropped) for key, dropped in run.items()]
    run.clear()
    left.extend(instead)
    return sum(entry.cost for entry in instead)


def _instead(key: Tuple[str, str], dropped: List[Entry]) -> Entry:
    """What stands in the place of messages; the messages themselves where they are short."""
    size = sum(entry.lost[2] if entry.lost else len(entry.data) for entry in dropped)
    if all(entry.name and not entry.lost for entry in dropped) and size <= SHORT:
        entry = Entry(*key, b"".join([entry.data for entry in dropped]))
    else:
        lines = sum(_lines(entry) for entry in dropped)
        messages = sum(entry.lost[1] if entry.lost else not entry.name for entry in dropped)
        entry = marker(*key, (lines, messages, size))
    entry.number = dropped[0].number
    return entry


def _lines(entry: Entry) -> int:
    if entry.lost:
        return entry.lost[0]
    return entry.data.count(b"\n") if entry.name else 0
