"""``rpyc://host:port``, or without a scheme: RPyC over TCP, as its classic server speaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.transport import sockets, syntax
from rpyc_kernel.transport.address import Address, Transport

if TYPE_CHECKING:
    import socket

    from rpyc_kernel.transport.deadline import Deadline


class Rpyc(Transport):
    """A host and a port, to which nothing has to be proved."""

    default_port = 18812  # RPyC's own for a classic server
    takes_user = False
    unprotected = True

    def text(self, address: Address) -> str:
        """Return ``host:port``."""
        return syntax.joined(address.host, address.port)

    def server(self, address: Address) -> tuple[str, int | None]:
        """Return host and port."""
        return address.host, address.port

    def open_socket(self, address: Address, deadline: Deadline) -> socket.socket:
        """Connect to the first of the host's addresses that answers. Raises a DialError, within *deadline*."""
        return sockets.open_tcp(address, deadline)


TRANSPORT = Rpyc("rpyc")
