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
from rpyc_kernel.transport.discovery import answers, names
from rpyc_kernel.transport.discovery.names import check_name, meant
from rpyc_kernel.transport.discovery.query import Kind, Place, Question, ask
from rpyc_kernel.transport.sockets import resolve

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence
    from typing import Any

    from rpyc_kernel.transport.discovery.answers import Server

PORT = 18811  # rpyc.utils.registry.REGISTRY_PORT
TIMEOUT = 2.0  # seconds, as RPyC's own clients have it
SCHEME = f"{names.SCHEME}:"
MAX_PLACES = 8  # addresses of one host name
AT_ONCE = 50  # questions for names of a list

named: str | None = None  # the registry that is asked where none is named; in a kernel, what its option says

_EVERYBODY = "255.255.255.255"
_HERE = "127.0.0.1"
_REGISTRY = re.compile(r"(?:(tcp|udp)://)?(.*)", re.DOTALL | re.IGNORECASE)
_REGISTRY_FORMS = 'write "host", "host:port", "tcp://host:port" or "udp://host:port"'


@overload
def discover(
    name: str, *, registry: str | None = None, timeout: float = TIMEOUT, cancel: threading.Event | None = None
) -> tuple[Server, ...]: ...


@overload
def discover(
    name: None = None, *, registry: str | None = None, timeout: float = TIMEOUT, cancel: threading.Event | None = None
) -> dict[str, tuple[Server, ...]]: ...


def discover(
    name: str | None = None,
    *,
    registry: str | None = None,
    timeout: float = TIMEOUT,
    cancel: threading.Event | None = None,
) -> tuple[Server, ...] | dict[str, tuple[Server, ...]]:
    """Ask RPyC's registries where the servers of a service are.

    Returns (host, port) pairs as ``rpyc.discover`` does, in the registry's order; without a *name* a dict of them by
    the names of all services, where the registry gives a list.

    *name*: in any case, or one of the service's aliases. *registry*: where it is, as "host", "host:port",
    "tcp://host:port" or "udp://host:port"; without it the usual places are asked. Takes *timeout* seconds at most, and
    less once a registry has answered; *cancel* ends it early. Raises DiscoveryError, AddressError for a text that is
    none of these, and DialError where the registry's host can't be looked up or *cancel* was set.
    """
    checked = None if name is None else check_name(name)
    deadline = Deadline(timeout, cancel)
    places = _places(named if registry is None else registry, deadline)
    return _list(places, deadline) if checked is None else _find(checked, places, deadline)


def find(where: str, registry: str | None = None, *, cancel: threading.Event | None = None) -> list[Address]:
    """Return where a service may be reached, the first to be tried first. *where*: see `names.meant`."""
    return meant(where).locate(registry, cancel)


def service_name(where: str) -> str | None:
    """Return the name in ``service:NAME``, None for a text that is no such thing. Raises AddressError."""
    where = where.strip()
    return Address.parse(where).host if where.lower().startswith(SCHEME) else None


# --- where to ask


def _places(registry: str | None, deadline: Deadline) -> list[Place]:
    """Where registries are. Raises AddressError, or a DialError for a host that can't be looked up."""
    if registry is None:
        return [_place("udp", _EVERYBODY, PORT), _place("udp", _HERE, PORT), _place("tcp", _HERE, PORT)]
    if not isinstance(registry, str):
        raise AddressError(f"The registry's place is a text in quotes, not {type(registry).__name__}.")
    match = _REGISTRY.fullmatch(registry.strip())
    assert match is not None
    try:
        host, port = syntax.place(match[2])
    except AddressError:
        raise AddressError(f"{syntax.cut(registry)!r} is no registry's place: {_REGISTRY_FORMS}.") from None
    found = resolve(Address("rpyc", host, port or PORT), deadline)[:MAX_PLACES]
    kinds: tuple[Kind, ...] = ("udp", "tcp")
    if match[1]:
        kinds = ("tcp",) if match[1].lower() == "tcp" else ("udp",)
    broadcast = host.endswith(".255")
    return [
        Place(kind, host, port or PORT, family, sockaddr, broadcast=broadcast and kind == "udp")
        for family, _kind, _protocol, _name, sockaddr in found
        for kind in kinds
    ]


def _place(kind: Kind, host: str, port: int) -> Place:
    return Place(kind, host, port, socket.AF_INET, (host, port), broadcast=host == _EVERYBODY)


# --- one name


def _find(name: str, places: Sequence[Place], deadline: Deadline) -> tuple[Server, ...]:
    questions = [_which(name, place) for place in places]
    ask(questions, deadline, lambda question: bool(_servers(question)))
    found = dict.fromkeys(server for question in questions for server in _servers(question))
    if found:
        return tuple(found)
    if heard := _heard(questions):
        hidden = any(servers for question in questions for _source, servers in question.answers)
        raise NotRegisteredError(name, f"the registry at {heard}", hidden=hidden)
    raise NoRegistryError(_report(questions))


def _which(name: str, place: Place) -> Question:
    return Question(place, answers.query(name), answers.servers)


def _servers(question: Question) -> list[Server]:
    """What was answered, without what can't be meant for us: the loopback of another machine."""
    found: list[Server] = []
    for source, servers in question.answers:
        local = [server for server in servers if Address("rpyc", *server).is_loopback]
        drop = set(local) if local and not _is_this_machine(source[0]) else set()
        found += [server for server in servers if server not in drop]
    return found


def _is_this_machine(host: str) -> bool:
    """Whether an address is one of this machine's own, which a socket can be bound to."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


# --- all names


def _list(places: Sequence[Place], deadline: Deadline) -> dict[str, tuple[Server, ...]]:
    """Ask for the names, and for each of them in a second round."""
    lists = [Question(place, answers.listing(), answers.names) for place in places]
    # RPyC's registries before 5.3 don't answer that at all; whether there is one shows by another question.
    probes = [_which("", place) for place in places]
    ask([*lists, *probes], deadline, lambda question: any(found for _source, found in question.answers))
    inner = [
        (name, _which(name, _back_to(question.place, source)))
        for question in lists
        for source, names in question.answers
        for name in names or ()
    ][: answers.MAX_NAMES]
    for start in range(0, len(inner), AT_ONCE):
        ask([question for _name, question in inner[start : start + AT_ONCE]], deadline)
    found: dict[str, list[Server]] = {}
    for name, question in inner:
        found.setdefault(name.upper(), []).extend(_servers(question))
    if found or any(names is not None for question in lists for _source, names in question.answers):
        return {name: tuple(dict.fromkeys(found[name])) for name in sorted(found)}
    if heard := _heard([*lists, *probes]):
        raise ListingRefusedError(f"The registry at {heard}")
    raise NoRegistryError(_report(lists))


def _back_to(place: Place, source: Any) -> Place:
    """Whoever answered, as a place of its own."""
    return Place("udp", source[0], place.port, place.family, source) if place.broadcast else place


# --- saying what happened


def _heard(questions: Sequence[Question]) -> str:
    """Who answered as a registry does, for a sentence."""
    found = dict.fromkeys(
        str(_back_to(question.place, source)) for question in questions for source, _answer in question.answers
    )
    return " and ".join(found)


def _report(questions: Sequence[Question]) -> str:
    """What became of each question, for a sentence."""
    return ", ".join(f"{question.place} ({question.trouble or 'no answer'})" for question in questions)
