"""``%sessions``, ``%attach``, ``%replay``, ``%ping`` and ``%restart``: sessions that outlive the notebook."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rpyc_kernel._version import __version__
from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import CommandError, SessionVersionError
from rpyc_kernel.kernel.jupyter.publisher import SHOWN
from rpyc_kernel.link import listing
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.discovery.registry import service_name
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    import threading

    from rpyc_kernel.kernel.cell import Cell
    from rpyc_kernel.kernel.kernel import RpycKernel
    from rpyc_kernel.kernel.sessions.session import Machine

REPLAYED = 1  # cells, where no number is given: the last one
PAGE = 256 << 10  # bytes of one answer
LOOK = 0.01  # seconds between two looks at whether the old Python has ended
RESTART_TIMEOUT = 30.0  # seconds; it gets ten, and what it prints may travel slowly


async def sessions(kernel: RpycKernel, arguments: dict[str, Any], cell: Cell) -> dict[str, Any]:
    """List the sessions on a machine, or end one."""
    where = await _where(kernel, arguments["address"], "%sessions")
    found = await kernel.blocking(
        lambda cancel: listing.sessions(kernel.machines.address_of(where, cancel), cancel=cancel)
    )
    if not arguments["end"]:
        return kernel.said(listing.table(found, kernel.machines.sessions), cell)
    entry = listing.choose(found, arguments["end"])
    await kernel.blocking(lambda cancel: listing.end(kernel.machines.address_of(where, cancel), entry, cancel=cancel))
    return kernel.said(f"The session {entry.name} on {where} has ended.", cell)


async def attach(kernel: RpycKernel, arguments: dict[str, Any], cell: Cell) -> dict[str, Any]:
    """Take over a session, and show what it gave out meanwhile."""
    where = await _where(kernel, arguments["address"], "%attach NAME")
    found = await kernel.blocking(
        lambda cancel: listing.sessions(kernel.machines.address_of(where, cancel), cancel=cancel)
    )
    entry = listing.choose(found, arguments["name"])
    if entry.session in kernel.machines.sessions and (machine := kernel.machines.current):
        if machine.link.session == entry.session:
            return kernel.said(f"This notebook has the session {entry.name} already.", cell)
    if entry.newer:
        raise SessionVersionError(where, entry.agent, __version__)
    machine = await kernel.blocking(lambda cancel: kernel.machines.attach(where, entry, cell.msg_id, cancel))
    kernel.say(f"Attached to {entry.name} on {machine.describe()}{_how_it_is(entry)}", cell)
    machine.announced.set()
    return await kernel.whereabouts.attach(where, kernel.session_config(), machine, cell)


def _how_it_is(entry: listing.SessionEntry) -> str:
    parts = []
    if entry.held:
        parts.append(f"taken over from {entry.holder or 'another notebook'}")
    if entry.unread:
        parts.append("what nobody has seen yet follows")
    if entry.busy:
        parts.append("a cell runs there: this one goes on until it has ended")
    return " (" + "; ".join(parts) + ")" if parts else ""


async def replay(kernel: RpycKernel, arguments: dict[str, Any], cell: Cell) -> dict[str, Any]:
    """Show again what cells have given out."""
    machine = await _connected(kernel, cell)
    number = arguments["cell"]
    wanted: dict[str, Any] = {"cells": REPLAYED}
    if number is not None:
        if not (number.isascii() and number.isdigit()):
            raise CommandError(f"%replay takes the number of a cell, like %replay 7, not {plain(number)}.")
        wanted = {"cell": int(number)}
    found, shown = await kernel.blocking(lambda cancel: _replay(kernel, machine, wanted, cell, cancel))
    if not found:
        which = f"cell {number}" if number is not None else "any cell"
        raise CommandError(f"What {which} gave out is not kept on {machine.name} any more, or it never ran there.")
    return kernel.said("It gave out nothing.", cell) if not shown else kernel.said("", cell)


def _replay(
    kernel: RpycKernel, machine: Machine, wanted: dict[str, Any], cell: Cell, cancel: threading.Event
) -> tuple[bool, int]:
    """Page by page; whether there was such a cell, and how many messages were shown."""
    place, shown = 0, 0
    while True:
        request = {**wanted, "from": place, "max_bytes": PAGE}
        answer, packets = machine.link.ask("replay", request)
        for message in map(Message.decode, packets):
            message.parent = cell.msg_id
            if message.type in SHOWN and not cancel.is_set():
                kernel.publisher.publish(message, cancel, backlog=True)
                shown += 1
        following = answer.get("next")
        if cancel.is_set() or not isinstance(following, int) or following <= place:
            return answer.get("found") is True, shown
        place = following


async def ping(kernel: RpycKernel, _arguments: dict[str, Any], cell: Cell) -> dict[str, Any]:
    """How the link, the machine and the session are."""
    machine = await _connected(kernel, cell)
    started = time.perf_counter()
    status, _buffers = await kernel.blocking(lambda _cancel: machine.link.ask("status", {}))
    trip = time.perf_counter() - started
    entry = listing.read({**status, "session": machine.link.session, "name": machine.title})
    assert entry is not None
    load = "load not known" if entry.load is None else "load " + " ".join(f"{number:.2f}" for number in entry.load)
    age = "" if entry.age is None else f", {listing.duration(entry.age)} old"
    return kernel.said(f"{machine.name}: round trip {trip * 1000:.1f} ms, {load}, session {entry.name}{age}", cell)


async def restart(kernel: RpycKernel, _arguments: dict[str, Any], cell: Cell) -> dict[str, Any]:
    """End the Python there, whatever it does, and go on with a fresh one on the same connection."""
    machine = await _connected(kernel, cell)
    before = machine.channels.python
    machine.restarting = cell.msg_id
    try:
        ended = await kernel.blocking(lambda cancel: _restart(machine, cancel))
    finally:
        machine.restarting = ""
    if not ended:
        raise CommandError(f"The Python on {machine.name} is still ending. %restart again ends it at once.")
    machine.channels.restarted(before)
    return kernel.said(f"A fresh Python runs on {machine.name}; the variables of the one before are gone.", cell)


def _restart(machine: Machine, cancel: threading.Event) -> bool:
    """Restart the Python there, and wait until the old one has ended: it has some seconds for that. Returns whether."""
    before, deadline = machine.exits.restarts, time.monotonic() + RESTART_TIMEOUT
    machine.link.ask("restart", {})
    while machine.exits.restarts == before and time.monotonic() < deadline and not cancel.wait(LOOK):
        if machine.link.status is LinkStatus.CLOSED and machine.link.error:
            raise machine.link.error
    return machine.exits.restarts != before


async def _where(kernel: RpycKernel, address: str | None, shown: str) -> str:
    """The machine that is meant: the one that was named in the command, else the notebook's."""
    current = kernel.machines.current
    known = kernel.memory.known.address or kernel.address
    where = address or (current.name if current is not None else known)
    if not where:
        raise CommandError(f"Not connected. Say which machine is meant: {shown} ADDRESS")
    name = service_name(where)
    return where if name is None else (await kernel.whereabouts.servers(name))[0]


async def _connected(kernel: RpycKernel, cell: Cell) -> Machine:
    machine = await kernel.whereabouts.reach(cell)
    if machine.link.status is LinkStatus.LOST:
        await kernel.blocking(machine.link.wait_up)
    return machine


DOINGS = {"sessions": sessions, "attach": attach, "replay": replay, "ping": ping, "restart": restart}
