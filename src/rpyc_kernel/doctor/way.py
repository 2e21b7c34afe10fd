"""The way to a machine: its name, the route, and at which step it ends."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpyc_kernel.doctor.check import Check, State
from rpyc_kernel.errors import (
    CertificateChangedError,
    CertificateError,
    DialCancelledError,
    DialError,
    DialTimeoutError,
    HostKeyError,
    LoginRefusedError,
    NameNotResolvedError,
    NobodyListeningError,
    NoPythonError,
    NotAdmittedError,
    NotPairedError,
    PairingError,
    ProgramError,
    ProgramMissingError,
    PythonTooOldError,
    UnreachableError,
)
from rpyc_kernel.transport.program import ProgramTransport
from rpyc_kernel.transport.sockets import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rpyc_kernel.errors import RpycKernelError
    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.deadline import Deadline

_SIOCGIFADDR = 0x8915  # Linux's, see netdevice(7)
_TUNNEL = re.compile(r"(tun|tap|wg|ppp|utun|tailscale|zt|nordlynx|proton)", re.IGNORECASE)
# Which step has failed. What isn't named here is that of the program that leads there, or else the server's.
_STEPS: dict[str, tuple[type[RpycKernelError], ...]] = {
    "name": (NameNotResolvedError,),
    "route": (UnreachableError,),
    "port": (NobodyListeningError, DialTimeoutError),
    "program": (ProgramMissingError,),
    "login": (LoginRefusedError,),
    "host key": (HostKeyError,),
    "certificate": (CertificateChangedError, CertificateError),
    "pairing": (NotPairedError, NotAdmittedError, PairingError),
    "python": (NoPythonError, PythonTooOldError),
}


def failed(error: RpycKernelError, address: Address, step: str = "") -> Check:
    """Return the check of the step at which the way to *address* has ended: of *step*, or of what *error* tells."""
    if not step:
        other = address.scheme if isinstance(error, ProgramError) else "server"
        step = next((name for name, kinds in _STEPS.items() if isinstance(error, kinds)), other)
    mend: str = getattr(error, "mend", "")
    return Check(step, State.WRONG, str(error).removesuffix(mend).rstrip(), mend)


def to_host(address: Address, deadline: Deadline) -> Iterator[Check]:
    """Look at the name and at the route, where *address* tells the host that is dialled from here.

    A program such as ssh may know the host by another name, or go by way of others: what it says is told instead.
    """
    if not address.host or not address.port or isinstance(address.transport, ProgramTransport):
        return
    try:
        found = resolve(address, deadline)
    except DialCancelledError:
        raise
    except DialError as error:
        yield failed(error, address, "name")
        return
    yield Check("name", State.OK, f"{address.host} is {', '.join(dict.fromkeys(each[4][0] for each in found))}")
    yield _route(address.host, found)


def _route(host: str, found: Iterable[tuple[Any, ...]]) -> Check:
    """Tell by which of this machine's addresses packets to *host* leave it. Nothing is sent.

    Args:
        host: What it is called.
        found: Its addresses, as ``getaddrinfo`` gives them.
    """
    reason = ""
    for family, _type, _protocol, _name, sockaddr in found:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect(sockaddr)  # a datagram's socket: the system only looks for the route
                source = sock.getsockname()[0]
        except OSError as error:
            reason = error.strerror or str(error)
            continue
        interface = _interface(source)
        by = f" by {interface}" if interface else ""
        tunnel = ", a tunnel or VPN" if _TUNNEL.match(interface) else ""
        return Check("route", State.OK, f"from {source}{by}{tunnel}")
    text = f"this machine has no route to {host} ({reason})"
    return Check("route", State.WRONG, text, "join the network that it is in, or its VPN; here: ip address; ip route")


def port(address: Address) -> Iterator[Check]:
    """Tell of the port that was connected to whether whoever reaches it can run code there."""
    if not address.host or not address.port or isinstance(address.transport, ProgramTransport):
        return
    if address.transport.unprotected and not address.is_loopback:
        text = f"{address.port} is open: whoever reaches this port can run code there as you"
        mend = "start the server with hostname='127.0.0.1', and lead to it by ssh -N -L {port}:127.0.0.1:{port} {host}"
        yield Check("port", State.WARNING, text, mend.format(host=address.host, port=address.port))
        return
    yield Check("port", State.OK, f"{address.port} is open")


def _interface(source: str) -> str:
    """Return the name of the network interface with that address; "" where the system doesn't tell it so."""
    with contextlib.suppress(OSError, ImportError, ValueError):
        if ":" in source:
            raw = socket.inet_pton(socket.AF_INET6, source.partition("%")[0]).hex()
            entries = (line.split() for line in Path("/proc/net/if_inet6").read_text("ascii").splitlines())
            return next((entry[5] for entry in entries if entry[0] == raw), "")
        import fcntl  # noqa: PLC0415 - a Python may lack it

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _index, name in socket.if_nameindex():
                with contextlib.suppress(OSError):  # one without an address
                    answer = fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                    if socket.inet_ntoa(answer[20:24]) == source:
                        return name
    return ""
