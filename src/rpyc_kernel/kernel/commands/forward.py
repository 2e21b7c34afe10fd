"""``%forward``: a port of the machine where cells run becomes a port here, so that a page can open what serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rpyc_kernel.errors import CommandError
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.link.forwarding import Forwarded

MAX_PORT = 65535
LOCALHOST = "localhost"


@command(
    "forward",
    "Opens a port of the machine where cells run on this one: http://localhost:PORT leads to what serves there. "
    "Without a port it lists them.",
    Positional(
        "port", "the port there; HOST:PORT of another machine that it reaches; or an http address", required=False
    ),
    Option("local-port", Kind.TEXT, "the port here; without it the same number, where that is free", "PORT"),
    Option("end", Kind.FLAG, "close it again; without a port, all"),
    examples=("%forward 6006", "%forward 192.168.1.7:80 --local-port 8080", "%forward", "%forward 6006 --end"),
)
async def forward(context: CommandContext, port: str | None, *, local_port: str | None, end: bool) -> str:
    """Forward a port, close it, or list all."""
    local = None if local_port is None else _number(local_port, "--local-port")
    if local is not None and (end or port is None):
        raise CommandError("--local-port of %forward goes with a port that is to be opened.")
    where = None if port is None else target(port)
    session = await context.sessions.resolve(context.cell)
    ports = session.forwarding
    if where is None:
        found = ports.ports
        if end:
            await context.blocking(lambda cancel: [ports.end(each.host, each.port, cancel) for each in found])
        if not found:
            return f"No port of {session.name} is forwarded. %forward 6006 opens one."
        return "\n".join(f"{_leads(each, session.name)}{', closed' if end else ''}" for each in found)
    host, number = where
    if end:
        if not await context.blocking(lambda cancel: ports.end(host, number, cancel)):
            raise CommandError(f"{_there(host, number, session.name)} is not forwarded.")
        return f"{_there(host, number, session.name)} is forwarded no longer."
    opened, why = await context.blocking(lambda cancel: ports.add(host, number, local, cancel))
    line = _leads(opened, session.name)
    if local is None and opened.local != number:
        line += f" (port {number} isn't free here)"
    return line if not why else f"{line}\n{why} The page can be opened as soon as something serves there."


def target(text: str) -> tuple[str, int]:
    """Return the host and port that a user has written. Raises CommandError."""
    if text.isdecimal():
        return LOCALHOST, _number(text, "%forward")
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        number = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        number, host = None, None
    else:
        host = parts.hostname
    if not number or not host or not host.isascii():
        raise CommandError(f"%forward takes a port, HOST:PORT or an http address, not {text[:100]}.")
    local = host in ("127.0.0.1", "::1", "0.0.0.0", LOCALHOST)  # noqa: S104 - what servers say of themselves
    return LOCALHOST if local else host, number


def _number(text: str, what: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MAX_PORT:
        raise CommandError(f"{what} takes a port from 1 to {MAX_PORT}, not {text[:100]}.")
    return int(text)


def _there(host: str, port: int, name: str) -> str:
    return f"Port {port} of {name}" if host == LOCALHOST else f"{host}:{port} behind {name}"


def _leads(forwarded: Forwarded, name: str) -> str:
    there = _there(forwarded.host, forwarded.port, name)
    count = len(forwarded.connections)
    return f"{there} is http://localhost:{forwarded.local} here{f', {count} connections' if count else ''}"
