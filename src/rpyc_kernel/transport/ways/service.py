"""``service:NAME``: whichever server RPyC's registry knows by that name."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rpyc_kernel.transport import ways
from rpyc_kernel.transport.address import Address, Transport
from rpyc_kernel.transport.discovery.names import check_name
from rpyc_kernel.transport.servers import first_server

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Mapping

    from rpyc_kernel.transport.deadline import Deadline


class Service(Transport):
    """``host`` is the name, in upper case."""

    takes_blanks = True
    loopback = False  # the registry may name any machine
    inapplicable: ClassVar[Mapping[str, str]] = {}

    def follows_colon(self, rest: str) -> bool:
        """Return whether *rest* is a name, and not the port of a host named ``service``."""
        return not rest.isdecimal()

    def parse(self, text: str, rest: str) -> Address:
        """Take what follows the colon for a name. Raises AddressError."""
        return Address(self.scheme, check_name(text.partition(":")[2], text))

    def text(self, address: Address) -> str:
        """Return ``service:NAME``."""
        return f"{self.scheme}:{address.host}"

    def is_settled(self, address: Address) -> bool:
        """Return that the registry has to be asked."""
        return False

    def locate(
        self, address: Address, registry: str | None = None, cancel: threading.Event | None = None
    ) -> list[Address]:
        """Ask the registry. Raises DiscoveryError."""
        from rpyc_kernel.transport.discovery.registry import discover  # noqa: PLC0415 - a name may also only be read

        return [Address(ways.DEFAULT, *server) for server in discover(address.host, registry=registry, cancel=cancel)]

    def open_socket(self, address: Address, deadline: Deadline) -> socket.socket:
        """Connect to the first of its servers that answers. Raises a DialError or DiscoveryError."""
        return first_server(
            address,
            self.locate(address, cancel=deadline.cancel),
            lambda server, seconds: server.transport.open_socket(
                server, deadline if seconds is None else deadline.part(seconds)
            ),
            deadline.left(),
        )


TRANSPORT = Service("service")
