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

MARK_BYTES = 16
FOREIGN, OURS, END = 0, 1, 2  #: what others wrote; the data of a piece; the end of all that the worker has written

_LENGTH = struct.Struct("<H")
_END = 0xFFFF
_PIECE_BYTES = min(getattr(select, "PIPE_BUF", 4096), 4096) - MARK_BYTES - _LENGTH.size
RETRY_INTERVAL_S = 0.001


def new_mark() -> bytes:
    """Make a mark for one worker. Its first byte is in no UTF-8, so that text is rarely taken for its beginning."""
    return b"\xff" + os.urandom(MARK_BYTES - 1)


def pieces(mark: bytes, data: bytes) -> Iterator[bytes]:
    """Cut data into marked pieces; where there is no data, into one."""
    start = 0
    while start < len(data) or not start:
        piece = data[start : start + _PIECE_BYTES]
        yield mark + _LENGTH.pack(len(piece)) + piece
        start += _PIECE_BYTES


def last(mark: bytes) -> bytes:
    """The mark that the keeper itself writes into a pipe, behind all that a dead worker has written."""
    return mark + _LENGTH.pack(_END)


def write(fd: int, data: bytes) -> None:
    """Write one piece, at once if there is room: others may have made that pipe non-blocking."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            time.sleep(RETRY_INTERVAL_S)


class Marked:
    """Takes apart the bytes that come out of such a pipe. No I/O."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._rest = b""

    def feed(self, data: bytes) -> List[Tuple[int, bytes]]:
        """Take in bytes; returns them in order, each run with its kind: `FOREIGN`, `OURS` or `END`."""
        data = self._rest + data
        found: List[Tuple[int, bytes]] = []
        position = 0
        while True:
            place = data.find(self._mark, position)
            start = place + MARK_BYTES + _LENGTH.size
            if place < 0 or start > len(data):
                break
            (length,) = _LENGTH.unpack_from(data, place + MARK_BYTES)
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
        for length in range(min(MARK_BYTES - 1, len(data) - position), 0, -1):
            if data.endswith(self._mark[:length]):
                return length
        return 0
