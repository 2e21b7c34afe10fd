"""Passes bytes between two sockets, both ways, and no faster than the slower one takes them."""

from __future__ import annotations

import socket

from .nonblocking import attempt, wait_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional

PIECE_BYTES = 256 << 10


class _Way:
    """One direction: what was read from one socket and the other has not taken yet."""

    def __init__(self, source: Any, target: Any, piece: int) -> None:
        self.source, self.target = source, target
        self._memory = memoryview(bytearray(piece))
        self._start = self._end = 0
        self.ended = self.told = False

    @property
    def full(self) -> bool:
        return self._start < self._end

    @property
    def done(self) -> bool:
        """Whether the source has ended, and the target has all of it."""
        return self.ended and not self.full

    def step(self) -> bool:
        """Read once and write as much as is taken. Returns whether anything moved."""
        moved = False
        if not self.full and not self.ended:
            count = attempt(lambda: self.source.recv_into(self._memory))
            if count is not None:
                self.ended, self._start, self._end, moved = count == 0, 0, count, count > 0
        if self.full:
            count = attempt(lambda: self.target.send(self._memory[self._start : self._end]))
            if count:
                self._start += count
                moved = True
        return moved

    def tell(self) -> None:
        """Let the target know of the end."""
        if not self.told:
            self.told = True
            self.target.shutdown(socket.SHUT_WR)


def pass_bytes(
    one: Any, other: Any, *, piece: int = PIECE_BYTES, halves: bool = False, linger: Optional[float] = None
) -> None:
    """Pass bytes both ways between two sockets, of TLS or not, until one of them has ended.

    Args:
        one: A socket.
        other: The other one.
        piece: How many bytes may be on the way in each direction.
        halves: Whether one that has ended may still be sent to, as TCP has it: then both must have ended.
        linger: Seconds in which something has to come after one has ended; None: however many.

    Raises:
        OSError: One of them broke.
    """
    for sock in (one, other):
        sock.setblocking(False)
    ways = [_Way(one, other, piece), _Way(other, one, piece)]
    while True:
        moved = [way.step() for way in ways]
        ended = [way for way in ways if way.done]
        if ended and (not halves or len(ended) == 2):
            return
        for way in ended:
            way.tell()
        if any(moved):
            continue
        readers: List[Any] = [way.source for way in ways if not way.full and not way.ended]
        writers: List[Any] = [way.target for way in ways if way.full]
        if not wait_ready(readers, writers, linger if ended else None):
            return
