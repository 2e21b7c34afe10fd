"""``rpycs://host:port``: RPyC behind TLS and a proof, as ``rpyc-kernel serve`` has it on a port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.transport.address import Address, Transport
from rpyc_kernel.transport.ways.rpyc import Rpyc

if TYPE_CHECKING:
    import ssl

    from rpyc_kernel.transport.deadline import Deadline


class Rpycs(Rpyc):
    """A host and a port, to a server that this machine is paired with."""

    default_port = 18821  # RPyC's own for a classic server behind TLS
    unprotected = False
    text = Transport.text

    def display(self, address: Address) -> str:
        """Return the address without the usual port."""
        return self.text(address).removesuffix(f":{self.default_port}")

    def open_socket(self, address: Address, deadline: Deadline) -> ssl.SSLSocket:
        """Connect to the server, and have both sides prove who they are. Raises a DialError, within *deadline*."""
        from rpyc_kernel.transport import proving  # noqa: PLC0415 - an address may also only be read

        return proving.open_admitted(address, deadline)


TRANSPORT = Rpycs("rpycs")
