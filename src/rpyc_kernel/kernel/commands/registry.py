"""What the commands of `commands.COMMANDS` do, a family in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import CommandError
from rpyc_kernel.kernel.cell import Cell
from rpyc_kernel.kernel.commands import connect, discover, sessions
from rpyc_kernel.kernel.commands.spec import COMMANDS, CommandSpec, command_help

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rpyc_kernel.kernel.commands.route import Command
    from rpyc_kernel.kernel.kernel import RpycKernel

    Doing = Callable[[RpycKernel, dict[str, Any], Cell], Awaitable[dict[str, Any]]]

DOINGS: dict[str, Doing] = {**connect.DOINGS, **discover.DOINGS, **sessions.DOINGS}
"""By a command's name: does it, and returns the content of the reply of that part of the cell."""


def add(spec: CommandSpec, doing: Doing) -> None:
    """Give the notebooks of a kernel of one's own a command more. Raises ValueError where it can't have that name.

    To be called before the kernel starts. *doing* gets the kernel, the arguments (see `commands.Arguments`) and the
    cell, and returns the content of the reply, as ``kernel.said(text, cell)`` and ``kernel.run_there(code, cell)`` do.
    What it raises as a RpycKernelError is shown to the user as one sentence.
    """
    if not spec.name.isidentifier() or spec.name == "help" or spec.name in COMMANDS:
        raise ValueError(f"a command cannot have the name {spec.name!r}: it is taken, or no name")
    COMMANDS[spec.name], DOINGS[spec.name] = spec, doing


async def run(kernel: RpycKernel, step: Command, cell: Cell) -> dict[str, Any]:
    """Do what a command says. Raises a RpycKernelError."""
    if step.name == "help":
        return kernel.said(command_help(step.arguments["command"]), cell)
    doing = DOINGS.get(step.name)
    if doing is None:
        raise CommandError(f"{step.source} is not known.")
    return await doing(kernel, step.arguments, cell)
