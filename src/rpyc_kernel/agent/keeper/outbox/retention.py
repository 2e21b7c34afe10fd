"""The outputs of the last cells, kept after the kernel has got them: a page that was reloaded shows them again.

A plain object without I/O, of bounded size: of a cell that gives out too much the oldest text goes first, then whole
cells go, the oldest first.
"""

from __future__ import annotations

from ... import wire
from .entries import OUTPUTS, UPDATE, JournalEntry, likely_display_id, marker, thin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from .entries import Data

    Json = Dict[str, Any]

KEPT_BYTES = 4 << 20  #: of all cells, or
KEPT_SHARE = 64  #: the machine's memory divided by this, if that is less
MAX_CELLS = 50


class CellOutputs:
    """The messages that one cell shows, by their numbers."""

    def __init__(self, parent: str, count: int) -> None:
        self.parent = parent  # msg_id
        self.count = count  # execution_count
        self.outputs: Dict[int, JournalEntry] = {}
        self.size = 0
        self._updates: Dict[str, int] = {}  # by display_id: the number of the newest
        self._text = False  # whether there may be some to drop
        self._clear = False  # the next message clears the others

    def add(self, kind: str, entry: JournalEntry) -> None:
        """Keep a message of that type, and forget those that can't be seen any more."""
        if kind == "clear_output":
            self._clear = True
            if not _waits(entry.data):
                self._forget()
            return
        if self._clear:
            self._forget()
        if kind == UPDATE:
            display = likely_display_id(entry.data)
            before = self.outputs.pop(self._updates.get(display, 0), None)
            self.size -= before.cost if before else 0
            self._updates[display] = entry.number
        self._text = self._text or kind == "stream"
        self.outputs[entry.number] = entry
        self.size += entry.cost

    def _forget(self) -> None:
        self.outputs.clear()
        self._updates.clear()
        self.size = 0
        self._clear = False

    def thin(self, enough: int, outputs: bool) -> int:
        """Drop the oldest text, or with ``outputs`` the oldest messages; returns how many bytes that saved."""
        if not (self._text or outputs):
            return 0
        left, saved = thin(self.outputs.values(), enough, outputs)
        self.outputs = {entry.number: entry for entry in left}
        self.size -= saved
        self._text = saved >= enough
        return saved


class Retention:
    """Keeps the outputs of the last cells.

    Args:
        limit: Bytes of all of them.
    """

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self.limit = limit
        self.size = 0
        self.cells: Dict[str, CellOutputs] = {}  # by msg_id, the oldest first
        self.parts = wire.Parts(limit)

    def begin(self, parent: str, count: int) -> None:
        """A cell begins to run.

        Args:
            parent: Its msg_id.
            count: Its execution_count.
        """
        self.cells[parent] = CellOutputs(parent, count)
        if len(self.cells) > MAX_CELLS:
            self._forget(next(iter(self.cells)))

    def add(self, entry: JournalEntry) -> None:
        """Keep a message that the kernel has got, if it shows something and its cell is known."""
        if not self.cells:
            return
        kind, parent = ("stream", entry.parent) if entry.name else wire.about(entry.data)
        cell = self.cells.get(parent)
        if cell is None or kind not in OUTPUTS:
            return
        if not entry.name and wire.is_part(entry.data):
            joined = join(self.parts, entry, parent)
            if joined is None:
                return
            kind, entry = "stream" if joined.name else kind, joined
        entry.parent = parent
        self.size -= cell.size
        cell.add(kind, entry)
        self.size += cell.size
        if self.size > self.limit:
            self._make_room(cell)

    def _make_room(self, newest: CellOutputs) -> None:
        while self.size > self.limit:
            enough = self.size - self.limit // 2
            largest = max(self.cells.values(), key=lambda cell: cell.size)
            saved = largest.thin(enough, outputs=False) if largest.size > self.limit // 2 else 0
            if saved <= 0:
                others = (parent for parent, cell in self.cells.items() if cell is not newest)
                oldest = next(others, None)
                if oldest is not None:
                    self._forget(oldest)
                    continue
                saved = newest.thin(enough, outputs=True)
            self.size -= saved
            if saved <= 0:
                self._forget(newest.parent)

    def _forget(self, parent: str) -> None:
        self.size -= self.cells.pop(parent).size

    def choose(self, cells: int, count: int) -> List[CellOutputs]:
        """The last so many cells; or, if ``count`` isn't 0, the last one with that execution_count."""
        known = list(self.cells.values())
        if count:
            return [cell for cell in known if cell.count == count][-1:]
        return known[max(0, len(known) - cells) :]

    def close(self) -> None:
        """Forget everything."""
        self.cells.clear()
        self.parts.clear()
        self.size = 0


def join(parts: wire.Parts, entry: JournalEntry, parent: str) -> Optional[JournalEntry]:
    """Take a part; with the last one, returns the message, or a marker if it was too long. Else None."""
    header, (piece,) = wire.unpack(entry.data)
    try:
        whole = parts.take(header["part"], piece)
    except wire.WireError:
        joined = marker("stdout", parent, (0, 1, header["part"][2]))
    else:
        if whole is None:
            return None
        joined = JournalEntry("", parent, whole)
    joined.number = entry.number
    return joined


def _waits(packet: Data) -> bool:
    return bool(wire.unpack(packet)[0]["content"].get("wait"))
