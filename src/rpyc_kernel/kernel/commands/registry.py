"""Registers commands, each with its handler, and runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from rpyc_kernel.kernel.commands.spec import COMMANDS, CommandSpec, Option, Positional, Spelling, command_help

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.kernel.commands.route import Command

Handler = TypeVar("Handler", bound="Callable[..., Awaitable[object]]")


def command(
    name: str,
    summary: str,
    *parameters: Positional | Option,
    spellings: tuple[Spelling, ...] = ("%",),
    examples: tuple[str, ...] = (),
) -> Callable[[Handler], Handler]:
    """Make a coroutine function the handler of a command of that name. To be used before the kernel starts.

    The handler gets a `CommandContext`, and each parameter by its name: a `Positional` as text, None where it isn't
    typed, or a list with ``many``; an `Option` as its `Kind` says. It returns None, or a text that is printed, or
    what ``context.run_there`` has returned. What it raises as a RpycKernelError is shown to the user as one sentence,
    and the cell ends there.

    Args:
        name: The name, without a prefix.
        summary: A sentence for the help.
        parameters: The arguments and options, in the order of the help.
        spellings: The prefixes with which it is written: ``%`` as a magic, ``$`` as a call, ``%%`` with a cell.
        examples: Lines for the help.

    Raises:
        ValueError: A command cannot have that name.
    """

    def register(handler: Handler) -> Handler:
        positionals = tuple(each for each in parameters if isinstance(each, Positional))
        options = tuple(each for each in parameters if isinstance(each, Option))
        add(CommandSpec(name, spellings, summary, positionals, options, examples, handler=handler))
        return handler

    return register


def add(spec: CommandSpec) -> None:
    """Add a command to the table. Raises ValueError where it can't have that name."""
    if not spec.name.isidentifier() or spec.name == "help" or spec.name in COMMANDS:
        raise ValueError(f"a command cannot have the name {spec.name!r}: it is taken, or no name")
    COMMANDS[spec.name] = spec


async def run(step: Command, context: CommandContext) -> dict[str, Any]:
    """Do what a command says; return the content of the reply of that part of the cell. Raises a RpycKernelError."""
    if step.name == "help":
        return context.reply(command_help(step.arguments["command"]))
    handler = COMMANDS[step.name].handler
    assert handler is not None  # `route` has made a `LocalCode` step of what has none
    return context.reply(await handler(context, **step.arguments))
