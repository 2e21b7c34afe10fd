"""``%doctor``: looks for what keeps a machine from being used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.errors import CommandError
from rpyc_kernel.hosts.target import Target, find
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Positional

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.context import CommandContext


@command(
    "doctor",
    "Walks to a machine step by step, looks around there, and says what is wrong and what mends it.",
    Positional("address", "which machine; without it, the one where cells run", required=False),
    examples=("%doctor pi", "%doctor"),
)
async def doctor(context: CommandContext, address: str | None) -> str:
    """Look for what keeps a machine from being used."""
    from rpyc_kernel.doctor.check import lines  # noqa: PLC0415 - few notebooks need it
    from rpyc_kernel.doctor.checks import examine  # noqa: PLC0415

    if address is not None:
        machine = find(address)
    elif (session := context.sessions.current) is not None:
        machine = Target(session.address)
    else:
        raise CommandError("Not connected to a machine yet. %doctor ADDRESS looks at one.")
    found = await context.blocking(lambda cancel: [*examine(machine, cancel)])
    return "\n".join(map(lines, found))
