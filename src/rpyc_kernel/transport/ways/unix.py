"""``unix:///path``: a socket in the file system of this machine."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from rpyc_kernel.errors import NobodyListeningError, UnsafeSocketError, UnsupportedSchemeError
from rpyc_kernel.transport import syntax
from rpyc_kernel.transport.address import Address, Transport
from rpyc_kernel.transport.sockets import connect, opening

if TYPE_CHECKING:
    from rpyc_kernel.transport.deadline import Deadline


class Unix(Transport):
    """A whole path."""

    loopback = True

    def follows_colon(self, rest: str) -> bool:
        """Return whether *rest* is a path, and not the port of a host named ``unix``."""
        return not rest.isdecimal()

    def parse(self, text: str, rest: str) -> Address:
        """Take *rest* for the path."""
        return Address(self.scheme, path=syntax.socket_path(text, rest))

    def open_socket(self, address: Address, deadline: Deadline) -> socket.socket:
        """Connect to the socket at ``address.path``. Raises a DialError, within *deadline*."""
        if not hasattr(socket, "AF_UNIX"):
            raise UnsupportedSchemeError(address, "this system has no Unix sockets.")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with opening(sock, address, deadline):
            try:
                _check(address)
                connect(sock, address.path, deadline)
            except (ConnectionRefusedError, FileNotFoundError):
                raise NobodyListeningError(address) from None
        return sock


def _check(address: Address) -> None:
    """See that nobody else can be the server there. Raises UnsafeSocketError, OSError."""
    for path, what in ((Path(address.path).parent, "its folder"), (Path(address.path), "it")):
        found = path.stat()
        if found.st_uid not in (0, os.geteuid()):
            raise UnsafeSocketError(address, f"{what} belongs to {_user(found.st_uid)}")
        if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            raise UnsafeSocketError(address, f"everybody may write to {what}")


def _user(uid: int) -> str:
    import pwd  # noqa: PLC0415 - for the one sentence

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"


TRANSPORT = Unix("unix")
