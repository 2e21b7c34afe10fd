"""``rpycs://host:port``: RPyC behind TLS. Such an address is understood, and can't be dialled yet."""

from __future__ import annotations

from rpyc_kernel.errors import TUNNEL
from rpyc_kernel.transport.address import Transport
from rpyc_kernel.transport.ways.rpyc import Rpyc


class Rpycs(Rpyc):
    """As `Rpyc`, but with the scheme in front."""

    default_port = 18821  # RPyC's own for a classic server behind TLS
    unprotected = False
    refusal = (
        "connections with TLS (rpycs://) are not supported yet. Let a server there listen on 127.0.0.1 without TLS, "
        f"lead an ssh tunnel to it ({TUNNEL}), and use localhost."
    )
    text = Transport.text
    open_socket = Transport.open_socket


TRANSPORT = Rpycs("rpycs")
