"""Asking several registries at once, by UDP and TCP. Nothing here knows the meaning of the bytes."""

from __future__ import annotations

import os
import selectors
import socket
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rpyc_kernel.errors import DialCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpyc_kernel.transport.deadline import Deadline

LINGER_S = 0.1  # for the other registries to answer too, once one has
RESEND_INTERVAL_S = 0.5  # of a datagram without an answer
MAX_ANSWERS = 32  # to one broadcast
_MAX_READ_BYTES = 64 * 2**10 + 1  # of one answer: more than any datagram has, and more than is taken
Kind = Literal["udp", "tcp"]


class Endpoint(NamedTuple):
    """A place where a registry may be.

    Attributes:
        kind: How it is asked.
        host: As it is shown.
        port: Where it listens.
        family: Of the socket.
        sockaddr: As ``socket.connect`` takes it: the host was looked up already.
        broadcast: Whether all of a network is asked.
    """

    kind: Kind
    host: str
    port: int
    family: socket.AddressFamily
    sockaddr: Any
    broadcast: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port} by {self.kind.upper()}{' broadcast' * self.broadcast}"


class Query:
    """One request to one endpoint, and the answers to it.

    Attributes:
        endpoint: Who is asked.
        request: The bytes that are sent.
        answers: What was read of each answer, behind the socket address of its sender. Only a broadcast has several.
        trouble: Why there is no answer, or not a right one.
        count: How many answers have come, right or wrong.
    """

    def __init__(self, endpoint: Endpoint, request: bytes, read: Callable[[bytes], Any]) -> None:
        """Ask nothing yet. *read* reads an answer, or raises ValueError, whose text completes "it answered with …"."""
        self.endpoint = endpoint
        self.request = request
        self.answers: list[tuple[Any, Any]] = []
        self.trouble = ""
        self.count = 0
        self._read = read

    def take(self, source: Any, data: bytes) -> None:
        """Read an answer that has come from *source*."""
        self.count += 1
        try:
            self.answers.append((source, self._read(data)))
        except ValueError as error:
            self.trouble = f"it answered with {error}"


def ask(
    queries: Sequence[Query],
    deadline: Deadline,
    enough: Callable[[Query], bool] = lambda _query: False,
) -> None:
    """Send the queries, and wait for answers until the deadline, or until none can come any more.

    Args:
        queries: Which get the answers.
        deadline: When the waiting ends.
        enough: Whether the answers to a query are those that were looked for: the others have `LINGER_S` left then.

    Raises:
        DialCancelledError: The deadline's event was set.
    """
    sockets = _QuerySockets()
    try:
        for query in queries:
            sockets.send(query)
        end, lingers = deadline, False
        while sockets.open and not end.expired:
            if deadline.cancelled:
                raise DialCancelledError("the registry")
            for query in sockets.wait(end):
                if not lingers and enough(query):
                    end, lingers = end.part(LINGER_S), True
    finally:
        sockets.close()


class _QuerySockets:
    """The sockets of some queries, one each, for as long as an answer may come."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._received: dict[int, bytearray] = {}  # of a TCP connection, by its socket's number

    @property
    def open(self) -> bool:
        """Whether any answer may still come."""
        return bool(self._selector.get_map())

    def send(self, query: Query) -> None:
        """Send a query, without waiting."""
        endpoint = query.endpoint
        stream = endpoint.kind == "tcp"
        try:
            sock = socket.socket(endpoint.family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
        except OSError as error:
            query.trouble = error.strerror or str(error)
            return
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_WRITE if stream else selectors.EVENT_READ, query)
        try:
            if endpoint.broadcast:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            elif stream:
                sock.connect_ex(endpoint.sockaddr)  # how that went shows when it can be written to
            else:
                sock.connect(endpoint.sockaddr)  # so that nobody else can answer, and that a closed port is noticed
            if not stream:
                self._send(sock, query)
        except OSError as error:
            self._fail(sock, query, error)

    @staticmethod
    def _send(sock: socket.socket, query: Query) -> None:
        endpoint = query.endpoint
        if endpoint.broadcast:
            sock.sendto(query.request, endpoint.sockaddr)
        else:
            sock.send(query.request)

    def wait(self, deadline: Deadline) -> list[Query]:
        """Read the answers that come. Returns the queries that got one. Where none comes, datagrams are sent again."""
        part = deadline.part(RESEND_INTERVAL_S)
        ready: list[tuple[selectors.SelectorKey, int]] = []
        while not ready and not part.expired and not part.cancelled:
            ready = self._selector.select(part.slice())
        answered = []
        for key, _events in ready:
            sock, query = key.fileobj, key.data
            assert isinstance(sock, socket.socket)
            before = len(query.answers)
            try:
                (self._datagram if query.endpoint.kind == "udp" else self._stream)(sock, query)
            except BlockingIOError:
                pass
            except OSError as error:
                self._fail(sock, query, error)
            if len(query.answers) > before:
                answered.append(query)
        if not ready:
            self._again()
        return answered

    def _again(self) -> None:
        """Send the datagrams without an answer once more: they get lost, on radio links broadcasts above all."""
        for key in list(self._selector.get_map().values()):
            sock, query = key.fileobj, key.data
            assert isinstance(sock, socket.socket)
            if query.endpoint.kind == "udp":
                try:
                    self._send(sock, query)
                except BlockingIOError:
                    pass
                except OSError as error:
                    self._fail(sock, query, error)

    def _datagram(self, sock: socket.socket, query: Query) -> None:
        data, source = sock.recvfrom(_MAX_READ_BYTES)
        if query.endpoint.broadcast:
            if source[1] != query.endpoint.port:
                return  # a registry answers from the port that it listens on
        query.take(source, data)
        if not query.endpoint.broadcast or query.count >= MAX_ANSWERS:
            self._end(sock)

    def _stream(self, sock: socket.socket, query: Query) -> None:
        received = self._received.get(sock.fileno())
        if received is None:
            if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, os.strerror(code))
            sock.send(query.request)  # far smaller than a socket's buffer; the registry reads only once
            self._received[sock.fileno()] = bytearray()
            self._selector.modify(sock, selectors.EVENT_READ, query)
            return
        data = sock.recv(_MAX_READ_BYTES)
        received += data
        if data and len(received) < _MAX_READ_BYTES:
            return
        if received:
            query.take(query.endpoint.sockaddr, bytes(received))
        else:
            query.trouble = "it hung up without an answer"
        self._end(sock)

    def _fail(self, sock: socket.socket, query: Query, error: OSError) -> None:
        query.trouble = error.strerror or str(error)
        self._end(sock)

    def _end(self, sock: socket.socket) -> None:
        self._received.pop(sock.fileno(), None)
        self._selector.unregister(sock)
        sock.close()

    def close(self) -> None:
        """Close the sockets that wait for an answer."""
        for key in list(self._selector.get_map().values()):
            if not key.data.answers:
                key.data.trouble = key.data.trouble or "no answer"
            assert isinstance(key.fileobj, socket.socket)
            self._end(key.fileobj)
        self._selector.close()
