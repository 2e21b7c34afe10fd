"""The options of ``serve``: what they are called, and which values they take."""

from __future__ import annotations

import argparse
import ipaddress
import re

from .crowd import MAX_PROVED, PROOF_TIMEOUT_S
from .log import FORMATS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Union

    Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

DESCRIPTION = """\
Let notebooks on other machines run their cells here. Without --port it listens on a Unix socket that only you can
reach. With it, who connects has to be paired: --pair shows a code, which %pair HOST in a notebook there asks for."""
DEFAULT_PORT = 18821  #: which an address may leave out
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
MIN_MEMORY_BYTES = 64 << 20  #: with less, no worker could begin


def declare_serving(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how the daemon serves."""
    parser.add_argument("--port", type=_number(1, 65535), metavar="N", help="listen on this TCP port (18821), by TLS")
    parser.add_argument(
        "--host", default="", metavar="H", help="with --port: listen on this address of the machine alone"
    )
    parser.add_argument(
        "--allow",
        type=network,
        action="append",
        default=[],
        metavar="CIDR",
        help="with --port: let nobody connect but these addresses (192.168.43.0/24); can be given several times",
    )
    parser.add_argument("--certfile", metavar="FILE", help="with --port: a certificate of yours, instead of its own")
    parser.add_argument("--keyfile", metavar="FILE", help="the key of that, where it is in a file of its own")
    parser.add_argument(
        "--client-ca", metavar="FILE", help="let in whose certificate this authority has signed; nobody pairs then"
    )
    parser.add_argument(
        "--announce", action="store_true", help="with --port: be found by mDNS, as rpyc-kernel discover asks"
    )
    parser.add_argument(
        "--connections",
        type=_number(2, 10000),
        default=MAX_PROVED,
        metavar="N",
        help="keep so many connections at a time; a notebook has two (%(default)s)",
    )
    parser.add_argument(
        "--proof-time",
        type=_number(1, 600),
        default=PROOF_TIMEOUT_S,
        metavar="S",
        help="with --port: seconds in which who connects has to prove who it is (%(default)s)",
    )
    parser.add_argument(
        "--session-limit",
        type=_number(1, 10000),
        metavar="N",
        help="keep so many sessions at a time, and start no more",
    )
    parser.add_argument(
        "--memory-limit", type=memory, metavar="SIZE", help="let each session's Python have so much memory (512M)"
    )
    parser.add_argument("--classic", action="store_true", help="let plain RPyC clients in, too; needs rpyc here")
    parser.add_argument("--log-format", choices=FORMATS, default="text", help="of the log, on stderr (text)")


def declare(parser: argparse.ArgumentParser) -> None:
    """Add all options to a command line."""
    declare_serving(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--pair", action="store_true", help="show a code for one notebook to pair with, and wait for it")
    what.add_argument("--clients", action="store_true", help="list who is paired")
    what.add_argument("--forget", metavar="NAME", help="pair no longer with this one, and end its connections")


def words(options: argparse.Namespace) -> List[str]:
    """Return the options of `declare_serving` as a command line that says the same."""
    parser = argparse.ArgumentParser(add_help=False)
    declare_serving(parser)
    said: List[str] = []
    for action in parser._actions:
        value = getattr(options, action.dest)
        if value == action.default:
            continue
        for each in value if isinstance(value, list) else [value]:
            said += [action.option_strings[0]] if each is True else [action.option_strings[0], str(each)]
    return said


def refusal(options: argparse.Namespace) -> str:
    """Say which options don't go together; "" where all do."""
    if options.port is None:
        for name in ("host", "allow", "certfile", "keyfile", "client_ca", "announce"):
            if getattr(options, name):
                return "--%s is for a port: say --port 18821, too." % name.replace("_", "-")
    for name in ("keyfile", "client_ca"):
        if getattr(options, name) and not options.certfile:
            return "--%s goes with a certificate of yours: say --certfile, too." % name.replace("_", "-")
    if options.client_ca and getattr(options, "pair", False):
        return "With --client-ca nobody pairs: leave out --pair."
    return ""


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.match(r"[0-9]{1,6}\Z", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError("%r is no number from %d to %d" % (text, least, most))
        return int(text)

    return read


def network(text: str) -> Network:
    """Read ``192.168.43.0/24``, or one address.

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise argparse.ArgumentTypeError("%r is no network like 192.168.43.0/24, nor an address" % text) from None


def memory(text: str) -> int:
    """Read ``512M`` or ``2G``; returns bytes.

    Raises:
        argparse.ArgumentTypeError: It is nothing of the kind, or too little for a Python.
    """
    match = re.match(r"([0-9]{1,12})([KMG]?)(?:i?B)?\Z", text, re.IGNORECASE)
    if not match:
        raise argparse.ArgumentTypeError("%r is no amount of memory like 512M or 2G" % text)
    size = int(match.group(1)) * _UNITS[match.group(2).upper()]
    if size < MIN_MEMORY_BYTES:
        raise argparse.ArgumentTypeError("%s is too little for a Python: give it 64M at least" % text)
    return size


def allows(networks: List[Network], host: str) -> bool:
    """Tell whether a machine of that address may connect. Where no network is listed, every one may."""
    if not networks:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address.version == each.version and address in each for each in networks)
