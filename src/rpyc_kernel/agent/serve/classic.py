"""Connections for plain RPyC clients, served by the RPyC that is installed here: ``serve --classic``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Callable


def server() -> Callable[[socket.socket], None]:
    """Return what serves a connection as RPyC's own classic server does; kernels find their broker there, too.

    Raises:
        ImportError: RPyC isn't installed.
    """
    from rpyc.core.channel import Channel
    from rpyc.core.service import SlaveService
    from rpyc.core.stream import SocketStream

    def serve(sock: socket.socket) -> None:
        connection = SlaveService()._connect(Channel(SocketStream(sock)), {})
        try:
            connection.serve_all()
        finally:
            connection.close()

    return serve
