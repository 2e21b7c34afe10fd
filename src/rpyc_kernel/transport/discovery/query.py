"""Asking several registries at once, by UDP and TCP: sockets, and nothing that knows what the bytes mean."""

from __future__ import annotations

import os
import selectors
import socket
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rpyc_kernel.errors import DialCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpyc_kernel.transport.deadline import Deadline

LINGER = 0.1  # seconds for the other registries to answer too, once one has
AGAIN = 0.5  # seconds after which a datagram without an answer is sent again
MAX_ANSWERS = 32  # to one broadcast
_MOST = 64 * 2**10 + 1  # bytes that are read of one answer: more than any datagram has, and more than is taken
Kind = Literal["udp", "tcp"]


class Place(NamedTuple):
    """Where a registry may be. *sockaddr* is the system's, of a host that was looked up already."""

    kind: Kind
    host: str
    port: int
    family: socket.AddressFamily
    sockaddr: Any
    broadcast: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port} by {self.kind.upper()}{' broadcast' * self.broadcast}"


class Question:
    """One request to one place, and what became of it.

    *read* makes something of the bytes of an answer, or raises ValueError with what completes "it answered with …".

    :ivar answers: what came, each with the socket address of whoever sent it; only a broadcast has several
    :ivar trouble: why there is no answer, or not a right one
    """

    def __init__(self, place: Place, request: bytes, read: Callable[[bytes], Any]) -> None:
        self.place = place
        self.request = request
        self.answers: list[tuple[Any, Any]] = []
        self.trouble = ""
        self.count = 0  # of answers, right or wrong
        self._read = read

    def take(self, source: Any, data: bytes) -> None:
        """An answer has come."""
        self.count += 1
        try:
            self.answers.append((source, self._read(data)))
        except ValueError as error:
            self.trouble = f"it answered with {error}"


def ask(
    questions: Sequence[Question],
    deadline: Deadline,
    enough: Callable[[Question], bool] = lambda _question: False,
) -> None:
    """Put the questions, and wait for what comes back until the deadline, or until nothing more can come.

    Once *enough* says so of a question that was answered, the others have LINGER seconds left. Raises
    DialCancelledError when the deadline's event is set.
    """
    asking = _Asking()
    try:
        for question in questions:
            asking.put(question)
        end, lingers = deadline, False
        while asking.open and not end.expired:
            if deadline.cancelled:
                raise DialCancelledError("the registry")
            for question in asking.wait(end):
                if not lingers and enough(question):
                    end, lingers = end.part(LINGER), True
    finally:
        asking.close()


class _Asking:
    """The sockets of some questions, one each, for as long as an answer may come."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._received: dict[int, bytearray] = {}  # of a TCP connection, by its socket's number

    @property
    def open(self) -> bool:
        """Whether any answer may still come."""
        return bool(self._selector.get_map())

    def put(self, question: Question) -> None:
        """Ask, without waiting for anything."""
        place = question.place
        stream = place.kind == "tcp"
        try:
            sock = socket.socket(place.family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
        except OSError as error:
            question.trouble = error.strerror or str(error)
            return
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_WRITE if stream else selectors.EVENT_READ, question)
        try:
            if place.broadcast:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            elif stream:
                sock.connect_ex(place.sockaddr)  # how that went shows when it can be written to
            else:
                sock.connect(place.sockaddr)  # so that nobody else can answer, and that a closed port is noticed
            if not stream:
                self._send(sock, question)
        except OSError as error:
            self._fail(sock, question, error)

    @staticmethod
    def _send(sock: socket.socket, question: Question) -> None:
        place = question.place
        if place.broadcast:
            sock.sendto(question.request, place.sockaddr)
        else:
            sock.send(question.request)

    def wait(self, deadline: Deadline) -> list[Question]:
        """Take in what comes; returns the questions that got an answer. Where nothing comes, datagrams go again."""
        part = deadline.part(AGAIN)
        ready: list[tuple[selectors.SelectorKey, int]] = []
        while not ready and not part.expired and not part.cancelled:
            ready = self._selector.select(part.slice())
        answered = []
        for key, _events in ready:
            sock, question = key.fileobj, key.data
            assert isinstance(sock, socket.socket)
            before = len(question.answers)
            try:
                (self._datagram if question.place.kind == "udp" else self._stream)(sock, question)
            except BlockingIOError:
                pass
            except OSError as error:
                self._fail(sock, question, error)
            if len(question.answers) > before:
                answered.append(question)
        if not ready:
            self._again()
        return answered

    def _again(self) -> None:
        """Send what has no answer once more: datagrams get lost, on radio links broadcasts above all."""
        for key in list(self._selector.get_map().values()):
            sock, question = key.fileobj, key.data
            assert isinstance(sock, socket.socket)
            if question.place.kind == "udp":
                try:
                    self._send(sock, question)
                except BlockingIOError:
                    pass
                except OSError as error:
                    self._fail(sock, question, error)

    def _datagram(self, sock: socket.socket, question: Question) -> None:
        data, source = sock.recvfrom(_MOST)
        if question.place.broadcast:
            if source[1] != question.place.port:
                return  # a registry answers from the port that it listens on
        question.take(source, data)
        if not question.place.broadcast or question.count >= MAX_ANSWERS:
            self._end(sock)

    def _stream(self, sock: socket.socket, question: Question) -> None:
        received = self._received.get(sock.fileno())
        if received is None:
            if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, os.strerror(code))
            sock.send(question.request)  # far smaller than a socket's buffer; the registry reads only once
            self._received[sock.fileno()] = bytearray()
            self._selector.modify(sock, selectors.EVENT_READ, question)
            return
        data = sock.recv(_MOST)
        received += data
        if data and len(received) < _MOST:
            return
        if received:
            question.take(question.place.sockaddr, bytes(received))
        else:
            question.trouble = "it hung up without an answer"
        self._end(sock)

    def _fail(self, sock: socket.socket, question: Question, error: OSError) -> None:
        question.trouble = error.strerror or str(error)
        self._end(sock)

    def _end(self, sock: socket.socket) -> None:
        self._received.pop(sock.fileno(), None)
        self._selector.unregister(sock)
        sock.close()

    def close(self) -> None:
        """Wait for nothing any more."""
        for key in list(self._selector.get_map().values()):
            if not key.data.answers:
                key.data.trouble = key.data.trouble or "no answer"
            assert isinstance(key.fileobj, socket.socket)
            self._end(key.fileobj)
        self._selector.close()
