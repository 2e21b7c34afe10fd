"""``%doctor``: looks for what keeps a machine, or the kernel here, from being used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.hosts.target import Target
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Positional

if TYPE_CHECKING:
    import threading

    from rpyc_kernel.doctor.check import Check
    from rpyc_kernel.kernel.commands.context import CommandContext


@command(
    "doctor",
    "Walks to a machine step by step, looks around there, and says what is wrong and what mends it.",
    Positional(
        "address",
        "which machine; without it, the one where cells run or, not connected, this side",
        required=False,
        suggests="machine",
    ),
    examples=("%doctor pi", "%doctor"),
)
async def doctor(context: CommandContext, address: str | None) -> str:
    """Look for what keeps a machine, or the kernel here, from being used."""
    from rpyc_kernel.doctor.check import lines  # noqa: PLC0415 - few notebooks need it
    from rpyc_kernel.doctor.checks import examine  # noqa: PLC0415
    from rpyc_kernel.doctor.here import examine_here  # noqa: PLC0415

    session, machine = context.sessions.current, None
    if address is not None:
        machine = context.sessions.machine(address)
    elif session is not None:
        machine = Target(session.address)
    else:
        context.show("Not connected to a machine: this is how it is here. %doctor ADDRESS looks at a machine.")

    def look(cancel: threading.Event) -> list[Check]:
        return [*(examine_here(cancel) if machine is None else examine(machine, cancel))]

    return "\n".join(map(lines, await context.blocking(look)))
