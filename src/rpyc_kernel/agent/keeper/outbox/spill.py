"""Messages for which memory has no room wait here: in private files, written at one end and read at the other.

The queue is cut into segments, each a file of its own, so that the disk gets back the room of those that were read.
Memory holds nothing of a message that lies here. A file loses its name as soon as it is open: nobody else can open it,
it outlives a folder that is removed, and it is gone with the keeper, whatever ends that.

Every write may fail. Then nothing has happened, and the caller still has the messages.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque

from ...records import is_private
from .entries import ALL_BYTES, JournalEntry, thin
from .room import spare_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Deque, Iterator, List, Optional, Sequence

    from .segment import Segment

CAP_BYTES = 256 << 20  #: of all segments
SEGMENT_BYTES = 4 << 20  #: a longer message has a segment of its own
PIECE_BYTES = 256 << 10  #: written or read at once


# Windows doesn't let an open file lose its name, and translates line ends unless it is told not to; but it removes such
# a file when that is closed.
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_TEMPORARY", 0) | getattr(os, "O_BINARY", 0)


class Spill:
    """A queue of messages on the disk.

    Args:
        folder: The folder for the files, made if it isn't there. None: there is no room at all.
        cap: Bytes on the disk, at most.
        margin: Bytes that stay free there; None: see `room.spare_bytes`.

    Attributes:
        count: How many messages are here.
        urgent: How many of them are urgent.
        bytes: Bytes of their data.
    """

    def __init__(self, folder: Optional[str], cap: int = CAP_BYTES, margin: Optional[int] = None) -> None:
        self._folder = folder
        self.cap = cap if folder else 0
        self._margin = margin
        self._segment = max(1, min(SEGMENT_BYTES, cap // 16))
        self._segments: Deque[Segment] = deque()
        self.count = self.urgent = self.bytes = 0
        self._opened = 0
        self._most = 0  # bytes on the disk since it was empty; it may have so many again, whatever others have written
        self._lacks_room = False  # whether that was why the last write failed

    # how much there is; the segments are few

    def _count(self) -> None:
        """Count anew, as messages have come or gone; the last one takes the files along."""
        self.count = sum(segment.count for segment in self._segments)
        self.urgent = sum(segment.urgent for segment in self._segments)
        self.bytes = sum(segment.bytes for segment in self._segments)
        while self._segments and not self.count:
            self._segments.pop().close()

    @property
    def on_disk(self) -> int:
        """Bytes of the files."""
        return sum(segment.on_disk for segment in self._segments)

    @property
    def in_memory(self) -> int:
        """Bytes of segments that couldn't be written again, and so are in memory."""
        return sum(segment.in_memory for segment in self._segments)

    # in

    def append(self, batch: Sequence[JournalEntry]) -> int:
        """Write messages, as many as there is room for; returns how many that were, from the first."""
        done = 0
        while done < len(batch):
            end, size = done, 0
            while end < len(batch) and (end == done or size + batch[end].cost <= min(PIECE_BYTES, self._segment)):
                size += batch[end].cost
                end += 1
            try:
                self._room_for(size).append(batch[done:end])
            except OSError as error:
                self._lacks_room = error.errno in (errno.ENOSPC, errno.EDQUOT)
                break
            self._most = max(self._most, self.on_disk)
            done = end
        if self._segments and not self._segments[-1].end:
            self._segments.pop().close()  # made for messages that could not be written
        self._count()
        return done

    def _room_for(self, size: int) -> Segment:
        """The segment to which so many bytes may be written.

        Raises:
            OSError: There is no room.
        """
        if self._folder is None or self.on_disk + size > self.cap:
            raise OSError(errno.ENOSPC, "the spill is full")
        from .segment import Segment  # late: few sessions spill

        last = self._segments[-1] if self._segments else None
        if last is None or last.in_memory or last.end + size > self._segment:
            last = Segment(self._open(self._folder, max(size, self._segment)))
            self._segments.append(last)
        return last

    def _open(self, folder: str, size: int) -> int:
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        status = os.lstat(folder)
        if not stat.S_ISDIR(status.st_mode) or not is_private(status):
            raise PermissionError(errno.EPERM, "not a folder of this user alone")
        if not self._segments:
            self._most = 0
        if self.on_disk + size > self._most and spare_bytes(folder, self._margin) < size:
            raise OSError(errno.ENOSPC, "the disk is nearly full")
        self._opened += 1
        path = os.path.join(folder, "spill-%d" % self._opened)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
        if not hasattr(os, "O_TEMPORARY"):
            try:
                os.unlink(path)
            except OSError:
                os.close(fd)
                raise
        return fd

    # out

    def take(self, wanted: int) -> List[JournalEntry]:
        """Remove the oldest messages, of about ``wanted`` bytes, and return them."""
        taken: List[JournalEntry] = []
        while self._segments and not taken:
            segment = self._segments[0]
            taken = segment.take(min(wanted, PIECE_BYTES))
            if segment.start >= segment.end:
                self._segments.popleft().close()
        self._count()
        return taken

    def forget(self, entry: JournalEntry) -> bool:
        """Forget an update, as a newer one has come; False if that can't be done."""
        forgotten = entry.place is not None and entry.place[0].forget(entry)
        self._count()
        return forgotten

    def scan(self, skip: int) -> Iterator[JournalEntry]:
        """Look at the messages from the one with that index on, without removing them."""
        for segment in list(self._segments):
            if skip >= segment.count:
                skip -= segment.count
                continue
            place = segment.start
            while place < segment.end:
                try:
                    found, place = segment.read(place, PIECE_BYTES)
                except OSError:
                    return
                for _place, entry in found[skip:]:
                    yield entry
                skip = max(0, skip - len(found))

    def close(self) -> None:
        """Forget everything."""
        while self._segments:
            self._segments.pop().close()
        self._count()

    # making room

    def thin(self) -> int:
        """If there was no room: drop the text of the oldest segment that has any; returns the bytes that this freed."""
        segments = list(self._segments)
        for before, segment in zip([None, *segments], segments):
            if self._lacks_room and segment.text and not segment.thinned:
                size = self.on_disk + self.in_memory
                self._thin(before, segment)
                self._count()
                freed = size - self.on_disk - self.in_memory
                if freed > 0:
                    return freed
        return 0

    def _thin(self, before: Optional[Segment], segment: Segment) -> None:
        """Drop the text of a segment, and join it with the one before if that has lost its text already.

        So their markers become one, and the files stay few.
        """
        parts = [segment]
        if before is not None and (before.thinned or not before.text):
            if before.end + segment.end - segment.text <= self._segment:
                parts = [before, segment]
        try:
            found = [part.read(part.start, part.end)[0] for part in parts]
        except OSError:
            segment.thinned = True
            return
        entries = [entry for part, each in zip(parts, found) for entry in part.reclaim(each)]
        left, _saved = thin(entries, ALL_BYTES)
        segment.replace(left)
        if parts[0] is before:
            parts[0].close()
            self._segments.remove(parts[0])
        if not left:
            segment.close()
            self._segments.remove(segment)
