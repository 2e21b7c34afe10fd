"""One RPyC connection that asks and serves nothing.

RPyC's own ``Connection`` is built for two equals: it serves its peer, makes proxies with round trips of their own,
loads exceptions by the name that the peer gives, and unpickles. This one sends requests and reads replies. Whatever the
peer sends is data: it can name nothing of this process, and its own requests are refused.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rpyc_kernel.errors import LinkLost, ProtocolError, RemoteError
from rpyc_kernel.transport.deadline import Deadline, Silence
from rpyc_kernel.transport.rpyc_wire.brine import (
    EXC_STOP_ITERATION,
    HANDLE_CALL,
    HANDLE_CALLATTR,
    HANDLE_CLOSE,
    HANDLE_GETROOT,
    HANDLE_PING,
    LABEL_LOCAL_REF,
    LABEL_REMOTE_REF,
    LABEL_TUPLE,
    LABEL_VALUE,
    MSG_EXCEPTION,
    MSG_REPLY,
    MSG_REQUEST,
    RPYC_6,
    BrineError,
    Dialect,
    Value,
)

if TYPE_CHECKING:
    import threading

    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.rpyc_wire.stream import FrameStream

SEND_TIMEOUT_S = 60.0  # in which the network takes nothing of a request
MAX_REQUESTS = 16  # that the other side may send before we hang up; a well-behaved server sends none but a goodbye
MAX_PING_BYTES = 1024  # of a ping that is echoed
_MAX_TEXT_CHARS = 100_000  # of a message or traceback of theirs
_HEAD_BYTES = 1024  # of a wrong message, for a guess at who sent it
_REFUSAL = (("builtins", "PermissionError"), ("this client serves nothing",), (), "")


@dataclass(frozen=True)
class RemoteRef:
    """An object that lives in the server.

    Attributes:
        name: Its class or module as the server says, for messages only.
        type_id: A number that RPyC gives its class.
        object_id: A number that RPyC gives the object.
    """

    name: str
    type_id: int
    object_id: int


Reply: TypeAlias = object  # a Value, a RemoteRef, or a tuple of such


class Connection:
    """Requests to one RPyC server. Used by one thread; only `abort` is for any.

    Several requests may be under way (`send_call`), but only small ones: while a server writes a long reply it reads
    nothing, and while we send we read nothing.

    Every method that talks raises LinkLost when the connection breaks, ProtocolError for a wrong message (the
    connection is closed then), NoAnswerError at a timeout (it may still be used), and RemoteError for an exception over
    there.

    Attributes:
        dialect: How messages are written.
        send_timeout: Seconds until LinkLost, in which the network takes nothing of a request.
        cancel: An event that ends any waiting for a reply, while there is one.
        requests_sent: How many round trips this connection has cost.
    """

    def __init__(self, stream: FrameStream, dialect: Dialect = RPYC_6, *, send_timeout: float = SEND_TIMEOUT_S) -> None:
        self.dialect = dialect
        self.send_timeout = send_timeout
        self.cancel: threading.Event | None = None
        self.requests_sent = 0
        self._stream = stream
        self._tickets = itertools.count(1)
        self._pending: set[int] = set()
        self._replies: dict[int, Reply | RemoteError] = {}  # that came before they were asked for
        self._their_requests = 0
        self._root: RemoteRef | None = None
        self._root_ticket: int | None = None

    @property
    def address(self) -> Address:
        """The server's address."""
        return self._stream.address

    def fileno(self) -> int:
        """Return the socket's number, for selectors; -1 once closed."""
        return self._stream.fileno()

    @property
    def moved(self) -> int:
        """The number of bytes that have come or gone so far."""
        return self._stream.moved

    @property
    def has_room(self) -> bool:
        """Whether a request of a few thousand bytes would be gone at once."""
        return self._stream.has_room

    @property
    def max_frame(self) -> int:
        """The largest message that is taken, in bytes, packed or not."""
        return self._stream.limit

    @max_frame.setter
    def max_frame(self, size: int) -> None:
        self._stream.limit = size

    # --- asking

    def root(self, deadline: Deadline | None = None) -> RemoteRef:
        """Return the service. Costs a round trip the first time; after NoAnswerError it waits for the same reply."""
        if self._root is None:
            if self._root_ticket is None:
                self._root_ticket = self.send_request(HANDLE_GETROOT)
            root = self.receive(self._root_ticket, deadline)
            if not isinstance(root, RemoteRef):
                raise self._wrong("a root that is no object")
            self._root = root
        return self._root

    def send_call(self, ref: RemoteRef, *args: Reply) -> int:
        """Ask to call *ref* with plain values or other references. Return the ticket for `receive`."""
        return self.send_request(HANDLE_CALL, ref, args, ())

    def send_method_call(self, ref: RemoteRef, name: str, *args: Reply) -> int:
        """Ask to call the method *name* of *ref*. Return the ticket for `receive`."""
        return self.send_request(HANDLE_CALLATTR, ref, name, args, ())

    def send_request(self, handler: int, *args: Reply) -> int:
        """Send the request with the id *handler* (``HANDLE_…``). Return the ticket for `receive`."""
        ticket = next(self._tickets)
        self._pending.add(ticket)
        self._send(MSG_REQUEST, ticket, (handler, _box(args)))
        self.requests_sent += 1
        return ticket

    def receive(self, ticket: int, deadline: Deadline | None = None) -> Reply:
        """Wait for the reply to *ticket*, and return it. Each ticket has one; after NoAnswerError it is still good.

        Args:
            ticket: The ticket of the request.
            deadline: Ends the waiting; without it, only `cancel` does. Its event raises DialCancelledError.
        """
        deadline = deadline or Deadline(None, self.cancel)
        if ticket not in self._pending and ticket not in self._replies:
            raise ValueError(f"ticket {ticket} was not given, or its reply has been received")
        while ticket not in self._replies:
            try:
                body = self._stream.read(deadline)
            except ProtocolError:
                self.close()
                raise
            self._handle(body, deadline)
        reply = self._replies.pop(ticket)
        if isinstance(reply, RemoteError):
            raise reply
        return reply

    def hand_over(self) -> tuple[FrameStream, int]:
        """Return the stream, for somebody else to speak on, and the first number for a request of theirs.

        The root must be known, and nothing under way. The connection is of no use any more.
        """
        if self._pending or self._root is None:
            raise ValueError("something is under way on this connection")
        return self._stream, next(self._tickets)

    def take_over(self, ticket: int, deadline: Deadline, first: bytes) -> FrameStream | None:
        """Return the stream, once somebody else there speaks on it; None where the reply to *ticket* comes instead.

        Args:
            ticket: The ticket of a call that gives the connection to somebody else.
            deadline: Ends the waiting.
            first: The first byte of what they say, with which no frame begins.
        """
        return self._stream if self._stream.peek(deadline) == first and ticket in self._pending else None

    # --- the end

    def abort(self, reason: str = "it was given up here") -> None:
        """End what the owning thread waits for with LinkLost, at once. From any thread."""
        self._stream.abort(reason)

    def close(self) -> None:
        """Close the socket. It never asks the server, as RPyC's own ``close`` does, which waits behind its work."""
        self._stream.close()

    # --- what comes

    def _handle(self, body: bytes | bytearray, deadline: Deadline) -> None:
        try:
            kind, seq, args = self.dialect.load(body)
            if kind == MSG_REQUEST:
                self._refuse(seq, args, deadline)
                return
            if seq not in self._pending:
                raise BrineError("a reply to something that was not asked")
            self._replies[seq] = _unbox(args) if kind == MSG_REPLY else _unbox_exception(args)
            self._pending.discard(seq)
        except BrineError as error:
            raise self._wrong(str(error), body) from None

    def _refuse(self, seq: int, args: Value, deadline: Deadline) -> None:
        """Answer a request of theirs: a goodbye by LinkLost, a ping by an echo, anything else by a refusal."""
        self._their_requests += 1
        if self._their_requests > MAX_REQUESTS:
            raise BrineError(f"more than {MAX_REQUESTS} requests to us, who serve nothing")
        handler, boxed = args if isinstance(args, tuple) and len(args) == 2 else (None, None)
        if handler == HANDLE_CLOSE:
            self.close()
            raise LinkLost(self.address, "the server said goodbye")
        if (
            handler == HANDLE_PING
            and isinstance(data := _ping_data(boxed), (bytes, str))
            and len(data) <= MAX_PING_BYTES
        ):
            self._send(MSG_REPLY, seq, (LABEL_VALUE, data), deadline)
        else:
            self._send(MSG_EXCEPTION, seq, _REFUSAL, deadline)

    def _send(self, kind: int, seq: int, args: Value, deadline: Deadline | None = None) -> None:
        deadline = Silence(self.send_timeout) if deadline is None else deadline.part(self.send_timeout)
        self._stream.send(self.dialect.dump(kind, seq, args), deadline)

    def _wrong(self, reason: str, body: bytes | bytearray = b"") -> ProtocolError:
        self.close()
        return ProtocolError(self.address, reason, bytes(body[:_HEAD_BYTES]))


