"""Sockets that are on their way: connected in time, given up when somebody says so, and a DialError for what fails.

What a transport needs that connects a socket itself.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import (
    DialCancelledError,
    DialError,
    DialTimeoutError,
    NameNotResolvedError,
    NobodyListeningError,
    ServerClosedError,
    UnreachableError,
)
from rpyc_kernel.transport.deadline import GLANCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.deadline import Deadline

_TCP = (socket.AF_INET, socket.AF_INET6)
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR)  # what connect_ex says meanwhile
# seconds (for macOS by its other name too), seconds, times
_KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPALIVE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
_NO_SUCH_NAME = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_FAIL") if hasattr(socket, name)}
# Of the errors of a host's several addresses, the one to show.
_MOST_TELLING = (ServerClosedError, NobodyListeningError, DialTimeoutError)


def prepare(sock: socket.socket) -> None:
    """Set a socket up for many small requests, and so that a peer that vanished is noticed while it is idle."""
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
    """Within it *sock* is connected to the server at *address*; where that fails it is closed: raises a DialError.

    Whether the failure means that nobody is there, each way tells by itself.
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


def connect(sock: socket.socket, place: Any, deadline: Deadline) -> None:
    """Connect *sock* to *place*, looking at the deadline and its cancel event meanwhile.

    Raises InterruptedError if cancelled, TimeoutError, or the OSError that the system gives.
    """
    sock.setblocking(False)
    with selectors.DefaultSelector() as selector:
        code = sock.connect_ex(place)
        while code in _UNDER_WAY:
            if deadline.cancelled:
                raise InterruptedError
            if deadline.expired:
                raise TimeoutError
            if code == errno.EAGAIN and sock.family not in _TCP:  # a Unix socket whose queue is full: nothing to poll
                time.sleep(min(GLANCE, deadline.left() or GLANCE))
                code = sock.connect_ex(place)
                continue
            if not selector.get_map():
                selector.register(sock, selectors.EVENT_WRITE)
            if selector.select(deadline.slice()):
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def open_tcp(address: Address, deadline: Deadline) -> socket.socket:
    """Connect to the first of the host's addresses that answers. Raises a DialError, within *deadline*."""
    places = resolve(address, deadline)
    errors: list[DialError] = []
    for number, (family, kind, protocol, _, place) in enumerate(places):
        left = deadline.left()
        share = deadline if left is None else deadline.part(left / (len(places) - number))
        try:
            return _connect(socket.socket(family, kind, protocol), place, address, share)
        except DialCancelledError:
            raise
        except DialError as error:
            errors.append(error)
        except OSError as error:  # this machine has no such kind of sockets
            errors.append(UnreachableError(address, error.strerror or str(error)))
    for kind_of_error in _MOST_TELLING:
        for found in errors:
            if isinstance(found, kind_of_error):
                raise found
    raise errors[0] if errors else NameNotResolvedError(address, address.host)


def resolve(address: Address, deadline: Deadline) -> list[Any]:
    """Return what ``getaddrinfo`` says of *address*, or raise a DialError.

    The name is looked up in a thread of its own, as nothing else can stop ``getaddrinfo`` from waiting.
    """
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=look_up, name=f"look up {address.host}", daemon=True).start()
    while True:
        try:
            answer = answers.get(timeout=deadline.slice())
        except queue.Empty:
            if deadline.cancelled:
                raise DialCancelledError(address) from None
            if deadline.expired:
                raise NameNotResolvedError(address, address.host, temporary=True) from None
            continue
        if isinstance(answer, socket.gaierror):
            raise NameNotResolvedError(address, address.host, temporary=answer.errno not in _NO_SUCH_NAME)
        if isinstance(answer, Exception):
            raise NameNotResolvedError(address, address.host)
        return answer


def _connect(sock: socket.socket, place: Any, address: Address, deadline: Deadline) -> socket.socket:
    with opening(sock, address, deadline):
        try:
            connect(sock, place, deadline)
            if sock.getsockname() == sock.getpeername():  # TCP can connect a closed loopback port to itself
                raise ConnectionRefusedError
        except ConnectionRefusedError:
            raise NobodyListeningError(address, address.host, address.port) from None
        except OSError as error:
            if isinstance(error, ConnectionError) or error.errno == errno.ENOTCONN:
                raise ServerClosedError(address) from None  # it was there, and gone before we could say anything
            raise
    return sock
