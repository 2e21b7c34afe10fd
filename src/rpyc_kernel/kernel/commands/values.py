"""``%pull`` and ``%push``: values between the other machine's variables and those of local cells, by copy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rpyc_kernel.kernel.commands.expressions import named_expressions
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional

if TYPE_CHECKING:
    from types import ModuleType

    from rpyc_kernel.kernel.commands.context import CommandContext

AS = Option("as", Kind.TEXT, "the name that the value gets, where it is the only one", "NAME")
PICKLE = Option(
    "pickle", Kind.FLAG, "let what can't be copied otherwise come as a pickle, which runs code of that machine here"
)
MAX = Option("max", Kind.SIZE, "how much is copied without a question; 256MiB without this", "SIZE")


@command(
    "pull",
    "Copies values of the other machine's variables into variables of local cells, all of them or none.",
    Positional("values", "a variable there, or NAME=EXPRESSION", many=True, python=True, suggests="remote value"),
    AS,
    MAX,
    PICKLE,
    examples=("%pull df", '%pull df model=results["best"]', "%pull df[df.a > 3] --as few"),
)
async def pull(
    context: CommandContext, values: list[str], max: int | None, *, pickle: bool, **options: str | None
) -> object:
    """Copy values to here."""
    copies = await loaded(context)
    named = named_expressions(values, options["as"], "%pull")
    return await copies.pull_named(context, named, max, pickle=pickle)


@command(
    "push",
    "Copies values of local cells' variables into variables of the other machine, all of them or none.",
    Positional("values", "a variable of local cells, or NAME=EXPRESSION", many=True, python=True, suggests="value"),
    AS,
    MAX,
    examples=("%push params frames", "%push n=len(frames)"),
)
async def push(context: CommandContext, values: list[str], max: int | None, **options: str | None) -> object:
    """Copy values to there."""
    copies = await loaded(context)
    named = named_expressions(values, options["as"], "%push")
    return await copies.push_named(context, named, max)


async def loaded(context: CommandContext) -> ModuleType:
    """Return the module that copies. Most notebooks copy nothing, and on a thread its import holds up nobody."""
    return await context.blocking(lambda _cancel: import_module("rpyc_kernel.kernel.copies"))
