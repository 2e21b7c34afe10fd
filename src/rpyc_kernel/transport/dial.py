"""Dialling: from an address to a connection to an RPyC server, in the dialect that it speaks."""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING

from rpyc_kernel.errors import (
    AgentError,
    DialCancelledError,
    DialError,
    LinkLost,
    NoAnswerError,
    NobodyListeningError,
    NotRpycError,
    ProtocolError,
    RemoteError,
    RpycVersionError,
    ServerClosedError,
    SilentServerError,
    WrongServiceError,
)
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.rpyc_wire.brine import RPYC_5, RPYC_6, Dialect, recognise
from rpyc_kernel.transport.rpyc_wire.connection import Connection
from rpyc_kernel.transport.rpyc_wire.stream import MAX_FRAME_BYTES, FrameStream
from rpyc_kernel.transport.sockets import prepare

if TYPE_CHECKING:
    import threading

    from rpyc_kernel.transport.address import Address

_FIRST_FRAME_BYTES = 64 * 2**10  # of somebody who has not shown yet to be an RPyC server
# Silence after which the other dialect is tried beside the first: a ThreadPoolServer of RPyC 5 that does not understand
# neither answers nor hangs up.
_NEXT_DIALECT_AFTER_S = 1.0
MAX_SENTENCE_CHARS = 2000  # of a refusal that a server gives
_TURN_S = 0.1  # for one of several connections on which something has come

_known: dict[Address, Dialect] = {}  # the dialect that was spoken there last is tried first


def dial(address: Address, *, timeout: float | None = 10.0, cancel: threading.Event | None = None) -> Connection:
    """Connect to *address* and ask for its service.

    Args:
        address: Of an RPyC server; whether its service runs code only shows when it is asked to, see `explain_refusal`.
        timeout: Seconds for all of it, some times as many where a login comes first; None waits for ever.
        cancel: Ends it within 0.1 s, once it is set.

    Returns:
        A connection whose dialect is right, and whose ``root()`` is known.

    Raises:
        DialError: There is none.
        DiscoveryError: The address is the name of a service, and none of its servers was found.
    """
    if timeout is not None:
        timeout *= address.transport.patience
    caller = _Dialer(address, Deadline(timeout, cancel))
    try:
        return caller.call()
    finally:
        caller.hang_up()


def explain_refusal(error: RemoteError, connection: Connection) -> RemoteError | WrongServiceError | AgentError:
    """Return the error to raise where the first ``root.eval`` of *connection* ended in *error*.

    A server of another service than SlaveService answers that it has no ``eval``, or gives it to nobody. ``serve``
    refuses by a sentence of its own.
    """
    if error.name == "ConnectionRefusedError":
        return AgentError(f"On {connection.address}: {error.message[:MAX_SENTENCE_CHARS]}.")
    if error.name == "AttributeError" and "eval" in error.message:
        address = connection.address
        return WrongServiceError(address, connection.root().name, address.server[0])
    return error


