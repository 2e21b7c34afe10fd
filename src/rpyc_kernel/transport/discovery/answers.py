"""The questions to an RPyC registry, and what of its answers is believed.

A registry is asked in brine, ``("RPYC", command, arguments)``, and answers with one value in brine (rpyc.utils.registry
of RPyC 4.1 to 6). Whoever is on the network can answer a broadcast, so that every item is checked here: an item that
can be no server is dropped, and bytes that can be no answer at all are a BadAnswerError.
"""

from __future__ import annotations

import ipaddress

from rpyc_kernel.errors import AddressError
from rpyc_kernel.transport import syntax
from rpyc_kernel.transport.discovery.names import MAX_NAME_CHARS
from rpyc_kernel.transport.rpyc_wire import brine

MAX_ANSWER_BYTES = 64 * 2**10  # no datagram has more
MAX_SERVERS = 1000  # of one service
MAX_NAMES = 200  # of services in a list; each costs a question of its own

Server = tuple[str, int]  # host and port, as rpyc.discover gives them


class BadAnswerError(ValueError):
    """Raised for bytes that no registry would answer. Its text completes "it answered with …"."""


def query(name: str) -> bytes:
    """Return the question where the servers of a service are."""
    return _request("QUERY", (name.upper(),))


def listing() -> bytes:
    """Return the question for the names of all services, which RPyC 5.3 and newer answer if they are allowed to."""
    return _request("LIST", ((None,),))


def _request(command: str, arguments: tuple[brine.Value, ...]) -> bytes:
    return b"".join(brine.dump(("RPYC", command, arguments)))


def servers(data: bytes) -> list[Server]:
    """Return the servers in the answer to `query`, in its order, each once. Raises BadAnswerError."""
    value = _load(data)
    if not isinstance(value, tuple):
        raise BadAnswerError("something that is no list of servers")
    return [*dict.fromkeys(filter(None, map(_server, value[:MAX_SERVERS])))]


def names(data: bytes) -> list[str] | None:
    """Return the names in the answer to `listing`; None where the registry may not tell. Raises BadAnswerError."""
    value = _load(data)
    if value is None:
        return None
    if not isinstance(value, tuple):
        raise BadAnswerError("something that is no list of names")
    texts = [_text(item) for item in value[:MAX_NAMES]]
    return [*dict.fromkeys(text for text in texts if text and len(text) <= MAX_NAME_CHARS and text.isprintable())]


def _load(data: bytes) -> brine.Value:
    if len(data) > MAX_ANSWER_BYTES:
        raise BadAnswerError(f"more than {MAX_ANSWER_BYTES // 1024} KiB")
    try:
        return brine.load(data)
    except brine.BrineError as error:
        raise BadAnswerError(f"something that is not RPyC's ({error})") from None


def _server(item: object) -> Server | None:
    """Return the server in one item of an answer, None where the item can be no server."""
    if not (isinstance(item, tuple) and len(item) == 2):
        return None
    host, port = _text(item[0]), item[1]
    if type(port) is not int or not 1 <= port <= 65535:
        return None  # a server on a Unix socket registers its path in place of a port
    if host.startswith("["):
        return None
    try:
        host, _port = syntax.place(syntax.joined(host, port))
        address = ipaddress.ip_address(host)
    except AddressError:
        return None
    except ValueError:
        return host, port  # a name; RPyC's own registry only knows addresses
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:  # a registry with one socket for both
        address = address.ipv4_mapped
    # To connect to 0.0.0.0 is to connect to oneself.
    odd = address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255"
    return None if odd else (str(address), port)


def _text(value: object) -> str:
    """Return *value* if it is a text, else "". A registry on Python 2 has texts as bytes."""
    if isinstance(value, bytes):
        return value.decode("ascii", "replace")
    return value if isinstance(value, str) else ""
