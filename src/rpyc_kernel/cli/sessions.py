"""``rpyc-kernel sessions``: lists the sessions on a machine, and ends them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli.terminal import say
from rpyc_kernel.hosts.target import find
from rpyc_kernel.link import listing

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Lists your sessions on another machine: since when they run, whether a cell runs, which notebook holds them, what
nobody has read yet, and how long they are kept. A notebook takes one over with %attach NAME."""


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "sessions",
        usage="rpyc-kernel sessions ADDRESS [--json | --end NAME ...]",
        help="list or end the sessions on a machine",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("address", metavar="ADDRESS", help="the machine, as in %%connect: host, host:port, saved name")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--end",
        metavar="NAME",
        nargs="+",
        action="extend",
        help="end these, whoever holds them; a NAME is a session's name or id, or how one begins",
    )
    what.add_argument("--json", action="store_true", help="everything that is known of them, for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Do it. Raises a RpycKernelError."""
    address = find(options.address).address
    entries = listing.sessions(address)
    if options.end:
        chosen = {entry.session: entry for entry in (listing.choose(entries, name) for name in options.end)}
        for entry in chosen.values():
            listing.end(address, entry)
            say(f"Ended {entry.name} on {address.display}.")
    elif options.json:
        say(json.dumps([asdict(entry) for entry in entries], indent=2, ensure_ascii=False))
    else:
        say(listing.table(entries))