class _OtherDialectError(Exception):
    """The server answered in another dialect than the one that was tried."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect.name)
        self.dialect = dialect


class _Dialer:
    """The attempts of one `dial`: one for each dialect that the server may speak."""

    def __init__(self, address: Address, deadline: Deadline) -> None:
        self.address = address
        self.deadline = deadline
        self.waiting: list[Connection] = []  # whose request for the root has not been answered yet
        self.is_rpyc = False  # something has come that only an RPyC server sends

    def call(self) -> Connection:
        dialects = [RPYC_6, RPYC_5] if self.address.transport.stock else [RPYC_6]
        if known := _known.get(self.address):
            dialects = [known, *(dialect for dialect in dialects if dialect != known)]
        tried: list[Dialect] = []
        while dialects and not (tried and self.deadline.expired):
            dialect = dialects.pop(0)
            tried.append(dialect)
            try:
                connection = self.attempt(dialect, patience=_NEXT_DIALECT_AFTER_S if dialects else 0.0)
            except _OtherDialectError as other:  # it says goodbye in its own dialect, so nothing is left to guess
                self.is_rpyc = True
                dialects = [other.dialect] if other.dialect not in tried else []
                continue
            except NobodyListeningError:
                if len(tried) > 1:
                    raise ServerClosedError(self.address, gone=True) from None
                raise
            if connection:
                return connection
        return self.wait()

    def attempt(self, dialect: Dialect, *, patience: float) -> Connection | None:
        """Try one dialect. Returns None where the server hung up, or hasn't answered after *patience* seconds."""
        try:
            sock = self.address.transport.open_socket(self.address, self.deadline)
        except ServerClosedError:
            return None
        prepare(sock)
        connection = Connection(FrameStream(sock, self.address, limit=_FIRST_FRAME_BYTES), dialect)
        self.waiting.append(connection)
        return self.greet(connection, self.deadline.part(patience))

    def greet(self, connection: Connection, deadline: Deadline) -> Connection | None:
        """Ask for the root, or go on waiting for it. Returns None where no answer came by *deadline*, or none will."""
        try:
            connection.root(deadline)
        except NoAnswerError:
            return None
        except LinkLost:
            self.drop(connection)
            return None
        except RemoteError as error:
            raise WrongServiceError(self.address, f"nothing ({error})", self.address.server[0]) from None
        except ProtocolError as error:
            self.drop(connection)
            raise self.explain(error, connection.dialect) from None
        self.waiting.remove(connection)
        connection.max_frame = MAX_FRAME_BYTES
        _known[self.address] = connection.dialect
        return connection

    def wait(self) -> Connection:
        """Wait for the first answer to any of the attempts, after all dialects were tried.

        No attempt is waited for alone: a server that takes one connection at a time answers the first one, and late.
        """
        while self.waiting and not self.deadline.expired:
            if self.deadline.cancelled:
                raise DialCancelledError(self.address)
            with selectors.DefaultSelector() as selector:
                for connection in self.waiting:
                    selector.register(connection, selectors.EVENT_READ, connection)
                ready = [key.data for key, _ in selector.select(self.deadline.slice())]
            for connection in ready:
                try:
                    if found := self.greet(connection, self.deadline.part(_TURN_S)):
                        return found
                except _OtherDialectError:
                    continue
        if self.waiting:
            raise SilentServerError(self.address, self.deadline.timeout or 0.0)
        hint = self.address.transport.closed_hint(self.address)
        raise ServerClosedError(self.address, gone=self.is_rpyc, hint=hint)

    def drop(self, connection: Connection) -> None:
        self.waiting.remove(connection)
        connection.close()

    def hang_up(self) -> None:
        for connection in self.waiting:
            connection.close()

    def explain(self, error: ProtocolError, dialect: Dialect) -> DialError | _OtherDialectError:
        """Return an error for the bytes that came instead of a service: another dialect, a strange RPyC, or no RPyC."""
        found = recognise(error.head)
        if found is None and error.head:
            return NotRpycError(self.address, *_guess_protocol(error.head))
        if found not in (None, dialect):
            return _OtherDialectError(found)
        return RpycVersionError(self.address, f"RPyC in a way that is not understood here ({error.reason})")


def _guess_protocol(head: bytes) -> tuple[str, str]:
    """Guess a protocol by the first bytes that a server sent. Returns its name, and a hint or ""."""
    if head.startswith((b"HTTP/", b"<!DOC", b"<html", b"<HTML")):
        return "HTTP", "A web server has a port of its own; an RPyC server listens on 18812 unless told otherwise."
    if head.startswith(b"SSH-"):
        return "SSH", "To connect through ssh, write ssh://host or ssh://user@host, with :port where it is not 22."
    if head[:2] in (b"\x15\x03", b"\x16\x03"):  # an alert or a handshake of TLS 1.x
        return "TLS", "If it is rpyc-kernel serve, write rpycs:// before host:port."
    text = head[:40].decode("ascii", "replace").strip()
    if len(text) >= 3 and text.isprintable():
        return f"something that begins with {text!r}", ""
    return "something else", ""
