"""The transports of other packages: entry points of the group ``rpyc_kernel.transports``.

The name of such an entry point is the scheme of its addresses; what it points to is a function like
`Transport.open_socket`: it is given the address and a deadline, and returns a connected stream socket or raises an
OSError or a DialError.

Nothing is looked up before an address names a scheme that isn't one of ours, and nothing of the package is imported
before that address is dialled. Its code runs on a thread that can be left behind, so that dialling ends at the deadline
and when it is cancelled, whatever that code does.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import socket
from typing import TYPE_CHECKING

from rpyc_kernel.errors import AddressError, DialError, DialTimeoutError, TransportError
from rpyc_kernel.transport import syntax
from rpyc_kernel.transport.address import Address, Transport
from rpyc_kernel.transport.plain import plain
from rpyc_kernel.transport.sockets import on_a_thread

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from rpyc_kernel.transport.deadline import Deadline

GROUP = "rpyc_kernel.transports"
MAX_REASON_CHARS = 300  # of the text of a plugin's exception

log = logging.getLogger(__name__)


class Plugin(Transport):
    """The transport of another package's scheme: ``scheme://user@host:port/path``, or ``scheme:///path``."""

    loopback = False  # the host may be a place on the way

    def parse(self, text: str, rest: str) -> Address:
        """Read the address, of which only the form is known. Raises AddressError, also for a scheme of no package."""
        if not _find(self.scheme):
            raise syntax.unknown_scheme(text, self.scheme)
        if end := re.search(r"[?#]", text):  # where others put tokens
            raise AddressError(f'{syntax.shown(text[: end.start()])}: an address ends before a "?" or "#".')
        place, slash, path = rest.partition("/")
        path = syntax.path_behind_host(text, path)
        if slash and path and not place:  # a device, a container …
            return Address(self.scheme, path=path)
        return dataclasses.replace(super().parse(text, place), path=path)

    def open_socket(self, address: Address, deadline: Deadline) -> socket.socket:
        """Have the package that has the scheme connect. Raises a DialError, within *deadline*."""
        entry = _the_one(address)

        def work() -> socket.socket | BaseException:
            try:
                return _call(entry, address, deadline)
            except BaseException as error:  # noqa: BLE001 - SystemExit too: it is told as what it is
                return error

        answer = on_a_thread(work, f"dial {address}", address, deadline, _close)
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
        reason = plain(error.strerror or str(error) or type(error).__name__, MAX_REASON_CHARS)
        return TransportError(address, f"{reason} (said by the transport of {_package(entry)}).")
    log.info("the transport %s of %s failed", entry.name, _package(entry), exc_info=error)
    return TransportError(address, f"the transport of {_package(entry)} failed, which is a bug in it ({_told(error)}).")


def _close(answer: socket.socket | BaseException) -> None:
    if isinstance(answer, socket.socket):
        answer.close()


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value


def _told(error: BaseException) -> str:
    said = str(error)
    return plain(f"{type(error).__name__}: {said}" if said else type(error).__name__, MAX_REASON_CHARS)
