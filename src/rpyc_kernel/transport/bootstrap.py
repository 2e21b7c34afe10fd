"""Ships the agent over a fresh RPyC connection, and gives its broker to whoever wants to talk to it.

What happens over there is written in ``agent/boot.py``. Round trips: one for the service, one for the boot text, one
for the first question; one more where the machine has no copy of this agent yet.
"""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from importlib import resources
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import (
    AgentError,
    ProtocolError,
    PythonTooOldError,
    RemoteError,
    SessionGoneError,
    TakenOverError,
)
from rpyc_kernel.transport.connection import Connection, RemoteRef
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.dial import dial, explain_refusal
from rpyc_kernel.transport.dialect import HANDLE_CALLATTR

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable

    from rpyc_kernel.transport.address import Address

# The text that the server evaluates. `eval` of a compiled module runs it, on every Python there is.
_START = """((lambda source, digest, scope: eval(compile(source, '<rpyc-kernel boot>', 'exec'), scope) or
 scope['open_broker'](digest, source.encode()))({source!r}, {digest!r}, {{'__name__': 'rpyc_kernel_boot'}})
 if __import__('sys').version_info >= (3, 7) else __import__('sys').version.split()[0])"""
HELLO_TIMEOUT = 60.0  # seconds; a small board compiles the broker in that time


@functools.cache
def agent_archive() -> tuple[str, bytes]:
    """The agent as one archive, and its SHA-256 in hexadecimal. Its form is told in ``agent/boot.py``."""
    sources: dict[str, str] = {}
    _collect(resources.files("rpyc_kernel.agent"), "", sources)
    archive = zlib.compress(json.dumps(sources, sort_keys=True).encode(), 9)
    return hashlib.sha256(archive).hexdigest(), archive


def _collect(folder: Traversable, prefix: str, sources: dict[str, str]) -> None:
    for item in folder.iterdir():
        if item.is_dir():
            if item.name != "__pycache__":
                _collect(item, f"{prefix}{item.name}/", sources)
        elif item.name.endswith(".py"):
            sources[prefix + item.name] = item.read_text(encoding="utf-8")


class Broker:
    """The one function of the agent that we call, at the end of a connection of its own. Used by one thread."""

    def __init__(self, connection: Connection, function: RemoteRef) -> None:
        self.connection = connection
        self.hello: dict[str, Any] = {}
        self._function = function

    @property
    def address(self) -> Address:
        """Where it is."""
        return self.connection.address

    def call(
        self, op: str, header: dict[str, Any], buffers: Sequence[wire.Bytes] = (), timeout: float | None = None
    ) -> tuple[dict[str, Any], list[memoryview]]:
        """Do *op* over there and return the answer.

        Raises SessionGoneError, TakenOverError or AgentError where the answer says so, and what the connection raises.
        """
        return self.receive(self.send(op, header, buffers), timeout)

    def send(self, op: str, header: dict[str, Any], buffers: Sequence[wire.Bytes] = ()) -> int:
        """Ask without waiting; returns the ticket for :meth:`receive`."""
        return self.connection.send_call(self._function, op, wire.pack(header, buffers))

    def receive(self, ticket: int, timeout: float | None = None) -> tuple[dict[str, Any], list[memoryview]]:
        """Wait for the answer to a ticket, as :meth:`call`."""
        return self._read(self.connection.receive(ticket, timeout))

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
        if answer["error"] == "stale":
            return TakenOverError(self.address)
        return AgentError(f"On {self.address}: {text}.")

    def start(self, deadline: Deadline) -> None:
        """Bring the agent if it isn't there, and fill :attr:`hello`."""

        def ask(op: str, payload: bytes) -> object:
            return self.connection.receive_until(self.connection.send_call(self._function, op, payload), deadline)

        answer = ask("hello", wire.pack({}))
        if answer == b"":
            ask("agent", agent_archive()[1])
            answer = ask("hello", wire.pack({}))
        self.hello, _buffers = self._read(answer)

    def abort(self, reason: str = "it was given up here") -> None:
        """End whatever the owning thread waits for, from any thread."""
        self.connection.abort(reason)

    def close(self) -> None:
        """Close the connection without asking the server."""
        self.connection.close()


def open_broker(address: Address, *, timeout: float = 10.0, cancel: threading.Event | None = None) -> Broker:
    """Dial *address* and have the agent there. Raises what `dial` raises, and RemoteUnfitError.

    *timeout*: seconds for the dialling. *cancel* ends it, and what follows, at once.
    """
    connection = dial(address, timeout=timeout, cancel=cancel)
    try:
        deadline = Deadline(HELLO_TIMEOUT, cancel)
        broker = Broker(connection, _evaluate(connection, deadline))
        broker.start(deadline)
    except BaseException:
        connection.close()
        raise
    return broker


def _evaluate(connection: Connection, deadline: Deadline) -> RemoteRef:
    digest, _archive = agent_archive()
    source = resources.files("rpyc_kernel.agent").joinpath("boot.py").read_text(encoding="utf-8")
    text = _START.format(source=source, digest=digest)
    try:
        ticket = connection.send_request(HANDLE_CALLATTR, connection.root(), "eval", (text,), ())
        found = connection.receive_until(ticket, deadline)
    except RemoteError as error:
        raise explain_refusal(error, connection) from None
    if isinstance(found, str):
        raise PythonTooOldError(connection.address, found[:40])
    if not isinstance(found, RemoteRef):
        raise ProtocolError(connection.address, "the boot text gave something else than a function")
    return found
