"""Tells a user what a command has done: one sentence or table for each value of `kernel.outcomes`."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from rpyc_kernel.kernel.outcomes import (
    Attached,
    AttachedAlready,
    Connected,
    Copied,
    Disconnected,
    Discovered,
    Ended,
    Found,
    Hosts,
    Left,
    Listing,
    Paired,
    Pinged,
    Replayed,
    Restarted,
    Used,
)
from rpyc_kernel.link import listing
from rpyc_kernel.transport.address import Address
from rpyc_kernel.values.describe import size_text

if TYPE_CHECKING:
    from rpyc_kernel.kernel.sessions.session import RemoteSession

CONNECTED = {
    Found.NEW: "Connected to {}",
    Found.KEPT: "Still connected to {} (the session is kept; --new starts a fresh one)",
    Found.MOVED: "Connected again to {}: the session is the same, reached another way.",
}

DISCONNECTED = {
    Left.NOT_CONNECTED: "Not connected to any machine.",
    Left.LOST: "Disconnected from {0}; its session was not this notebook's any more.",
    Left.ENDED: "Disconnected from {0}; its session has ended.",
    Left.ENDS_LATER: "Disconnected from {0}, which can't be reached now; its session ends as soon as it can, if this "
    "kernel still runs then.",
    Left.STAYS: "Disconnected from {0}; its session goes on. {1} comes back to it.",
}


@singledispatch
def sentence(value: object) -> str:
    """Return what a user reads of a value: a text is itself, and None is nothing to say."""
    return "" if value is None else str(value)


@sentence.register
def _(value: Connected) -> str:
    line = CONNECTED[value.found].format(value.session.describe())
    if value.service is not None:
        name, address, others = value.service
        rest = "no other is registered" if not others else f"{others} other{'s' * (others > 1)} registered"
        line += f" (service {name} at {address}, {rest})"
    return "\n".join([line, *value.warnings])


@sentence.register
def _(value: Disconnected) -> str:
    back = f'$connect("{value.name}")'
    if value.address not in ("", value.name):
        back = f"%connect {value.address} --name {value.name}"
    return "\n".join([DISCONNECTED[value.left].format(value.name, back), *value.warnings])


@sentence.register
def _(value: Used) -> str:
    return f"Cells run on {value.session.describe()} from here on."


@sentence.register
def _(value: Hosts) -> str:
    lines = [
        f"{'*' if session is value.current else ' '} {_named(session)}{session.describe()}, {session.status.value}"
        for session in value.sessions
    ]
    lines += [f"  {name}: left, its session goes on" for name in value.left]
    return "\n".join(lines) if lines else 'No machine yet. $connect("host:port") names one.'


def _named(session: RemoteSession) -> str:
    return f"{session.label}: " if session.label != session.name else ""


@sentence.register
def _(value: Discovered) -> str:
    rows = [(name, str(Address("rpyc", *server))) for name, servers in value.servers.items() for server in servers]
    if not rows:
        return "The registry knows no server now. A server registers if it was started with auto_register=True."
    width = max(len(name) for name, _address in rows)
    return "\n".join(f"{name:<{width}}  {address}" for name, address in rows)


@sentence.register
def _(value: Listing) -> str:
    return listing.table(value.entries, value.ours)


@sentence.register
def _(value: Ended) -> str:
    return f"The session {value.name} on {value.where} has ended."


@sentence.register
def _(value: Attached) -> str:
    entry = value.entry
    parts = []
    if entry.held:
        parts.append(f"taken over from {entry.holder or 'another notebook'}")
    if entry.unread:
        parts.append("what nobody has seen yet follows")
    if entry.busy:
        parts.append("a cell runs there: this one goes on until it has ended")
    how = " (" + "; ".join(parts) + ")" if parts else ""
    return f"Attached to {entry.name} on {value.session.describe()}{how}"


@sentence.register
def _(value: AttachedAlready) -> str:
    return f"This notebook has the session {value.name} already."


@sentence.register
def _(value: Replayed) -> str:
    return "" if value.messages else "It gave out nothing."


@sentence.register
def _(value: Pinged) -> str:
    entry = value.entry
    load = "load not known" if entry.load is None else "load " + " ".join(f"{number:.2f}" for number in entry.load)
    age = "" if entry.age is None else f", {listing.duration(entry.age)} old"
    return f"{value.name}: round trip {value.seconds * 1000:.1f} ms, {load}, session {entry.name}{age}"


@sentence.register
def _(value: Paired) -> str:
    return f'Paired with {value.address}, as {value.name}. $connect("{value.address}") connects from now on.'


@sentence.register
def _(value: Restarted) -> str:
    return f"A fresh Python runs on {value.name}; the variables of the one before are gone."


@sentence.register
def _(value: Copied) -> str:
    which = f"{'to' if value.source else 'from'} {', '.join(value.machines)}: " if value.machines else ""
    return f"{which}{'; '.join(value.values)} ({size_text(value.nbytes)} in {value.seconds:.1f} s)"
