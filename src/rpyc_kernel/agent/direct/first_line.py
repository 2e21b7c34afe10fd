"""The first line of a connection, JSON, at both ends: what is behind it belongs to whoever the connection is for."""

from __future__ import annotations

from ..wire import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from ..wire import Json

MAX_LINE_BYTES = 2048


def send_line(sock: socket.socket, content: Json) -> None:
    """Send a first line. Raises OSError."""
    sock.sendall(dumps(content).encode("ascii") + b"\n")


def read_line(sock: socket.socket) -> Json:
    """Read a first line, and nothing behind it.

    Raises:
        OSError: It doesn't come.
        ValueError: It is no such line.
    """
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = sock.recv(1)
        if not byte:
            raise ConnectionResetError("the other end has gone")
        line += byte
        if len(line) > MAX_LINE_BYTES:
            raise ValueError("a line of more than %d bytes" % MAX_LINE_BYTES)
    content = loads(line.decode("utf-8"))
    if not isinstance(content, dict):
        raise ValueError("a line that is no object")  # noqa: TRY004 - of what comes, not of an argument
    return content
