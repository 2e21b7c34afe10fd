"""The agent's broker in a server: brings the agent there over a fresh RPyC connection, and calls its one function.

The other half is in ``agent/boot.py`` and ``agent/broker.py``. That takes one round trip for the service, one for the
boot text with the first question, and one more where the machine has no copy of this agent yet.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import os
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rpyc_kernel._version import __version__
from rpyc_kernel.agent import wire
from rpyc_kernel.agent.boot import package_of
from rpyc_kernel.agent.direct import packets
from rpyc_kernel.errors import (
    AgentError,
    HeldError,
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

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.rpyc_wire.stream import FrameStream

# The text that the server evaluates. `eval` of a compiled module runs it, on every Python there is. Where an earlier
# connection has brought this agent, its module is there: a server compiles it once, which takes 7 ms on a fast machine.
_START = """((lambda source, digest, scope, known: known.open_broker(digest, source.encode())
 if hasattr(known, 'open_broker') else
 (lambda code: eval(code, scope) or scope['open_broker'](digest, source.encode(), code))
 (compile(source, '<rpyc-kernel boot>', 'exec', 0, True, 2)))
 ({source!r}, {digest!r}, {{'__name__': 'rpyc_kernel_boot'}}, __import__('sys').modules.get({package!r}))
 if __import__('sys').version_info >= (3, 7) else __import__('sys').version.split()[0])"""
AGENT = Path(wire.__file__).parent
_DAEMON = ("serve/", "__main__.py")  # they stay here: `install-serve` sends what serves
_GATEWAY = {
    f"serve/{name}.py" for name in ("__init__", "brine", "gateway", "installing", "mux", "rpyc_server", "systemd")
}  # but for these
DAY_S = 86400.0
ROUND_TRIPS = 3  # that are measured
MAX_AGO_S = 1000 * DAY_S
MIN_HOURS = 2  # that are told in hours
HELLO_TIMEOUT_S = 60.0  # a small board compiles the broker in that time


@functools.cache
def agent_text() -> tuple[str, bytes]:
    """Return the agent's name, which is the SHA-256 of its text in hexadecimal, and the text, see ``agent/boot.py``."""
    sources = agent_sources()
    travels = {path: text for path, text in sources.items() if not path.startswith(_DAEMON) or path in _GATEWAY}
    text = json.dumps(travels, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest(), text


def agent_sources() -> dict[str, str]:
    """Return the text of each module of the agent, by its path, those of the daemon as well."""
    sources: dict[str, str] = {}
    _collect(str(AGENT), "", sources)
    return sources


def agent_archive() -> tuple[str, bytes]:
    """Return the agent's name, and its text packed by zlib: that is how it travels."""
    digest, text = agent_text()
    return digest, zlib.compress(text)


def _collect(folder: str, prefix: str, sources: dict[str, str]) -> None:
    """Put the modules in *folder* and below into *sources*. (By ``importlib.resources`` that takes 7 ms more.)"""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                sources[prefix + entry.name] = Path(entry.path).read_text(encoding="utf-8")
            elif entry.is_dir() and entry.name != "__pycache__":
                _collect(entry.path, f"{prefix}{entry.name}/", sources)


class BrokerClient:
    """A connection of its own to the agent's broker, which has one function. Used by one thread.

    It is a context manager, which closes the connection.

    Attributes:
        connection: The connection.
        hello: The broker's answer to ``hello``: versions, host, kind of server.
    """

    def __init__(self, connection: Connection, function: RemoteRef, hello: bytes) -> None:
        self.connection = connection
        self._function = function
        self.hello, _buffers = self._read(hello)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def address(self) -> Address:
        """The server's address."""
        return self.connection.address

    def call(
        self, op: str, header: dict[str, Any], buffers: Sequence[wire.Bytes] = (), timeout: float | None = None
    ) -> tuple[dict[str, Any], list[memoryview]]:
        """Have the broker do *op*.

        Args:
            op: One of the operations of ``docs/architecture.md``.
            header: Its JSON object.
            buffers: The binary buffers beside that.
            timeout: Seconds of silence until NoAnswerError; None waits for ever.

        Returns:
            The answer: its JSON object and its buffers.

        Raises:
            SessionError: The answer says that the session is not ours to use.
            AgentError: The answer is another refusal.
            LinkError: The connection broke, or the answer is malformed.
        """
        return self.receive(self.send(op, header, buffers), timeout)

    def send(self, op: str, header: dict[str, Any], buffers: Sequence[wire.Bytes] = ()) -> int:
        """Ask without waiting. Returns the ticket for `receive`."""
        return self.connection.send_call(self._function, op, wire.pack(header, buffers))

    def receive(self, ticket: int, timeout: float | None = None) -> tuple[dict[str, Any], list[memoryview]]:
        """Wait for the answer to *ticket*, with the errors of `call`. *timeout*: seconds of silence."""
        return self._read(self.connection.receive(ticket, Silence(timeout, self.connection.cancel)))

    def connect_directly(self, header: dict[str, Any], deadline: Deadline) -> FrameStream:
        """Have the broker connect this connection with a worker.

        Args:
            header: ``socket`` and ``key`` of a worker that listens.
            deadline: Ends the waiting.

        Returns:
            The stream to the worker, behind its greeting. The broker can't be called any more.

        Raises:
            SessionGoneError: The worker has ended.
            AgentError: The broker can't do it.
            LinkError: The connection broke.
        """
        ticket = self.send("direct", header)
        stream = self.connection.take_over(ticket, deadline, packets.GREETING[:1])
        if stream is None:
            self._read(self.connection.receive(ticket, deadline))
            raise ProtocolError(self.address, "the agent gave no direct connection")
        greeting = bytearray(len(packets.GREETING))
        stream.read_into(memoryview(greeting), deadline)
        if greeting != packets.GREETING:
            raise ProtocolError(self.address, "a direct connection to somebody unknown", bytes(greeting))
        return stream

    def round_trip(self, timeout: float) -> float:
        """Return the seconds of the shortest of a few round trips, with the *timeout* and the errors of `call`."""
        seconds = []
        for _trip in range(ROUND_TRIPS):
            began = time.perf_counter()
            self.call("hello", {}, timeout=timeout)
            seconds.append(time.perf_counter() - began)
        return min(seconds)

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
        if answer["error"] == "held":
            return HeldError(self.address, held_by(self.address, answer.get("lease")))
        if answer["error"] == "version":
            return SessionVersionError(self.address, plain(str(answer.get("agent", ""))), __version__)
        return AgentError(f"On {self.address}: {text}.")

    def abort(self, reason: str = "it was given up here") -> None:
        """End what the owning thread waits for with LinkLost. From any thread."""
        self.connection.abort(reason)

    def close(self) -> None:
        """Close the connection without asking the server."""
        self.connection.close()


def held_by(name: object, lease: object) -> str:
    """Return the sentence about a lease that another machine tells, "" where it tells none."""
    if not isinstance(lease, dict):
        return ""
    left = lease.get("left")
    minutes = max(1, round(left / 60)) if isinstance(left, int | float) and 0 <= left < MAX_AGO_S else 0
    time_left = f"{minutes} min" if minutes < MIN_HOURS * 60 else f"{minutes / 60:.0f} h"
    note = plain(str(lease.get("note") or ""), 100)
    return f"{plain(str(lease.get('person')), 100)} holds {name} for another {time_left}{note and f' ({note})'}."


def _clock(ago: object) -> str:
    """Return when *ago* seconds ago was, by this machine's clock: the other one may be in 1970."""
    if not isinstance(ago, int | float) or not 0 <= ago < MAX_AGO_S:
        return ""
    then = dt.datetime.now() - dt.timedelta(seconds=ago)  # noqa: DTZ005 - for whoever sits here
    return then.strftime("%H:%M" if ago < DAY_S / 2 else "%Y-%m-%d %H:%M")


def open_broker(
    address: Address, *, timeout: float = 10.0, cancel: threading.Event | None = None, hello: float = HELLO_TIMEOUT_S
) -> BrokerClient:
    """Dial *address* and bring the agent there.

    Args:
        address: Of an RPyC classic server.
        timeout: Seconds for the dialling.
        cancel: Ends the waiting within 0.1 s, once it is set.
        hello: Seconds until the agent must have answered.

    Returns:
        The broker, whose `hello` is known.

    Raises:
        DialError: There is no connection, or *cancel* was set.
        DiscoveryError: The address is the name of a service, and none of its servers was found.
        RemoteUnfitError: No session can live there.
        LinkError: The connection broke.
    """
    connection = dial(address, timeout=timeout, cancel=cancel)
    try:
        deadline = Deadline(hello, cancel)
        function, answer = _evaluate(connection, deadline)
        if answer == b"":  # the agent isn't there
            ticket = connection.send_call(function, "agent", agent_archive()[1])
            function, answer = _function_and_answer(connection, connection.receive(ticket, deadline))
        broker = BrokerClient(connection, function, answer)
    except BaseException:
        connection.close()
        raise
    return broker


def _evaluate(connection: Connection, deadline: Deadline) -> tuple[RemoteRef, bytes]:
    digest, _text = agent_text()
    source = (AGENT / "boot.py").read_text(encoding="utf-8")
    text = _START.format(source=source, digest=digest, package=package_of(digest))
    try:
        ticket = connection.send_method_call(connection.root(), "eval", text)
        found = connection.receive(ticket, deadline)
    except RemoteError as error:
        raise explain_refusal(error, connection) from None
    if isinstance(found, str):
        raise PythonTooOldError(connection.address, found[:40])
    return _function_and_answer(connection, found)


def _function_and_answer(connection: Connection, found: Reply) -> tuple[RemoteRef, bytes]:
    match found:
        case (RemoteRef() as function, bytes() as answer):
            return function, answer
    raise ProtocolError(connection.address, "the boot text gave something else than a function and its answer")
