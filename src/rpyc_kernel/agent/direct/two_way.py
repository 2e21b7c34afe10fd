"""A socket, of TLS or not, that one thread reads while another writes."""

from __future__ import annotations

import socket
import threading

from .nonblocking import attempt, wait_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

READ_BYTES = 256 << 10


class TwoWay:
    """The socket, which belongs to it from now on. TLS can't be read and written at the same time: both wait outside.

    Args:
        sock: The socket.
        begun: What has come on it already.
    """

    def __init__(self, sock: Any, begun: bytes = b"") -> None:
        self._socket = sock
        self._begun = begun
        self._lock = threading.Lock()
        sock.setblocking(False)

    def receive(self) -> bytes:
        """Wait for the next bytes; ``b""`` at the end. Raises OSError."""
        if self._begun:
            data, self._begun = self._begun, b""
            return data
        while True:
            with self._lock:
                data = attempt(lambda: self._socket.recv(READ_BYTES))  # type: ignore[assignment]
            if data is not None:
                return data
            self._wait([self._socket], [])

    def send(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        rest = memoryview(data)
        while rest:
            with self._lock:
                count = attempt(lambda: self._socket.send(rest))  # noqa: B023 - it is called at once
            rest = rest[count or 0 :]
            if not count:
                self._wait([], [self._socket])

    def _wait(self, readers: Any, writers: Any) -> None:
        try:
            wait_ready(readers, writers)
        except ValueError:  # it was closed this moment
            raise OSError("the connection was closed") from None

    def close(self) -> None:
        """Close it, and end what waits for it. It may be called again."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
