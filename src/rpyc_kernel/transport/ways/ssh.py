"""``ssh://user@host:port``: through the ``ssh`` command. Such an address is understood, and can't be dialled yet."""

from __future__ import annotations

from rpyc_kernel.errors import TUNNEL
from rpyc_kernel.transport.address import Transport


class Ssh(Transport):
    """The port is left to the user's configuration of ssh."""

    refusal = (
        "connections through ssh (ssh://) are not supported yet. Start an RPyC server there and use host:port, or lead "
        f"a tunnel to it ({TUNNEL}) and use localhost."
    )


TRANSPORT = Ssh("ssh")
