"""Finding the servers of a service by its name, through RPyC's registry.

A server that is started with ``auto_register=True`` tells a registry (``rpyc_registry.py``) its service's names and its
port; whoever wants such a server asks there. Ours asks all places where a registry usually is at once: by broadcast, as
RPyC does, and on this machine by UDP and TCP, since a broadcast needs a network with a default route.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, overload

from rpyc_kernel.errors import AddressError, ListingRefusedError, NoRegistryError, NotRegisteredError
from rpyc_kernel.transport import syntax
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.discovery import answers
from rpyc_kernel.transport.discovery.names import check_name
from rpyc_kernel.transport.discovery.query import Endpoint, Kind, Query, ask
from rpyc_kernel.transport.sockets import resolve

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence
    from typing import Any

    from rpyc_kernel.transport.discovery.answers import Server

PORT = 18811  # rpyc.utils.registry.REGISTRY_PORT
TIMEOUT_S = 2.0  # as RPyC's own clients have it
MAX_ENDPOINTS = 8  # of one host name
CONCURRENT_QUERIES = 50  # for the names of a list

named: str | None = None  # the registry that is asked where none is named; in a kernel, what its option says

_EVERYBODY = "255.255.255.255"
_HERE = "127.0.0.1"
_REGISTRY = re.compile(r"(?:(tcp|udp)://)?(.*)", re.DOTALL | re.IGNORECASE)
_REGISTRY_FORMS = 'write "host", "host:port", "tcp://host:port" or "udp://host:port"'


@overload
def discover(
    name: str, *, registry: str | None = None, timeout: float = TIMEOUT_S, cancel: threading.Event | None = None
) -> tuple[Server, ...]: ...


@overload
def discover(
    name: None = None, *, registry: str | None = None, timeout: float = TIMEOUT_S, cancel: threading.Event | None = None
) -> dict[str, tuple[Server, ...]]: ...


def discover(
    name: str | None = None,
    *,
    registry: str | None = None,
    timeout: float = TIMEOUT_S,
    cancel: threading.Event | None = None,
) -> tuple[Server, ...] | dict[str, tuple[Server, ...]]:
    """Ask RPyC's registries where the servers of a service are.

    Args:
        name: The service's name in any case, or one of its aliases; without it, all services.
        registry: Where it is, as "host", "host:port", "tcp://host:port" or "udp://host:port". Without it the usual
            places are asked, or `named`.
        timeout: Seconds for all of it; less is taken once a registry has answered.
        cancel: Ends it early.

    Returns:
        (host, port) pairs as ``rpyc.discover`` returns them, in the registry's order; without a *name* a dict of them
        by the names of all services, where the registry gives a list.

    Raises:
        DiscoveryError: No registry answered, or it knows no such server.
        AddressError: The name, or the registry's place, can be none.
        DialError: The registry's host can't be looked up, or *cancel* was set.
    """
    checked = None if name is None else check_name(name)
    deadline = Deadline(timeout, cancel)
    endpoints = _endpoints(named if registry is None else registry, deadline)
    return _list(endpoints, deadline) if checked is None else _find(checked, endpoints, deadline)


# --- where to ask


def _endpoints(registry: str | None, deadline: Deadline) -> list[Endpoint]:
    """Return where registries are. Raises AddressError, or a DialError for a host that can't be looked up."""
    if registry is None:
        return [_endpoint("udp", _EVERYBODY, PORT), _endpoint("udp", _HERE, PORT), _endpoint("tcp", _HERE, PORT)]
    if not isinstance(registry, str):
        raise AddressError(f"The registry's place is a text in quotes, not {type(registry).__name__}.")
    match = _REGISTRY.fullmatch(registry.strip())
    assert match is not None
    try:
        host, port = syntax.place(match[2])
    except AddressError:
        raise AddressError(f"{syntax.cut(registry)!r} is no registry's place: {_REGISTRY_FORMS}.") from None
    found = resolve(Address("rpyc", host, port or PORT), deadline)[:MAX_ENDPOINTS]
    kinds: tuple[Kind, ...] = ("udp", "tcp")
    if match[1]:
        kinds = ("tcp",) if match[1].lower() == "tcp" else ("udp",)
    broadcast = host.endswith(".255")
    return [
        Endpoint(kind, host, port or PORT, family, sockaddr, broadcast=broadcast and kind == "udp")
        for family, _kind, _protocol, _name, sockaddr in found
        for kind in kinds
    ]


