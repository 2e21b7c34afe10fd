"""A part of the spill: some messages in a row, in one file."""

from __future__ import annotations

import errno
import os
import struct

from .entries import JournalEntry, marker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Optional, Tuple

    from ...wire import Bytes

_RECORD = struct.Struct("<BII")  # flags, bytes of the parent, bytes of the data
_LOST = struct.Struct("<QQQ")
_STREAMS = {"": 0, "stdout": 1, "stderr": 2}
_NAMES = {flag: name for name, flag in _STREAMS.items()}
_NAME, _MARKER, _URGENT, _DEAD = 3, 4, 8, 16
_BLOCK_BYTES = 4096  #: at least so much is read at once


class Segment:
    """Messages in a file; or, where that couldn't be written again, in memory. A *place* is an offset.

    Attributes:
        start: The place of the first message.
        end: The place behind the last one.
        count: How many messages live.
        urgent: How many of these are urgent.
        bytes: Their data.
        text: Bytes of that which could be dropped.
        thinned: Whether that was tried.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._memory: Optional[bytearray] = None
        self._updates: Dict[int, JournalEntry] = {}  # by place: updates that a newer one may replace
        self._last_parent = ""
        self.start = self.end = 0
        self.count = self.urgent = self.bytes = self.text = 0
        self.thinned = False

    @property
    def on_disk(self) -> int:
        """Bytes of the file; 0 if there is none any more."""
        return self.end if self._memory is None else 0

    @property
    def in_memory(self) -> int:
        """Bytes of the memory in the file's place."""
        return len(self._memory or b"")

    def close(self) -> None:
        """Close the file, which gives its room back."""
        if self._memory is None:
            os.close(self._fd)
        self._memory = bytearray()
        self._updates.clear()

    # in

    def append(self, entries: Iterable[JournalEntry]) -> None:
        """Write messages behind the others.

        Raises:
            OSError: Nothing was written.
        """
        entries = list(entries)
        records = [_record(entry) for entry in entries]
        self._write(b"".join(records), self.end)
        self._add(entries, records)

    def replace(self, entries: Iterable[JournalEntry]) -> None:
        """Hold these messages instead, in the same file: a full disk may have no room for another."""
        entries = list(entries)
        records = [_record(entry) for entry in entries]
        whole = b"".join(records)
        self._updates.clear()
        self.start = self.end = self.count = self.urgent = self.bytes = self.text = 0
        try:
            self._write(whole, 0)
            if self._memory is None:
                os.ftruncate(self._fd, len(whole))
        except OSError:  # the content of the file is of no use now
            os.close(self._fd)
            self._memory = bytearray(whole)
        self._add(entries, records)
        self.thinned = True

    def _add(self, entries: List[JournalEntry], records: List[bytes]) -> None:
        for entry, record in zip(entries, records):
            self._count(entry, 1)
            if entry.display:
                self._updates[self.end] = entry
                entry.place = (self, self.end, len(entry.data))
                entry.data = b""
            self.end += len(record)
            self._last_parent = entry.parent or self._last_parent

    def _count(self, entry: JournalEntry, sign: int) -> None:
        self.count += sign
        self.urgent += sign * entry.urgent
        self.bytes += sign * len(entry.data)
        if entry.name and not entry.lost:
            self.text += sign * len(entry.data)
            self.thinned = self.thinned and sign < 0

    def forget(self, entry: JournalEntry) -> bool:
        """Kill an update, as a newer one has come; False if that can't be done."""
        assert entry.place is not None
        _segment, place, size = entry.place
        if self._updates.get(place) is not entry:
            return False
        try:
            self._write(bytes([self._read(place, 1)[0] | _DEAD]), place)
        except OSError:
            return False
        del self._updates[place]
        self.count -= 1
        self.urgent -= entry.urgent
        self.bytes -= size
        return True

    def leave(self, entry: JournalEntry) -> None:
        """Let no newer update replace this one."""
        if entry.place is not None:
            self._updates.pop(entry.place[1], None)

    # out

    def take(self, wanted: int) -> List[JournalEntry]:
        """Remove messages, of about ``wanted`` bytes; returns them, or a line that says that they are lost."""
        try:
            found, self.start = self.read(self.start, wanted)
        except OSError as error:
            text = "[%d messages (%d bytes) could not be read back from the disk: %s]\n"
            lost = text % (self.count, self.bytes, error.strerror)
            self.start, self.count, self.urgent, self.bytes, self.text = self.end, 0, 0, 0, 0
            return [JournalEntry("stderr", self._last_parent, lost.encode("utf-8", "replace"))]
        taken = self.reclaim(found)
        for entry in taken:
            self._count(entry, -1)
        return taken

    def reclaim(self, found: List[Tuple[int, JournalEntry]]) -> List[JournalEntry]:
        """Take messages that were read out of the segment: those known elsewhere are the same objects again."""
        taken = []
        for place, entry in found:
            known = self._updates.pop(place, None)
            if known is not None:
                known.data, known.place = entry.data, None
            taken.append(known or entry)
        return taken

    def read(self, place: int, wanted: int) -> Tuple[List[Tuple[int, JournalEntry]], int]:
        """Read messages from a place on, of about ``wanted`` bytes.

        Returns:
            The messages, each with its own place, and the place behind them.

        Raises:
            OSError: They can't be read.
        """
        data = self._read(place, min(max(wanted, _BLOCK_BYTES), self.end - place))
        found: List[Tuple[int, JournalEntry]] = []
        start = 0
        while start + _RECORD.size <= len(data):
            flags, parent_size, size = _RECORD.unpack_from(data, start)
            middle = start + _RECORD.size + parent_size
            if middle + size > len(data):
                if start:
                    break
                data = self._read(place, middle + size)  # the first is longer than what was wanted
            if not flags & _DEAD:
                parent = data[start + _RECORD.size : middle].decode("utf-8", "surrogatepass")
                found.append((place + start, _entry(flags, parent, data[middle : middle + size])))
            start = middle + size
        return found, place + start

    # the file

    def _read(self, place: int, size: int) -> bytes:
        if self._memory is not None:
            return bytes(self._memory[place : place + size])
        data = _pread(self._fd, size, place)
        while len(data) < size:
            more = _pread(self._fd, size - len(data), place + len(data))
            if not more:
                raise OSError(errno.EIO, "the file is shorter than it was written")
            data += more
        return data

    def _write(self, data: bytes, place: int) -> None:
        if self._memory is not None:
            self._memory[place : place + len(data)] = data
            return
        view = memoryview(data)
        while view:
            written = _pwrite(self._fd, view, place)
            place += written
            view = view[written:]


def _pread(fd: int, size: int, place: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(fd, size, place)
    os.lseek(fd, place, os.SEEK_SET)  # Windows; nobody else has this descriptor
    return os.read(fd, size)


def _pwrite(fd: int, data: Bytes, place: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, data, place)
    os.lseek(fd, place, os.SEEK_SET)
    return os.write(fd, data)


def _record(entry: JournalEntry) -> bytes:
    flags = _STREAMS[entry.name] | (_URGENT if entry.urgent else 0)
    data = entry.data
    if entry.lost:
        flags, data = flags | _MARKER, _LOST.pack(*entry.lost)
    parent = entry.parent.encode("utf-8", "surrogatepass")
    return b"".join((_RECORD.pack(flags, len(parent), len(data)), parent, data))


def _entry(flags: int, parent: str, data: bytes) -> JournalEntry:
    name = _NAMES[flags & _NAME]
    if flags & _MARKER:
        return marker(name, parent, _LOST.unpack(data))
    return JournalEntry(name, parent, data, bool(flags & _URGENT))
