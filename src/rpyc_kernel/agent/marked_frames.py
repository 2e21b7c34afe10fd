"""How the frames of a spawned worker travel: in the very pipes behind its fd 1 and 2, among what others write there.

A frame is cut into *pieces*, each written at once and short enough that nothing gets in between: a mark (random bytes
that only this worker and its keeper know), a length, and so much data. They go through the pipe of fd 1. Before each
frame a piece without data goes through the pipe of fd 2. So the keeper sees in either pipe what others had written
before the frame and what they have written after it. This needs nothing that Windows doesn't have, and what was written
is there also when its writer has crashed.
"""

from __future__ import annotations

import os
import select
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Tuple

MARK = 16  #: bytes
FOREIGN, OURS, END = 0, 1, 2  #: what others wrote; the data of a piece; the last that is of interest

_LENGTH = struct.Struct("<H")
_END = 0xFFFF
_ROOM = min(getattr(select, "PIPE_BUF", 4096), 4096) - MARK - _LENGTH.size
AGAIN = 0.001  # seconds


def new_mark() -> bytes:
    """A mark for one worker. It begins with a byte that is in no UTF-8, so that text is rarely taken for its start."""
    return b"\xff" + os.urandom(MARK - 1)


def pieces(mark: bytes, data: bytes) -> Iterator[bytes]:
    """The data, marked; one piece where there is none."""
    start = 0
    while start < len(data) or not start:
        piece = data[start : start + _ROOM]
        yield mark + _LENGTH.pack(len(piece)) + piece
        start += _ROOM


def last(mark: bytes) -> bytes:
    """What the keeper itself writes into a pipe behind all that a dead worker has written."""
    return mark + _LENGTH.pack(_END)


def write(fd: int, data: bytes) -> None:
    """Write all of it, which is one piece, at once if there is room: others may have made that pipe non-blocking."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            time.sleep(AGAIN)


class Marked:
    """Takes apart what comes out of such a pipe. No I/O."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._rest = b""

    def feed(self, data: bytes) -> List[Tuple[int, bytes]]:
        """What that was, in order: `FOREIGN`, `OURS` or `END`, and the bytes."""
        data = self._rest + data
        found: List[Tuple[int, bytes]] = []
        position = 0
        while True:
            place = data.find(self._mark, position)
            start = place + MARK + _LENGTH.size
            if place < 0 or start > len(data):
                break
            (length,) = _LENGTH.unpack_from(data, place + MARK)
            end = start if length == _END else start + length
            if end > len(data):
                break
            if place > position:
                found.append((FOREIGN, data[position:place]))
            found.append((END if length == _END else OURS, data[start:end]))
            position = end
        cut = place if place >= 0 else len(data) - self._begun(data, position)
        if cut > position:
            found.append((FOREIGN, data[position:cut]))
        self._rest = data[cut:]
        return found

    def _begun(self, data: bytes, position: int) -> int:
        """How many bytes at the end may be the beginning of a mark."""
        for length in range(min(MARK - 1, len(data) - position), 0, -1):
            if data.endswith(self._mark[:length]):
                return length
        return 0