def _endpoint(kind: Kind, host: str, port: int) -> Endpoint:
    return Endpoint(kind, host, port, socket.AF_INET, (host, port), broadcast=host == _EVERYBODY)


# --- one name


def _find(name: str, endpoints: Sequence[Endpoint], deadline: Deadline) -> tuple[Server, ...]:
    queries = [_which(name, endpoint) for endpoint in endpoints]
    ask(queries, deadline, lambda query: bool(_servers(query)))
    found = dict.fromkeys(server for query in queries for server in _servers(query))
    if found:
        return tuple(found)
    if heard := _heard(queries):
        hidden = any(servers for query in queries for _source, servers in query.answers)
        raise NotRegisteredError(name, f"the registry at {heard}", hidden=hidden)
    raise NoRegistryError(_report(queries))


def _which(name: str, endpoint: Endpoint) -> Query:
    return Query(endpoint, answers.query(name), answers.servers)


def _servers(query: Query) -> list[Server]:
    """Return the servers that were answered, without those on another machine's loopback: nobody here reaches them."""
    found: list[Server] = []
    for source, servers in query.answers:
        local = [server for server in servers if syntax.is_loopback(server[0])]
        drop = set(local) if local and not _is_this_machine(source[0]) else set()
        found += [server for server in servers if server not in drop]
    return found


def _is_this_machine(host: str) -> bool:
    """Return whether *host* is an IP address of this machine: a socket can be bound to those only."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


# --- all names


def _list(endpoints: Sequence[Endpoint], deadline: Deadline) -> dict[str, tuple[Server, ...]]:
    """Ask for the names, and for each of them in a second round."""
    lists = [Query(endpoint, answers.listing(), answers.names) for endpoint in endpoints]
    # RPyC's registries before 5.3 don't answer that at all; whether there is one shows by another query.
    probes = [_which("", endpoint) for endpoint in endpoints]
    ask([*lists, *probes], deadline, lambda query: any(found for _source, found in query.answers))
    inner = [
        (name, _which(name, _back_to(query.endpoint, source)))
        for query in lists
        for source, names in query.answers
        for name in names or ()
    ][: answers.MAX_NAMES]
    for start in range(0, len(inner), CONCURRENT_QUERIES):
        ask([query for _name, query in inner[start : start + CONCURRENT_QUERIES]], deadline)
    found: dict[str, list[Server]] = {}
    for name, query in inner:
        found.setdefault(name.upper(), []).extend(_servers(query))
    if found or any(names is not None for query in lists for _source, names in query.answers):
        return {name: tuple(dict.fromkeys(found[name])) for name in sorted(found)}
    if heard := _heard([*lists, *probes]):
        raise ListingRefusedError(f"The registry at {heard}")
    raise NoRegistryError(_report(lists))


def _back_to(endpoint: Endpoint, source: Any) -> Endpoint:
    """Return the endpoint of the one registry that has answered to *endpoint* from *source*."""
    return Endpoint("udp", source[0], endpoint.port, endpoint.family, source) if endpoint.broadcast else endpoint


# --- saying what happened


def _heard(queries: Sequence[Query]) -> str:
    """Return who answered as a registry does, for a sentence."""
    found = dict.fromkeys(
        str(_back_to(query.endpoint, source)) for query in queries for source, _answer in query.answers
    )
    return " and ".join(found)


def _report(queries: Sequence[Query]) -> str:
    """Return what became of each query, for a sentence."""
    return ", ".join(f"{query.endpoint} ({query.trouble or 'no answer'})" for query in queries)
