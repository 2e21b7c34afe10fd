"""``rpyc://host:port``, or without a scheme: RPyC over TCP, as its classic server speaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from rpyc_kernel.errors import AddressError
from rpyc_kernel.transport import sockets, syntax
from rpyc_kernel.transport.address import Address, Transport

if TYPE_CHECKING:
    import socket

    from rpyc_kernel.transport.deadline import Deadline


class Rpyc(Transport):
    """A host and a port, to which nothing has to be proved."""

    default_port = 18812  # RPyC's own for a classic server
    unprotected = True

    def check_user(self, text: str, user: str, place: str) -> NoReturn:
        """Refuse it: RPyC knows no users."""
        raise AddressError(f'{syntax.shown(text)}: a user is no part of an RPyC address. Write "{place}".')

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
