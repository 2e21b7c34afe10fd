"""Machines that announce ``rpyc-kernel serve`` on this network, by multicast DNS (RFC 6762, 6763).

The package zeroconf listens; it comes with ``rpyc-kernel[mdns]``. Whoever is on the network can announce anything, so
that each answer is checked, and is only listed: connecting to it asks for the proof that pairing gave.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import DialError, SourceError
from rpyc_kernel.transport import syntax
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import POLL_INTERVAL_S
from rpyc_kernel.transport.discovery.found import FoundMachine, usable
from rpyc_kernel.transport.plain import plain
from rpyc_kernel.transport.sockets import resolve

if TYPE_CHECKING:
    from rpyc_kernel.transport.deadline import Deadline

SERVICE = "_rpyc-kernel._tcp.local."
SCHEME = "rpycs"  # what is announced listens on a port, and there it speaks TLS
LISTEN_S = 1.5  # answers come within 0.1 s, or after a second question
DETAILS_TIMEOUT_S = 0.5  # of one machine, if its answer didn't bring them
LOOK_UP_TIMEOUT_S = 0.5  # of a name, which many systems can't look up
MAX_MACHINES = 50


def browse(deadline: Deadline) -> list[FoundMachine]:
    """Return the machines that answer. Raises SourceError where zeroconf is missing, or no network can be asked."""
    try:
        from zeroconf import ServiceBrowser, Zeroconf  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise SourceError("mDNS", "python3 -m pip install 'rpyc-kernel[mdns]' adds what it needs") from None
    names: dict[str, None] = {}
    try:
        network = Zeroconf()
    except OSError as error:
        raise SourceError("mDNS", error.strerror or str(error)) from None
    try:
        browser = ServiceBrowser(network, SERVICE, listener=_Listener(names))
        listening = deadline.part(LISTEN_S)
        while not listening.expired and not deadline.cancelled:
            time.sleep(POLL_INTERVAL_S)
        browser.cancel()
        found = [_machine(network, name, deadline) for name in list(names)[:MAX_MACHINES]]
    finally:
        network.close()
    return [machine for machine in found if machine is not None]


class _Listener:
    """Takes the names that zeroconf hears, on its thread."""

    def __init__(self, names: dict[str, None]) -> None:
        self._names = names

    def add_service(self, _network: Any, _kind: str, name: str) -> None:
        if len(self._names) < MAX_MACHINES:
            self._names[name] = None

    def update_service(self, network: Any, kind: str, name: str) -> None:
        self.add_service(network, kind, name)

    def remove_service(self, _network: Any, _kind: str, name: str) -> None:
        self._names.pop(name, None)


def _machine(network: Any, name: str, deadline: Deadline) -> FoundMachine | None:
    """Return what was announced under *name*; None for what can be no machine."""
    if deadline.expired or deadline.cancelled:
        return None
    info = network.get_service_info(SERVICE, name, timeout=int(DETAILS_TIMEOUT_S * 1000))
    if info is None or not info.port:
        return None
    hosts = [str(info.server or "").rstrip(".")] if _resolves(str(info.server or "").rstrip("."), deadline) else []
    hosts += info.parsed_scoped_addresses()
    for host in hosts:
        if address := usable(f"{SCHEME}://{syntax.joined(host, info.port)}"):
            return FoundMachine("mDNS", plain(name.removesuffix(f".{SERVICE}")), address)
    return None


def _resolves(host: str, deadline: Deadline) -> bool:
    """Return whether this system finds *host* by its name: not all of them ask by mDNS."""
    if not usable(f"{SCHEME}://{host}"):
        return False
    try:
        return bool(resolve(Address(SCHEME, host), deadline.part(LOOK_UP_TIMEOUT_S)))
    except DialError:
        return False
