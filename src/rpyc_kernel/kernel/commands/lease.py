"""``%lease``: who holds a machine for a while, so that others who share it wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import CommandError
from rpyc_kernel.hosts.person import person
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional
from rpyc_kernel.link import leasing

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.context import CommandContext


@command(
    "lease",
    "Tells who holds a machine, or holds it for a while: others are told so when they connect. A courtesy, no "
    "protection.",
    Positional("address", "which machine; without it, the one where cells run", required=False, suggests="machine"),
    Positional("note", "what for, in quotes; others read it", required=False),
    Option("for", Kind.DURATION, "hold it for so long: 30m, 2h, 1d, up to 5d", "TIME"),
    Option("wait", Kind.FLAG, "where somebody else holds it, wait in line; the stop button ends that"),
    Option("end", Kind.FLAG, "end the lease, whoever has it"),
    examples=("%lease", '%lease pi --for 1h "calibrating the arm"', "%lease pi --end"),
)
async def lease(
    context: CommandContext, address: str | None, note: str | None, *, wait: bool, end: bool, **options: float | None
) -> str:
    """Tell who holds a machine, or hold it for a while."""
    session, seconds = context.sessions.current, options["for"]
    if address is not None:
        where = context.sessions.machine(address).address
    elif session is not None:
        where = session.address
    else:
        raise CommandError("Not connected to a machine: %lease ADDRESS names one.")
    wanted: dict[str, Any] = {"seconds": seconds, "note": note or "", "end": end}
    answer = await context.blocking(lambda cancel: leasing.ask(where, person(), cancel=cancel, **wanted))
    if wait and not answer.free:
        others = f" {answer.place - 1} others wait already." if answer.place > 1 else ""
        context.show(f"{answer.held}{others} Waiting in line; the stop button ends that.")
        answer = await context.blocking(lambda cancel: leasing.ask(where, person(), wait=True, cancel=cancel, **wanted))
        if not answer.free:
            raise CommandError(f"{answer.held} You wait no longer.".strip())
    if seconds is not None and not answer.free:
        raise CommandError(f"{answer.held or f'Others wait for {where}.'} --wait waits in line.")
    return answer.held or f"Nobody holds {where}."
