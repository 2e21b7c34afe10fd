"""What somebody should know who reaches a stock server by an open port: said once for each machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.hosts import recent
from rpyc_kernel.transport import syntax

if TYPE_CHECKING:
    from rpyc_kernel.transport.address import Address

OPEN_SERVER = (
    "Mind that whoever reaches {address} can run code there: RPyC's classic server asks for no password. Where an ssh "
    "server runs there, this address needs no open port: ssh://{host}"
)


def warning(server: Address) -> str:
    """Return the sentence for a server that was connected to; "" where it is no such one, or that was said before."""
    open_to_others = server.transport.unprotected and not server.is_loopback
    if not open_to_others or str(server) in recent.load():  # it was said then
        return ""
    recent.note(str(server))
    return OPEN_SERVER.format(address=server, host=syntax.joined(server.host, None))
