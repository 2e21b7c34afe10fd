"""The way to ``unix:///path``: a socket in the file system of this machine."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from rpyc_kernel.errors import NobodyListeningError, UnsupportedSchemeError
from rpyc_kernel.transport.rpyc_wire.stream import connect, opening

if TYPE_CHECKING:
    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.deadline import Deadline


def open_socket(address: Address, deadline: Deadline) -> socket.socket:
    """Connect to the socket at ``address.path``. Raises a DialError, within *deadline*."""
    if not hasattr(socket, "AF_UNIX"):
        raise UnsupportedSchemeError(address, "this system has no Unix sockets.")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with opening(sock, address, deadline):
        try:
            connect(sock, address.path, deadline)
        except (ConnectionRefusedError, FileNotFoundError):
            raise NobodyListeningError(address) from None
    return sock
