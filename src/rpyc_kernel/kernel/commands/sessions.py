"""``%sessions``, ``%attach``, ``%replay``, ``%ping`` and ``%restart``: sessions that outlive the notebook."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rpyc_kernel._version import __version__
from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import CommandError, SessionVersionError
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional
from rpyc_kernel.kernel.jupyter.iopub import SHOWN
from rpyc_kernel.kernel.outcomes import Attached, AttachedAlready, Ended, Listing, Pinged, Replayed, Restarted
from rpyc_kernel.link import listing
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    import threading

    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.kernel.sessions.session import RemoteSession

REPLAYED_CELLS = 1  # where no number is given: the last one
NAME = Positional("name", "which machine; without it, the one where cells run", required=False, suggests="connected")
PAGE_BYTES = 256 << 10  # of one answer


@command(
    "sessions",
    "Lists the sessions that run on a machine, or ends one.",
    Positional("address", "which machine; without it, the one where cells run", required=False, suggests="machine"),
    Option("end", Kind.TEXT, "end that session: its name, its id or the beginning of it", "NAME"),
    examples=("%sessions", "%sessions pi --end walk"),
)
async def sessions(context: CommandContext, address: str | None, *, end: str | None) -> Listing | Ended:
    """List the sessions on a machine, or end one."""
    found = await context.sessions.list(address, "%sessions")
    if not end:
        return found
    entry = listing.choose(found.entries, end)
    await context.sessions.end(found.where, entry)
    return Ended(entry.name, found.where)


@command(
    "attach",
    "Takes over a session that runs on a machine, and shows what it gave out meanwhile.",
    Positional("name", "the session's name, its id or the beginning of it", suggests="session"),
    Positional("address", "which machine; without it, the one where cells run", required=False, suggests="machine"),
    examples=("%attach walk", "%attach walk pi"),
)
async def attach(context: CommandContext, name: str, address: str | None) -> AttachedAlready | dict[str, Any]:
    """Take over a session, and show what it gave out meanwhile."""
    where, entries, ours = await context.sessions.list(address, "%attach NAME")
    entry = listing.choose(entries, name)
    current = context.sessions.current
    if current is not None and current.id == entry.session and entry.session in ours:
        return AttachedAlready(entry.name)
    if entry.newer:
        raise SessionVersionError(where, entry.agent, __version__)
    session = await context.sessions.attach(where, entry, context.cell)
    context.show(Attached(session, entry))
    return await context.sessions.catch_up(session, context.cell)


@command(
    "replay",
    "Shows again what the last cell gave out, or the cell with that number.",
    Positional("cell", "the number of the cell", required=False),
    examples=("%replay", "%replay 7"),
)
async def replay(context: CommandContext, cell: str | None) -> Replayed:
    """Show again what cells have given out."""
    session = await _connected(context)
    wanted: dict[str, Any] = {"cells": REPLAYED_CELLS}
    if cell is not None:
        if not (cell.isascii() and cell.isdigit()):
            raise CommandError(f"%replay takes the number of a cell, like %replay 7, not {plain(cell)}.")
        wanted = {"cell": int(cell)}
    found, shown = await context.blocking(lambda cancel: _replay(context, session, wanted, cancel))
    if not found:
        which = f"cell {cell}" if cell is not None else "any cell"
        raise CommandError(f"What {which} gave out is not kept on {session.name} any more, or it never ran there.")
    return Replayed(shown)


def _replay(
    context: CommandContext, session: RemoteSession, wanted: dict[str, Any], cancel: threading.Event
) -> tuple[bool, int]:
    """Show it page by page; return whether there was such a cell, and how many messages were shown."""
    place, shown = 0, 0
    while True:
        answer, packets = session.ask("replay", {**wanted, "from": place, "max_bytes": PAGE_BYTES})
        for message in map(Message.decode, packets):
            message.parent = context.cell.msg_id
            if message.type in SHOWN and not cancel.is_set():
                context.output.publish(message, cancel, backlog=True)
                shown += 1
        following = answer.get("next")
        if cancel.is_set() or not isinstance(following, int) or following <= place:
            return answer.get("found") is True, shown
        place = following


@command(
    "ping",
    "Tells the round trip to the machine, its load, and the age of the session.",
    NAME,
    examples=("%ping", "%ping gpu"),
)
async def ping(context: CommandContext, name: str | None) -> Pinged:
    """Tell how the link, the machine and the session are."""
    session = await _connected(context, name)
    started = time.perf_counter()
    status, _packets = await context.blocking(lambda _cancel: session.ask("status", {}))
    seconds = time.perf_counter() - started
    entry = listing.read({**status, "session": session.id, "name": session.title})
    assert entry is not None
    return Pinged(session.name, seconds, entry)


@command(
    "restart",
    "Ends the Python on the other machine, whatever it does, and starts a fresh one. Beside a cell too.",
    NAME,
    examples=("%restart", "%restart gpu"),
)
async def restart(context: CommandContext, name: str | None) -> Restarted:
    """End the Python there, whatever it does, and go on with a fresh one on the same connection."""
    session = await _connected(context, name)
    if not await context.blocking(lambda cancel: session.restart(context.cell.msg_id, cancel)):
        raise CommandError(f"The Python on {session.name} is still ending. %restart again ends it at once.")
    return Restarted(session.name)


async def _connected(context: CommandContext, name: str | None = None) -> RemoteSession:
    session = await (context.sessions.named(name) if name else context.sessions.resolve(context.cell))
    if session.status is LinkStatus.LOST:
        await context.blocking(session.wait_up)
    return session
