"""A shortcut: a direct connection that carries the short frames of a live connection, at either end.

A frame is ``!QQI`` (its number, the number up to which its sender has received all, its length) and its bytes. Nobody
waits on a shortcut for long: where it doesn't take a frame, it is lost, and the frame goes in the session's messages.
"""

from __future__ import annotations

import queue
import socket
import struct
import threading
import time

from .nonblocking import attempt, wait_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, List, Optional, Tuple

MAX_FRAME_BYTES = 32 << 10  #: longer frames go in messages
STALL_S = 1.0  #: seconds in which the other end has to take a frame
_HEAD = struct.Struct("!QQI")
_READ_BYTES = 64 << 10


class Shortcut:
    """The frames on one socket. One thread sends and one receives; any may close it.

    Args:
        sock: The socket, which belongs to the shortcut from now on.
        begun: What has come on it already.
    """

    def __init__(self, sock: Any, begun: bytes = b"") -> None:
        self._socket = sock
        # TLS can't be read and written at the same time. In the midst of either, garbage collection may drop a netref,
        # which sends.
        self._lock = threading.RLock()
        self._pending = getattr(sock, "pending", None)  # of TLS: what it has decrypted, and the descriptor doesn't tell
        self._received = bytearray(begun)
        self._ends: queue.SimpleQueue[None] = queue.SimpleQueue()  # an Event must not be set within its own `set`
        sock.setblocking(False)

    def fileno(self) -> int:
        """Return the socket's descriptor; -1 once it is closed."""
        return self._socket.fileno()  # type: ignore[no-any-return]

    def send(self, number: int, received: int, frame: bytes) -> None:
        """Send a frame.

        Args:
            number: The frame's number.
            received: The number up to which every frame has come from the other end.
            frame: The frame.

        Raises:
            OSError: The other end has gone, or takes nothing.
        """
        rest = memoryview(_HEAD.pack(number, received, len(frame)) + frame)
        until = 0.0
        while True:
            rest = rest[self._send_some(rest) :]
            if not rest:
                return
            until = until or time.monotonic() + STALL_S
            if not wait_ready([], [self._socket], max(0.0, until - time.monotonic())):
                raise OSError("the other end takes nothing")

    def _send_some(self, data: memoryview) -> int:
        with self._lock:
            return attempt(lambda: self._socket.send(data)) or 0

    def receive(self) -> Iterator[Tuple[int, int, bytes]]:
        """Give out what has come, without waiting.

        Yields:
            A frame's number, the number up to which the other end has received all, and the frame.

        Raises:
            OSError: The other end has gone.
            ValueError: What has come is no frame.
        """
        more = True
        while more:
            with self._lock:
                data = attempt(lambda: self._socket.recv(_READ_BYTES))
                more = bool(self._pending and self._pending())
            if data is None:
                return
            if not data:
                raise OSError("the other end has gone")
            self._received += data
            yield from self._frames()

    def _frames(self) -> Iterator[Tuple[int, int, bytes]]:
        received = self._received
        while len(received) >= _HEAD.size:
            number, acknowledged, length = _HEAD.unpack_from(received)
            if length > MAX_FRAME_BYTES:
                raise ValueError("a frame of %d bytes" % length)
            end = _HEAD.size + length
            if len(received) < end:
                return
            frame = bytes(received[_HEAD.size : end])
            del received[:end]
            yield number, acknowledged, frame

    def close(self) -> None:
        """End it, also for a forked process that holds the socket too, and wake whoever waits for it."""
        with self._lock:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self._socket.close()
        self._ends.put(None)

    def wait_closed(self) -> None:
        """Wait until it is closed here."""
        self._ends.get()


class Bell:
    """Wakes a thread that waits for a shortcut, or for what comes otherwise."""

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._there.setblocking(False)

    def ring(self) -> None:
        """Wake the thread that waits, or will."""
        try:
            self._there.send(b"!")
        except OSError:  # it was rung often enough
            pass

    def wait(self, shortcut: Optional[Shortcut], seconds: Optional[float]) -> bool:
        """Wait until it is rung, or something comes on the shortcut.

        Args:
            shortcut: The shortcut, where there is one.
            seconds: So long at most; None: without end.

        Returns:
            Whether one of the two has happened.
        """
        sockets: List[Any] = [self._here]
        if shortcut is not None:
            if shortcut.fileno() < 0:
                return True
            sockets.append(shortcut)
        try:
            ready = wait_ready(sockets, [], seconds)
        except ValueError:  # another thread has closed it this moment
            return True
        if self._here.fileno() in ready:
            self._here.recv(4096)
        return bool(ready)

    def __del__(self) -> None:
        if hasattr(self, "_there"):  # else there were no descriptors left
            self._here.close()
            self._there.close()
