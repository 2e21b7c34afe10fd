"""``%pair``: lets this machine in at a server, once, by the code that is shown there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.errors import DialCancelledError
from rpyc_kernel.hosts.target import find_tls
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Positional
from rpyc_kernel.kernel.outcomes import Paired
from rpyc_kernel.transport.deadline import Deadline

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.context import CommandContext


@command(
    "pair",
    "Pairs this machine with a server that shows a code (rpyc-kernel serve --pair), which it then asks for. It is done "
    "once for each server.",
    Positional("host", "the server: host, host:port, a rpycs:// address, or a saved name", suggests="machine"),
    examples=("%pair pi.local",),
)
async def pair(context: CommandContext, host: str) -> Paired:
    """Ask for the code, and pair."""
    from rpyc_kernel.transport import proving  # noqa: PLC0415 - few notebooks need it

    address = find_tls(host)
    code = await context.ask_password(proving.question(address))
    if code is None:
        raise DialCancelledError(address)
    pairing = await context.blocking(
        lambda cancel: proving.pair(address, code, Deadline(proving.PAIRING_TIMEOUT_S, cancel))
    )
    return Paired(address.display, pairing.name)
