"""``rpyc-kernel doctor``: looks for what keeps a machine from being used, and says what mends it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli import machine
from rpyc_kernel.cli.terminal import ending_in_order, say

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Walks to a machine step by step, as %connect does, and looks around there in a session: each line says ok, or what is
wrong and what mends it. Exit code: 0, or 1 where something is wrong; a warning is nothing wrong."""


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "doctor",
        usage="rpyc-kernel doctor ADDRESS [--json] [OPTION ...]",
        help="look for what keeps a machine from being used",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("address", metavar="ADDRESS", help="the machine, as in %%connect: host, host:port …")
    parser.add_argument("--json", action="store_true", help="for programs")
    machine.declare(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it, and return the exit code. Raises a RpycKernelError for what is no address."""
    where = machine.machine(options.address, options)
    from rpyc_kernel.doctor import checks  # noqa: PLC0415 - the other commands need none of it

    found = []
    with ending_in_order():
        for check in checks.examine(where):
            found.append(check)
            if not options.json:
                say(checks.lines(check))
    if options.json:
        entries = [{**asdict(each), "state": each.state.value} for each in found]
        say(json.dumps(entries, indent=2, ensure_ascii=False))
    return int(any(each.state is checks.State.WRONG for each in found))
