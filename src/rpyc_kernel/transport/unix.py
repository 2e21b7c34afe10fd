"""The way to ``unix:///path``: a socket in the file system of this machine."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from rpyc_kernel.errors import (
    DialCancelledError,
    DialTimeoutError,
    NobodyListeningError,
    UnreachableError,
    UnsupportedSchemeError,
)
from rpyc_kernel.transport.stream import connect

if TYPE_CHECKING:
    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.deadline import Deadline


def open_socket(address: Address, deadline: Deadline) -> socket.socket:
    """Connect to the socket at ``address.path``. Raises a DialError, within *deadline*."""
    if not hasattr(socket, "AF_UNIX"):
        raise UnsupportedSchemeError(address, "this system has no Unix sockets.")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connect(sock, address.path, deadline)
    except BaseException as error:
        sock.close()
        if isinstance(error, InterruptedError):
            raise DialCancelledError(address) from None
        if isinstance(error, (ConnectionRefusedError, FileNotFoundError)):
            raise NobodyListeningError(address) from None
        if isinstance(error, TimeoutError):
            raise DialTimeoutError(address, deadline.timeout or 0.0) from None
        if isinstance(error, OSError):
            raise UnreachableError(address, error.strerror or str(error)) from None
        raise
    return sock