# --- boxes: how RPyC labels values and references ------------------------------------------------------------------


def _box(value: Reply) -> tuple[Value, ...]:
    if isinstance(value, RemoteRef):  # "local" and "remote" are meant from where it arrives
        return LABEL_LOCAL_REF, (value.name, value.type_id, value.object_id)
    if isinstance(value, tuple) and any(isinstance(item, (tuple, RemoteRef)) for item in value):
        return LABEL_TUPLE, tuple(map(_box, value))
    return LABEL_VALUE, value


def _unbox(boxed: Value) -> Reply:
    if not isinstance(boxed, tuple) or len(boxed) != 2:
        raise BrineError("a reply that is not boxed")
    label, value = boxed
    if type(label) is not int:
        raise BrineError("a box without a label")
    if label == LABEL_VALUE:
        return value
    if label == LABEL_TUPLE and isinstance(value, tuple):
        return tuple(map(_unbox, value))
    if label == LABEL_REMOTE_REF and isinstance(value, tuple) and len(value) == 3:
        name, type_id, object_id = value
        if isinstance(name, bytes):  # Python 2
            name = name.decode(errors="replace")
        if isinstance(name, str) and type(type_id) is int and type(object_id) is int:
            return RemoteRef(name, type_id, object_id)
    raise BrineError(f"a box of the label {label} that holds something else")


