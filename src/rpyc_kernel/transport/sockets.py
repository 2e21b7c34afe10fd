"""Connecting sockets, for transports: within a deadline, cancellable, and with a DialError for each failure."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from rpyc_kernel.errors import (
    DialCancelledError,
    DialError,
    DialTimeoutError,
    NameNotResolvedError,
    NobodyListeningError,
    ServerClosedError,
    UnreachableError,
)
from rpyc_kernel.transport.deadline import POLL_INTERVAL_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.deadline import Deadline

Answer = TypeVar("Answer")

_TCP = (socket.AF_INET, socket.AF_INET6)
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR)  # what connect_ex says meanwhile
# seconds (for macOS by its other name too), seconds, times
_KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPALIVE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
_NO_SUCH_NAME = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_FAIL") if hasattr(socket, name)}
MIN_TIMEOUT_S = 0.001  # with none at all TLS fails with errors of its own, instead of a TimeoutError
# Of the errors of a host's several addresses, the one to show.
_MOST_TELLING = (ServerClosedError, NobodyListeningError, DialTimeoutError)


def prepare(sock: socket.socket) -> None:
    """Set *sock* up for many small requests, and so that the system notices a vanished peer while it is idle."""
    if sock.family not in _TCP:
        return
    with contextlib.suppress(OSError):  # some systems refuse where the peer has hung up already
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


@contextlib.contextmanager
def opening(sock: socket.socket, address: Address, deadline: Deadline) -> Iterator[None]:
    """Connect *sock* to the server at *address* within this context. Where that fails it is closed.

    Raises:
        DialError: Instead of an OSError. Which OSError means that nobody listens, a transport has to tell by itself.
    """
    try:
        yield
    except BaseException as error:
        sock.close()
        if isinstance(error, InterruptedError):
            raise DialCancelledError(address) from None
        if isinstance(error, TimeoutError):
            raise DialTimeoutError(address, deadline.timeout or 0.0) from None
        if isinstance(error, OSError):
            raise UnreachableError(address, error.strerror or str(error)) from None
        raise


def connect(sock: socket.socket, sockaddr: Any, deadline: Deadline) -> None:
    """Connect *sock* to *sockaddr*, as ``socket.connect`` takes it. The socket is left non-blocking.

    Raises:
        InterruptedError: The deadline's event was set.
        TimeoutError: The time is over.
        OSError: Whatever else the system says.
    """
    sock.setblocking(False)
    with selectors.DefaultSelector() as selector:
        code = sock.connect_ex(sockaddr)
        while code in _UNDER_WAY:
            if deadline.cancelled:
                raise InterruptedError
            if deadline.expired:
                raise TimeoutError
            if code == errno.EAGAIN and sock.family not in _TCP:  # a Unix socket whose queue is full: nothing to poll
                time.sleep(min(POLL_INTERVAL_S, deadline.left() or POLL_INTERVAL_S))
                code = sock.connect_ex(sockaddr)
                continue
            if not selector.get_map():
                selector.register(sock, selectors.EVENT_WRITE)
            if selector.select(deadline.slice()):
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def receive_exactly(sock: socket.socket, count: int, deadline: Deadline) -> bytes:
    """Return the next *count* bytes from *sock*, behind TLS or not.

    Raises:
        EOFError: It was closed before.
        InterruptedError: The deadline's event was set.
        TimeoutError: The time is over, however slowly bytes come.
    """
    data = b""
    while len(data) < count:
        if deadline.cancelled:
            raise InterruptedError
        if deadline.expired:
            raise TimeoutError
        seconds = deadline.slice()
        sock.settimeout(None if seconds is None else max(seconds, MIN_TIMEOUT_S))
        try:
            piece = sock.recv(count - len(data))
        except TimeoutError:
            continue
        if not piece:
            raise EOFError
        data += piece
    return data


def open_tcp(address: Address, deadline: Deadline) -> socket.socket:
    """Connect to the host and the port of *address*: to the first of the host's IP addresses that answers.

    Raises:
        DialError: None does before *deadline*, or the host has none.
    """
    found = resolve(address, deadline)
    errors: list[DialError] = []
    for number, (family, kind, protocol, _name, sockaddr) in enumerate(found):
        left = deadline.left()
        share = deadline if left is None else deadline.part(left / (len(found) - number))
        try:
            return _connect(socket.socket(family, kind, protocol), sockaddr, address, share)
        except DialCancelledError:
            raise
        except DialError as error:
            errors.append(error)
        except OSError as error:  # this machine has no such kind of sockets
            errors.append(UnreachableError(address, error.strerror or str(error)))
    for kind_of_error in _MOST_TELLING:
        for each in errors:
            if isinstance(each, kind_of_error):
                raise each
    raise errors[0] if errors else NameNotResolvedError(address, address.host)


def _connect(sock: socket.socket, sockaddr: Any, address: Address, deadline: Deadline) -> socket.socket:
    with opening(sock, address, deadline):
        try:
            connect(sock, sockaddr, deadline)
            if sock.getsockname() == sock.getpeername():  # TCP can connect a closed loopback port to itself
                raise ConnectionRefusedError
        except ConnectionRefusedError:
            raise NobodyListeningError(address, address.host, address.port) from None
        except OSError as error:
            if isinstance(error, ConnectionError) or error.errno == errno.ENOTCONN:
                raise ServerClosedError(address) from None  # it was there, and gone before we could say anything
            raise
    return sock


def resolve(address: Address, deadline: Deadline) -> list[Any]:
    """Look up the host of *address*.

    Returns:
        The tuples of ``socket.getaddrinfo``.

    Raises:
        DialError: It has no IP address, no name server answered before *deadline*, or the deadline's event was set.
    """

    def look_up() -> list[Any] | Exception:
        try:
            return socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            return error

    try:
        answer = on_a_thread(look_up, f"look up {address.host}", address, deadline)
    except DialTimeoutError:
        raise NameNotResolvedError(address, address.host, temporary=True) from None
    if isinstance(answer, socket.gaierror):
        raise NameNotResolvedError(address, address.host, temporary=answer.errno not in _NO_SUCH_NAME)
    if isinstance(answer, Exception):
        raise NameNotResolvedError(address, address.host)
    return answer


def on_a_thread(
    work: Callable[[], Answer],
    name: str,
    address: Address,
    deadline: Deadline,
    drop: Callable[[Answer], object] = lambda _answer: None,
) -> Answer:
    """Run *work*, which nothing can keep from waiting, on a thread that can be left behind. Returns its answer.

    Args:
        work: Must raise nothing.
        name: The thread's.
        address: Which the errors name.
        deadline: When the thread is left behind.
        drop: Is given an answer that comes later.

    Raises:
        DialTimeoutError: The time is over.
        DialCancelledError: The deadline's event was set.
    """
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    left = threading.Event()

    def run() -> None:
        answers.put(work())
        if left.is_set():
            drop_answer()

    def drop_answer() -> None:  # by whichever thread comes last, or first
        with contextlib.suppress(queue.Empty):
            drop(answers.get_nowait())

    threading.Thread(target=run, name=name, daemon=True).start()
    while True:
        try:
            return answers.get(timeout=deadline.slice())
        except queue.Empty:
            if not (deadline.cancelled or deadline.expired):
                continue
        left.set()
        drop_answer()
        if deadline.cancelled:
            raise DialCancelledError(address)
        raise DialTimeoutError(address, deadline.timeout or 0.0)
