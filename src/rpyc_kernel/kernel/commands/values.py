"""``%pull``, ``%push`` and ``%scatter``: values between other machines' variables and those of local cells, by copy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rpyc_kernel.kernel.commands.expressions import named_expressions
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option, Positional
from rpyc_kernel.kernel.commands.targets import SEVERAL, TARGETS, sessions_of

if TYPE_CHECKING:
    from types import ModuleType

    from rpyc_kernel.kernel.commands.context import CommandContext
    from rpyc_kernel.kernel.commands.expressions import NamedExpression

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
    SEVERAL,
    Option("concat", Kind.FLAG, "put what several machines have one behind the other, instead of into a dictionary"),
    examples=("%pull df", '%pull df model=results["best"]', "%pull df[df.a > 3] --as few", "%pull part --concat"),
)
async def pull(
    context: CommandContext,
    values: list[str],
    max: int | None,
    targets: str | None,
    *,
    pickle: bool,
    concat: bool,
    **options: str | None,
) -> object:
    """Copy values to here."""
    named = named_expressions(values, options["as"], "%pull")
    if targets is not None or concat:
        sessions = await sessions_of(context, targets)
        broadcast = await loaded(context, "broadcast")
        return await broadcast.pull_all(context, sessions, named, max, pickle=pickle, concat=concat)
    copies = await loaded(context)
    return await copies.pull_named(context, named, max, pickle=pickle)


@command(
    "push",
    "Copies values of local cells' variables into variables of the other machine, all of them or none.",
    Positional("values", "a variable of local cells, or NAME=EXPRESSION", many=True, python=True, suggests="value"),
    AS,
    MAX,
    SEVERAL,
    examples=("%push params frames", "%push n=len(frames)", "%push params --targets pi,gpu"),
)
async def push(
    context: CommandContext, values: list[str], max: int | None, targets: str | None, **options: str | None
) -> object:
    """Copy values to there."""
    named = named_expressions(values, options["as"], "%push")
    if targets is not None:
        return await _to_several(context, targets, named, max)
    copies = await loaded(context)
    return await copies.push_named(context, named, max)


@command(
    "scatter",
    "Cuts sequences, arrays and tables of local cells into equal parts, one for each machine; %pull NAME --concat puts "
    "them together again.",
    Positional("values", "a variable of local cells, or NAME=EXPRESSION", many=True, python=True, suggests="value"),
    AS,
    MAX,
    TARGETS,
    examples=("%scatter frames", "%scatter part=range(1000) --targets pi,gpu"),
)
async def scatter(
    context: CommandContext, values: list[str], max: int | None, targets: str | None, **options: str | None
) -> object:
    """Give each machine a part."""
    named = named_expressions(values, options["as"], "%scatter")
    return await _to_several(context, targets, named, max, scattered=True)


async def _to_several(
    context: CommandContext,
    targets: str | None,
    named: list[NamedExpression],
    max_bytes: int | None,
    *,
    scattered: bool = False,
) -> object:
    sessions = await sessions_of(context, targets)
    broadcast = await loaded(context, "broadcast")
    return await broadcast.push_all(context, sessions, named, max_bytes, scattered=scattered)


async def loaded(context: CommandContext, name: str = "copies") -> ModuleType:
    """Return the module that copies. Most notebooks copy nothing, and on a thread its import holds up nobody."""
    return await context.blocking(lambda _cancel: import_module(f"rpyc_kernel.kernel.{name}"))
