"""``%pull`` and ``%push``: values between the other machine's variables and those of local cells, by copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.kernel.commands.expressions import named_expressions
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.kernel.outcomes import Copied

AS = Option("as", Kind.TEXT, "the name that the value gets, where it is the only one", "NAME")
PICKLE = Option(
    "pickle", Kind.FLAG, "let what can't be copied otherwise come as a pickle, which runs code of that machine here"
)
MAX = Option("max", Kind.SIZE, "how much is copied without a question; 256MiB without this", "SIZE")


@command(
    "pull",
    "Copies values of the other machine's variables into variables of local cells, all of them or none.",
    Positional("values", "a variable there, or NAME=EXPRESSION", many=True, python=True),
    AS,
    MAX,
    PICKLE,
    examples=("%pull df", '%pull df model=results["best"]', "%pull df[df.a > 3] --as few"),
)
async def pull(
    context: CommandContext, values: list[str], max: int | None, *, pickle: bool, **options: str | None
) -> Copied:
    """Copy values to here."""
    from rpyc_kernel.kernel.copies import pull_named  # noqa: PLC0415 - most notebooks copy nothing

    return await pull_named(context, named_expressions(values, options["as"], "%pull"), max, pickle=pickle)


@command(
    "push",
    "Copies values of local cells' variables into variables of the other machine, all of them or none.",
    Positional("values", "a variable of local cells, or NAME=EXPRESSION", many=True, python=True),
    AS,
    MAX,
    examples=("%push params frames", "%push n=len(frames)"),
)
async def push(context: CommandContext, values: list[str], max: int | None, **options: str | None) -> Copied:
    """Copy values to there."""
    from rpyc_kernel.kernel.copies import push_named  # noqa: PLC0415

    return await push_named(context, named_expressions(values, options["as"], "%push"), max)
