"""The frames between the keeper and its worker.

A frame from the worker starts with `FRAME`: its kind, the number of the request it belongs to, its length, and two
*stamps*, one for each of the pipes behind fd 1 and 2: how many bytes others (C code, child processes) had written there
before this frame was made. The keeper first reads the pipes up to these stamps, so that everything stays in order
although it comes three ways. (Where the worker isn't forked the stamps are 0, and `marked_frames` keep the order.) A
frame to the worker starts with `REQUEST`: number and length.
"""

from __future__ import annotations

import struct
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Deque, List, Union

    Bytes = Union[bytes, bytearray, memoryview]

FRAME = struct.Struct("<BIIQQ")
PIPE_BYTES = 1 << 18  #: the worker may be so far ahead of its keeper, where the system lets us choose
REQUEST = struct.Struct("<II")
# words of the keeper, each in the place of a length
INTERRUPT = 0xFFFFFFFF  #: interrupt the request with that number
CARRIES = 0xFFFFFFFE  #: the link carries that number of bytes a second
LEAVE = 0xFFFFFFFD  #: no request will follow: end in order, with the cell that runs
HURRY = 0xFFFFFFFC  #: the time for that is used up: run the exit functions now
FAILED_CODE = 70  #: the exit code of a worker that has said `FAILED`
WORDS = (INTERRUPT, CARRIES, LEAVE, HURRY)
LENGTH = struct.Struct("!I")

# kinds of frames from the worker
STDOUT, STDERR = 1, 2  #: text that Python wrote, UTF-8
MESSAGE = 3  #: a finished message
URGENT = 4  #: a message that somebody waits for: a reply or an input_request
BEGUN = 5  #: the request's code starts to run; no data
ENDED = 6  #: the request's reply, its last message, after which another may begin
PICTURE = 7  #: a message of ``show``: of one display, a newer picture takes the place of one that still waits
FAILED = 8  #: the worker can't go on, by no fault of a cell's code; a sentence that says why
RESTART = 9  #: the cell has asked for a fresh Python; no data

_JOINED_BYTES = 1 << 16  # less than that is sent as one piece

STREAMS = {STDOUT: "stdout", STDERR: "stderr"}


class Outgoing:
    """The data that a socket which doesn't block has not taken yet. Long pieces are not copied."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._waiting: Deque[memoryview] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def write(self, *pieces: Bytes) -> None:
        """Send pieces in a row, as much as the socket takes now."""
        if sum(map(len, pieces)) < _JOINED_BYTES:
            pieces = (b"".join(pieces),)
        self._waiting.extend(memoryview(piece) for piece in pieces if piece)
        self.flush()

    def flush(self) -> None:
        """Send more, as the socket has room. Where the other side has gone, the rest is dropped."""
        try:
            while self._waiting:
                piece = self._waiting[0]
                sent = self._socket.send(piece[: 1 << 20])
                if sent == len(piece):
                    self._waiting.popleft()
                else:
                    self._waiting[0] = piece[sent:]
        except BlockingIOError:
            pass
        except OSError:
            self._waiting.clear()


class LengthFrames:
    """Takes a byte stream apart into packets, each behind its length. No I/O.

    Args:
        limit: Bytes of one packet, at most.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> List[bytes]:
        """Take in bytes; returns the packets that are complete now.

        Raises:
            ValueError: A length is above the limit.
        """
        self._buffer += data
        packets = []
        start = 0
        while len(self._buffer) - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer, start)
            if length > self.limit:
                raise ValueError("a packet of %d bytes" % length)
            end = start + LENGTH.size + length
            if len(self._buffer) < end:
                break
            packets.append(bytes(self._buffer[start + LENGTH.size : end]))
            start = end
        del self._buffer[:start]
        return packets
