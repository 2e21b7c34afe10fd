"""``rpyc-kernel pair``: lets this machine in at a server, once, by the code that is shown there."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli.terminal import say
from rpyc_kernel.hosts.target import find_tls
from rpyc_kernel.transport import proving
from rpyc_kernel.transport.deadline import Deadline

if TYPE_CHECKING:
    import argparse

MAX_CODE_CHARS = 200
DESCRIPTION = """\
Pairs this machine with a server that shows a code, with "rpyc-kernel serve --pair" there. The code is asked for, and
not shown; without a terminal it is the first line of the standard input. It is done once for each server."""


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "pair", help="let this machine in at a server", description=DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("host", metavar="HOST", help="the server: host, host:port, a rpycs:// address, or a saved name")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Do it. Raises a RpycKernelError."""
    address = find_tls(options.host)
    if sys.stdin.isatty():
        code = getpass.getpass(proving.question(address))
    else:
        code = sys.stdin.readline(MAX_CODE_CHARS)
    pairing = proving.pair(address, code, Deadline(proving.PAIRING_TIMEOUT_S))
    say(f'Paired with {address.display}, as {pairing.name}. In a notebook: $connect("{address.display}")')
