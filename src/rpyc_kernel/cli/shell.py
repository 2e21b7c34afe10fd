"""``rpyc-kernel shell``: a console whose lines run on another machine."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rpyc_kernel.cli import machine
from rpyc_kernel.cli.terminal import RefusalError

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Opens a jupyter console whose lines run on another machine: completion, help, magics and the commands of cells are those
of a notebook there. Ctrl-C interrupts what runs; Ctrl-D leaves, and ends its session."""


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "shell",
        usage="rpyc-kernel shell ADDRESS [OPTION ...]",
        help="open a console on a machine",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("address", metavar="ADDRESS", help="the machine, as in %%connect: host, host:port …")
    machine.declare(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Do it. Raises a RpycKernelError, or RefusalError."""
    where = machine.machine(options.address, options)
    if find_spec("jupyter_console") is None:
        raise RefusalError("shell needs jupyter_console: python3 -m pip install jupyter_console", 1)
    from rpyc_kernel.batch import console  # noqa: PLC0415 - the other commands need none of it

    console.run(where)
