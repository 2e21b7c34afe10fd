"""Ships the agent over a fresh RPyC connection, and gives its broker to whoever wants to talk to it.

What happens over there is written in ``agent/boot.py``. Round trips: one for the service, one for the boot text and
the first question; one more where the machine has no copy of this agent yet.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rpyc_kernel._version import __version__
from rpyc_kernel.agent import wire
from rpyc_kernel.agent.boot import package_of
from rpyc_kernel.errors import (
    AgentError,
    LinkLost,
    ProtocolError,
    PythonTooOldError,
    RemoteError,
    SessionGoneError,
    SessionVersionError,
    TakenOverError,
)
from rpyc_kernel.transport.deadline import Deadline, Silence
from rpyc_kernel.transport.dial import dial, explain_refusal
from rpyc_kernel.transport.plain import plain
from rpyc_kernel.transport.rpyc_wire.connection import Connection, RemoteRef, Reply
from rpyc_kernel.transport.rpyc_wire.dialect import HANDLE_CALLATTR

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from rpyc_kernel.transport.address import Address

# The text that the server evaluates. `eval` of a compiled module runs it, on every Python there is. Where an earlier
# connection has brought this agent, its module is there: a server compiles it once, which takes 7 ms on a fast machine.
_START = """((lambda source, digest, scope, known: known.open_broker(digest, source.encode())
 if hasattr(known, 'open_broker') else
 (lambda code: eval(code, scope) or scope['open_broker'](digest, source.encode(), code))
 (compile(source, '<rpyc-kernel boot>', 'exec')))
 ({source!r}, {digest!r}, {{'__name__': 'rpyc_kernel_boot'}}, __import__('sys').modules.get({package!r}))
 if __import__('sys').version_info >= (3, 7) else __import__('sys').version.split()[0])"""
AGENT = Path(wire.__file__).parent
A_DAY = 86400.0  # seconds
MAX_AGO = 1000 * A_DAY
HELLO_TIMEOUT = 60.0  # seconds; a small board compiles the broker in that time


@functools.cache
def agent_text() -> tuple[str, bytes]:
    """The agent's name, the SHA-256 of its text in hexadecimal, and the text. Its form is told in ``agent/boot.py``."""
    sources: dict[str, str] = {}
    _collect(str(AGENT), "", sources)
    text = json.dumps(sources, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest(), text


def agent_archive() -> tuple[str, bytes]:
    """The agent's name, and the agent as it travels."""
    digest, text = agent_text()
    return digest, zlib.compress(text)


def _collect(folder: str, prefix: str, sources: dict[str, str]) -> None:
    """The modules in that folder and below. (By ``importlib.resources`` it takes a first connection 7 ms more.)"""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                sources[prefix + entry.name] = Path(entry.path).read_text(encoding="utf-8")
            elif entry.is_dir() and entry.name != "__pycache__":
                _collect(entry.path, f"{prefix}{entry.name}/", sources)


class Broker:
    """The one function of the agent that we call, at the end of a connection of its own. Used by one thread.

    A context manager, which closes the connection.
    """

    def __init__(self, connection: Connection, function: RemoteRef) -> None:
        self.connection = connection
        self.hello: dict[str, Any] = {}
        self._function = function

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def address(self) -> Address:
        """Where it is."""
        return self.connection.address

    def call(
        self, op: str, header: dict[str, Any], buffers: Sequence[wire.Bytes] = (), timeout: float | None = None
    ) -> tuple[dict[str, Any], list[memoryview]]:
        """Do *op* over there and return the answer.

        *timeout*: seconds of silence. Raises a SessionError or AgentError where the answer says so, and what the
        connection raises.
        """
        return self.receive(self.send(op, header, buffers), timeout)

    def send(self, op: str, header: dict[str, Any], buffers: Sequence[wire.Bytes] = ()) -> int:
        """Ask without waiting; returns the ticket for :meth:`receive`."""
        return self.connection.send_call(self._function, op, wire.pack(header, buffers))

    def receive(self, ticket: int, timeout: float | None = None) -> tuple[dict[str, Any], list[memoryview]]:
        """Wait for the answer to a ticket, as :meth:`call`. *timeout*: seconds of silence."""
        return self._read(self.connection.receive_until(ticket, Silence(timeout, self.connection.cancel)))

    def _read(self, answer: object) -> tuple[dict[str, Any], list[memoryview]]:
        if not isinstance(answer, bytes):
            raise ProtocolError(self.address, "the agent's answer is no bytes")
        try:
            header, buffers = wire.unpack(answer)
        except wire.WireError as error:
            raise ProtocolError(self.address, str(error)) from None
        if "error" in header:
            raise self._error(header)
        return header, buffers

    def _error(self, answer: dict[str, Any]) -> Exception:
        text = str(answer.get("text", ""))[:2000]
        if answer["error"] == "gone":
            return SessionGoneError(self.address)
        if answer["error"] == "stale" and "by" not in answer:
            return LinkLost(self.address, "a newer link of this notebook took its place")
        if answer["error"] == "stale":
            return TakenOverError(self.address, plain(str(answer["by"]), 100), _clock(answer.get("ago")))
        if answer["error"] == "version":
            return SessionVersionError(self.address, plain(str(answer.get("agent", ""))), __version__)
        return AgentError(f"On {self.address}: {text}.")

    def start(self, answer: bytes, deadline: Deadline) -> None:
        """Fill :attr:`hello` with what the boot text gave, and bring the agent if it has found none."""
        found: Reply = answer
        if answer == b"":
            ticket = self.connection.send_call(self._function, "agent", agent_archive()[1])
            found = self.connection.receive_until(ticket, deadline)
        self.hello, _buffers = self._read(found)

    def abort(self, reason: str = "it was given up here") -> None:
        """End whatever the owning thread waits for, from any thread."""
        self.connection.abort(reason)

    def close(self) -> None:
        """Close the connection without asking the server."""
        self.connection.close()


def _clock(ago: object) -> str:
    """When that was, so many seconds *ago*, by this machine's clock: the other one may be in 1970."""
    if not isinstance(ago, int | float) or not 0 <= ago < MAX_AGO:
        return ""
    then = dt.datetime.now() - dt.timedelta(seconds=ago)  # noqa: DTZ005 - for whoever sits here
    return then.strftime("%H:%M" if ago < A_DAY / 2 else "%Y-%m-%d %H:%M")


def open_broker(
    address: Address, *, timeout: float = 10.0, cancel: threading.Event | None = None, hello: float = HELLO_TIMEOUT
) -> Broker:
    """Dial *address* and have the agent there. Raises what `dial` raises, and RemoteUnfitError.

    *timeout*: seconds for the dialling. *hello*: seconds until the agent has answered. *cancel* ends both.
    """
    connection = dial(address, timeout=timeout, cancel=cancel)
    try:
        deadline = Deadline(hello, cancel)
        function, answer = _evaluate(connection, deadline)
        broker = Broker(connection, function)
        broker.start(answer, deadline)
    except BaseException:
        connection.close()
        raise
    return broker


def _evaluate(connection: Connection, deadline: Deadline) -> tuple[RemoteRef, bytes]:
    digest, _text = agent_text()
    source = (AGENT / "boot.py").read_text(encoding="utf-8")
    text = _START.format(source=source, digest=digest, package=package_of(digest))
    try:
        ticket = connection.send_request(HANDLE_CALLATTR, connection.root(), "eval", (text,), ())
        found = connection.receive_until(ticket, deadline)
    except RemoteError as error:
        raise explain_refusal(error, connection) from None
    if isinstance(found, str):
        raise PythonTooOldError(connection.address, found[:40])
    match found:
        case (RemoteRef() as function, bytes() as answer):
            return function, answer
    raise ProtocolError(connection.address, "the boot text gave something else than a function and its answer")
