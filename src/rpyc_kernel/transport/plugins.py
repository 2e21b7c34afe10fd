"""The ways that other packages bring: entry points of the group ``rpyc_kernel.transports``.

The name of such an entry point is the scheme of its addresses; what it points to is a function like `tcp.open_socket`:
it is given the address and a deadline, and returns a connected stream socket or raises an OSError or a DialError.

Nothing is looked up before an address names a scheme that isn't one of ours, and nothing of the package is imported
before that address is dialled. Its code is not ours, so that it runs on a thread that can be left to itself: whatever
it does, dialling ends at its deadline, and when it is cancelled.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import threading
from typing import TYPE_CHECKING

from rpyc_kernel.errors import DialCancelledError, DialError, DialTimeoutError, TransportError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.deadline import Deadline

GROUP = "rpyc_kernel.transports"
_LONGEST_REASON = 300  # characters of what a plugin's exception says

log = logging.getLogger(__name__)


def is_known(scheme: str) -> bool:
    """Whether an installed package says that it has a way to ``scheme://`` addresses; *scheme* is in lower case."""
    return bool(_find(scheme))


def open_socket(address: Address, deadline: Deadline) -> socket.socket:
    """Connect in the way of the package that has the scheme of *address*. Raises a DialError, within *deadline*."""
    entry = _the_one(address)
    answers: queue.SimpleQueue[socket.socket | BaseException] = queue.SimpleQueue()
    left = threading.Event()

    def work() -> None:
        try:
            answer: socket.socket | BaseException = _call(entry, address, deadline)
        except BaseException as error:  # noqa: BLE001 - SystemExit too: it is told as what it is
            answer = error
        answers.put(answer)
        if left.is_set():
            _drop(answers)

    threading.Thread(target=work, name=f"dial {address}", daemon=True).start()
    while True:
        try:
            answer = answers.get(timeout=deadline.slice())
        except queue.Empty:
            if not (deadline.cancelled or deadline.expired):
                continue
            left.set()
            _drop(answers)
            if deadline.cancelled:
                raise DialCancelledError(address) from None
            raise DialTimeoutError(address, deadline.timeout or 0.0) from None
        if isinstance(answer, socket.socket):
            return answer
        raise _explained(answer, entry, address, deadline)


def _find(scheme: str) -> list[EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - 30 ms, for whoever names such an address

    return [entry for entry in entry_points(group=GROUP) if entry.name.lower() == scheme]


def _the_one(address: Address) -> EntryPoint:
    found = _find(address.scheme)
    if not found:
        raise TransportError(address, f"the package with the transport {address.scheme}:// is not installed any more.")
    if len({entry.value for entry in found}) > 1:
        names = " and ".join(sorted(_package(entry) for entry in found))
        raise TransportError(address, f"{names} both bring a transport {address.scheme}://. Uninstall all but one.")
    return found[0]


def _call(entry: EntryPoint, address: Address, deadline: Deadline) -> socket.socket:
    try:
        way = entry.load()
    except BaseException as error:
        log.info("the transport %s of %s cannot be loaded", entry.name, _package(entry), exc_info=True)
        told = f"the transport of {_package(entry)} cannot be loaded ({_told(error)}). Install that package anew."
        raise TransportError(address, told) from None
    sock = way(address, deadline)
    if not isinstance(sock, socket.socket):
        raise TypeError(f"it returned {type(sock).__name__} instead of a socket")
    return sock


def _explained(error: BaseException, entry: EntryPoint, address: Address, deadline: Deadline) -> DialError:
    if isinstance(error, DialError):
        return error
    if isinstance(error, TimeoutError):
        return DialTimeoutError(address, deadline.timeout or 0.0)
    if isinstance(error, OSError):
        reason = _line(error.strerror or str(error) or type(error).__name__)
        return TransportError(address, f"{reason} (said by the transport of {_package(entry)}).")
    log.info("the transport %s of %s failed", entry.name, _package(entry), exc_info=error)
    return TransportError(address, f"the transport of {_package(entry)} failed, which is a bug in it ({_told(error)}).")


def _drop(answers: queue.SimpleQueue[socket.socket | BaseException]) -> None:
    """Close a socket that came when nobody waited for it any more."""
    with contextlib.suppress(queue.Empty):
        answer = answers.get_nowait()
        if isinstance(answer, socket.socket):
            answer.close()


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value


def _told(error: BaseException) -> str:
    said = str(error)
    return _line(f"{type(error).__name__}: {said}" if said else type(error).__name__)


def _line(text: str) -> str:
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"
