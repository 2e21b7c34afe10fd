"""What the proxy carries: connections of two directions each, and when one of them ends by itself."""

from __future__ import annotations

import socket
import struct
from collections import deque
from typing import Literal, NamedTuple

RST: Literal["rst"] = "rst"
FIN: Literal["fin"] = "fin"
How = Literal["rst", "fin"]

PIECE = 1 << 18  # bytes that are read in one go
HELD = 1 << 18  # bytes that wait for a slow end, before no more are read


class Life(NamedTuple):
    """When a connection ends by itself: after so many bytes in that direction, exactly, and how."""

    direction: Literal["up", "down"]
    length: int
    how: How = RST


class Way:
    """One direction of a connection."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.waiting: deque[tuple[float, memoryview]] = deque()  # not before when, what
        self.held = 0  # bytes that wait
        self.handed = 0  # bytes that went on
        self.end: Life | None = None
        self.no_more = False  # the source has said that it ends
        self.ended = False  # and the sink was told
        self._budget_from = 0.0  # with a limited rate: since when its bytes are counted
        self._budget_used = 0

    @property
    def wants_more(self) -> bool:
        return not self.no_more and self.held < HELD

    def due(self, now: float) -> bool:
        return bool(self.waiting) and self.waiting[0][0] <= now

    def take(self, data: bytes, due: float) -> None:
        """What has come; nothing means that no more will."""
        if data:
            self.waiting.append((due, memoryview(data)))
            self.held += len(data)
        else:
            self.no_more = True

    def send(self, now: float, rate: float, most: int) -> int:
        """Hand on what is first, as much of it as may go now. Raises OSError."""
        due, data = self.waiting[0]
        allowed = self._allowed(now, rate, most)
        done = self.sink.send(data[:allowed]) if allowed else 0
        self.handed += done
        self.held -= done
        self._budget_used += done
        if done == len(data):
            self.waiting.popleft()
        else:
            self.waiting[0] = due, data[done:]
        return done

    def _allowed(self, now: float, rate: float, most: int) -> int:
        if self.end is not None:
            most = min(most, self.end.length - self.handed)
        if rate:
            if now - self._budget_from > 1.0:  # what wasn't used in the last second is lost
                self._budget_from, self._budget_used = now - 0.01, 0
            most = min(most, int((now - self._budget_from) * rate) - self._budget_used)
        return max(0, most)

    def swallow(self) -> None:
        """Forget what waits."""
        self.waiting.clear()
        self.held = 0


class Pair:
    """A connection: of a client to us, and of us to the server."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.up = Way(client, server)
        self.down = Way(server, client)
        self.mute = False  # what comes is swallowed, and nobody is told anything

    @property
    def ways(self) -> tuple[Way, Way]:
        return self.up, self.down

    @property
    def ends(self) -> tuple[socket.socket, socket.socket]:
        return self.client, self.server

    def way_from(self, sock: socket.socket) -> Way:
        return self.up if sock is self.client else self.down


def reset(sock: socket.socket) -> None:
    """Close it so that the other side gets a RST."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    sock.close()


def shut(sock: socket.socket) -> None:
    """Say that nothing more will come, with a FIN."""
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass
