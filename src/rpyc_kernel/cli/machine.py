"""The machine on which a command runs something: its address, and how a session begins there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rpyc_kernel.cli.terminal import RefusalError, say
from rpyc_kernel.hosts import open_port
from rpyc_kernel.hosts.saved import variables
from rpyc_kernel.hosts.target import Target, find, find_tls

if TYPE_CHECKING:
    import argparse

    from rpyc_kernel.transport.address import Address


FILES = {
    "cafile": "for rpycs://: authorities that sign certificates, instead of a pairing",
    "certfile": "for rpycs://: a certificate of this machine",
    "keyfile": "for rpycs://: its key",
}


def declare_files(parser: argparse.ArgumentParser) -> None:
    """Add the options that name certificates, which become a part of the address."""
    for name, text in FILES.items():
        parser.add_argument(f"--{name}", metavar="FILE", default="", help=text)


def certified(text: str, options: argparse.Namespace) -> Address | None:
    """Return the address *text* with the files of `declare_files`; None where none is given."""
    files = {name: path for name in FILES if (path := getattr(options, name))}
    if not files:
        return None
    from rpyc_kernel.transport.ways.rpycs import with_files  # noqa: PLC0415 - few need it

    return with_files(find_tls(text), files)


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a session begins, and by which certificates."""
    declare_files(parser)
    parser.add_argument("--python", metavar="PATH", help="the Python there that runs it")
    parser.add_argument("--cwd", metavar="DIR", help="the folder there in which it starts")
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="K[=V]",
        help="a variable there; without a value, it has the one that it has here; may be given again",
    )


def machine(text: str, options: argparse.Namespace) -> Target:
    """Return the machine that *text* names, with the *options* of `declare`.

    Raises:
        RpycKernelError: *text* is no address, or an option is written wrongly.
        RefusalError: An option means nothing at such an address.
    """
    target = find(text)
    given = {"python": options.python, "cwd": options.cwd, "env": variables(map(_with_value, options.env))}
    address, config = target.start({name: value for name, value in given.items() if value})
    address = certified(text, options) or address
    for name in config:
        if sentence := target.address.transport.inapplicable.get(name):
            raise RefusalError(sentence)
    return Target(address, config, target.name)


def mind_open_port(server: Address) -> None:
    """Say, once for each machine, that whoever reaches its port can run code there."""
    if sentence := open_port.warning(server):
        say(sentence, error=True)


def _with_value(text: str) -> str:
    return f"{text}={os.environ[text]}" if text in os.environ else text
