"""The way to ``rpyc://host:port``: a name, its addresses, a socket."""

from __future__ import annotations

import errno
import queue
import socket
import threading
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
from rpyc_kernel.transport.rpyc_wire.stream import connect, opening

if TYPE_CHECKING:
    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.deadline import Deadline

_NO_SUCH_NAME = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_FAIL") if hasattr(socket, name)}
_MOST_TELLING = (
    ServerClosedError,
    NobodyListeningError,
    DialTimeoutError,
)  # of several addresses' errors, the one to show


def open_socket(address: Address, deadline: Deadline) -> socket.socket:
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
