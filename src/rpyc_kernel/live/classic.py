"""RPyC's own classic connection, behind whatever leads to a machine: ``rpyc_kernel.connect_classic``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpyc.core.service import MasterService
from rpyc.core.stream import SocketStream
from rpyc.utils.factory import connect_stream

from rpyc_kernel.errors import ServerClosedError
from rpyc_kernel.hosts.target import find
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.servers import first_server
from rpyc_kernel.transport.sockets import prepare

if TYPE_CHECKING:
    from rpyc_kernel.transport.address import Address


def connect_classic(where: str, *, timeout: float = 10.0, **config: Any) -> Any:
    """Connect to a classic server as ``rpyc.classic.connect`` does, by any address: ``connect_classic("rpycs://pi")``.

    It is RPyC's own connection, with ``modules``, ``eval``, ``execute``, ``namespace`` and ``builtins``, and knows
    nothing of sessions: what runs, runs in the server. Nothing of this machine is exposed but what is passed there.

    Args:
        where: The address of a stock classic server, or of ``rpyc-kernel serve --classic``; or a saved name.
        timeout: Seconds for connecting.
        config: RPyC's options of the connection, such as ``sync_request_timeout`` (seconds).

    Returns:
        The connection. ``close()`` closes it.

    Raises:
        AddressError: `where` isn't an address.
        DialError: No server there accepts the connection.
        DiscoveryError: The name of a service isn't found.
    """
    address = find(where).address

    def connect(server: Address, seconds: float | None) -> Any:
        sock = server.transport.open_classic(server, Deadline(seconds))
        prepare(sock)
        sock.settimeout(None)
        stream = SocketStream(sock)
        try:
            return connect_stream(stream, MasterService, config)
        except (EOFError, OSError):
            stream.close()
            raise ServerClosedError(server) from None

    return first_server(address, address.locate(), connect, timeout)