def _unbox_exception(dumped: Value) -> RemoteError:
    """Read an exception as RPyC's vinegar writes it, as texts: no class is looked up, imported or made."""
    if dumped == EXC_STOP_ITERATION and type(dumped) is int:
        return RemoteError("StopIteration", "")
    if isinstance(dumped, str):
        return RemoteError("Exception", dumped[:_MAX_TEXT_CHARS])
    if not isinstance(dumped, tuple) or len(dumped) != 4:
        raise BrineError("an exception that is not dumped as one")
    names, args, _attributes, trace = dumped
    if not isinstance(names, tuple) or len(names) != 2 or not isinstance(args, tuple):
        raise BrineError("an exception without a name")
    module, name = map(_text, names)
    message = _text(args[0]) if len(args) == 1 else ", ".join(map(_text, args[:10]))
    return RemoteError(name or "Exception", message, _text(trace), module)


def _text(value: Value) -> str:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return (value if isinstance(value, str) else repr(value))[:_MAX_TEXT_CHARS]


def _ping_data(boxed: Value) -> Reply:
    """Return the argument of a ping, None where something else was boxed."""
    try:
        args = _unbox(boxed)
    except BrineError:
        return None
    if not isinstance(args, tuple) or len(args) != 1:
        return None
    data: Reply = args[0]
    return data
