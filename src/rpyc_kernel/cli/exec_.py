"""``rpyc-kernel exec``: runs a program on another machine, with its output, questions and exit code here."""

from __future__ import annotations

import argparse
import io
import sys
import tokenize
from pathlib import Path
from typing import Any

from rpyc_kernel.cli import machine
from rpyc_kernel.cli.terminal import RefusalError, ending_in_order

DESCRIPTION = """\
Runs Python code on another machine, as python does here: what it prints comes out here, input() asks here, and its
exit code is that of this command. Ctrl-C interrupts it there; pressed again within 5 s, it ends it."""


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options to the command line."""
    parser = commands.add_parser(
        "exec",
        usage="rpyc-kernel exec [OPTION ...] ADDRESS (-c CODE | FILE | -) [ARG ...]",
        help="run a program on a machine",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    machine.declare(parser)
    parser.add_argument("address", metavar="ADDRESS", help="the machine, as in %%connect: host or host:port")
    parser.add_argument(
        "program",
        nargs=argparse.REMAINDER,
        metavar="PROGRAM",
        help="-c CODE, a FILE of this machine, or - for what stdin has; and what sys.argv is to have behind it",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it, and return the program's exit code. Raises a RpycKernelError, or RefusalError."""
    where = machine.machine(options.address, options)
    from rpyc_kernel import program  # noqa: PLC0415 - the other commands need none of it

    source, argv = program_of(options.program, "exec")
    name = "exec" if argv[0] in ("-c", "-") else Path(argv[0]).stem
    with ending_in_order():
        return program.run(where, source, argv, name, begun=machine.mind_open_port)


def program_of(words: list[str], command: str) -> tuple[str, list[str]]:
    """Return the text of the program that a command line names, and its ``sys.argv``. Raises RefusalError."""
    if not words:
        raise RefusalError(f"{command} needs a program: -c CODE, a FILE, or - for what stdin has.")
    first, *rest = words
    if first == "-c":
        if not rest:
            raise RefusalError('-c needs the code, as in rpyc-kernel exec pi -c "print(1)".')
        return rest[0], ["-c", *rest[1:]]
    if first == "-":
        return _decoded(sys.stdin.buffer.read(), "What stdin has"), words
    if first.startswith("-"):
        raise RefusalError(f"{first} is no option of {command} behind ADDRESS; options stand before it.")
    return _decoded(Path(first).read_bytes(), first), words


def _decoded(data: bytes, name: str) -> str:
    """Return the text of a program, by the encoding that it declares."""
    try:
        encoding, _lines = tokenize.detect_encoding(io.BytesIO(data).readline)
        return io.TextIOWrapper(io.BytesIO(data), encoding).read()
    except (SyntaxError, UnicodeError) as error:
        raise RefusalError(f"{name} is no Python program: {error}.", 1) from None
