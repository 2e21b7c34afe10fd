"""``rpyc-kernel install``: the same as ``python -m rpyc_kernel.install``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Say that there is such a command; its options are `install`'s own."""
    commands.add_parser("install", help="put the kernel into Jupyter's list, or take it away", add_help=False)


def run(argv: Sequence[str]) -> int:
    """Do it; returns the exit code."""
    from rpyc_kernel.install import main  # noqa: PLC0415 - it needs Jupyter, and the other commands need none of that

    return main(argv, prog="rpyc-kernel install")
