"""``rpyc-kernel doctor``: looks for what keeps a machine from being used, and says what mends it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli import machine
from rpyc_kernel.cli.terminal import RefusalError, ending_in_order, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from rpyc_kernel.doctor.check import Check

DESCRIPTION = """\
Walks to a machine step by step, as %connect does, and looks around there in a session: each line says ok, or what is
wrong and what mends it. Without ADDRESS it looks at this side: Python, Jupyter, the kernels in its list, and what is
kept here. Exit code: 0, or 1 where something is wrong; a warning is nothing wrong."""


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "doctor",
        usage="rpyc-kernel doctor [ADDRESS] [--json] [OPTION ...]",
        help="look for what keeps a machine, or the kernel here, from being used",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("address", metavar="ADDRESS", nargs="?", help="the machine, as in %%connect: host, host:port …")
    parser.add_argument("--json", action="store_true", help="for programs")
    machine.declare(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it, and return the exit code. Raises a RpycKernelError for what is no address."""
    from rpyc_kernel.doctor.check import State, lines  # noqa: PLC0415 - the other commands need none of it

    found = []
    with ending_in_order():
        for check in _examine(options):
            found.append(check)
            if not options.json:
                say(lines(check))
    if options.json:
        entries = [{**asdict(each), "state": each.state.value} for each in found]
        say(json.dumps(entries, indent=2, ensure_ascii=False))
    return int(any(each.state is State.WRONG for each in found))


def _examine(options: argparse.Namespace) -> Iterator[Check]:
    if options.address is None:
        if given := next((name for name in ("python", "cwd", "env") if getattr(options, name)), None):
            raise RefusalError(f"--{given} goes with ADDRESS: it is for a session on that machine.")
        from rpyc_kernel.doctor.here import examine_here  # noqa: PLC0415 - it asks Jupyter

        return examine_here()
    where = machine.machine(options.address, options)
    from rpyc_kernel.doctor.checks import examine  # noqa: PLC0415 - the other commands need none of it

    return examine(where)
