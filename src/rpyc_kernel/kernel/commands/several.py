"""``%%on``, ``%use``, ``%px``, ``%%px``, ``%pxresult`` and ``%autopx``: where cells run, of the notebook's machines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from rpyc_kernel.errors import CommandError
from rpyc_kernel.kernel.commands.registry import add, command
from rpyc_kernel.kernel.commands.route import ON
from rpyc_kernel.kernel.commands.spec import CommandSpec, Kind, Option, Positional
from rpyc_kernel.kernel.commands.targets import TARGETS, sessions_of
from rpyc_kernel.kernel.outcomes import Used
from rpyc_kernel.kernel.parallel import Grouping, ParallelRun

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.context import CommandContext

GROUPINGS = ("type", "engine", "order")
NO_QUESTIONS = "its cell runs on several machines, and these can't all ask at once"

LOCAL = Option("local", Kind.FLAG, "run it in the local IPython, too")
NOBLOCK = Option("noblock", Kind.FLAG, "don't wait: %pxresult shows what came of it")
GROUP = Option(
    "group-outputs", Kind.TEXT, "show the output at the end, by: type, engine (the machine), or order", "HOW"
)

add(
    CommandSpec(
        ON,
        ("%%",),
        "Runs the cell on another one of the notebook's machines. Commands may stand below it, and are for that one.",
        (Positional("machine", "its name, as %hosts lists it, or its address", suggests="connected"),),
        examples=("%%on gpu",),
    )
)


@command(
    "use",
    "Has cells run on another one of the notebook's machines from here on.",
    Positional("name", "its name, as %hosts lists it, or its address", suggests="connected"),
    examples=("%use pi",),
)
async def use(context: CommandContext, name: str) -> Used:
    """Have cells run on another machine of the notebook."""
    return Used(await context.sessions.use(name))


@command(
    "px",
    "Runs the cell on several of the notebook's machines at once, or one line of code, and shows which output is from "
    "which machine.",
    Positional("code", "the line, as it stands", suggests="remote value", python=True, rest=True),
    TARGETS,
    LOCAL,
    NOBLOCK,
    GROUP,
    spellings=("%%", "%"),
    examples=("%%px", "%%px --targets pi,gpu --group-outputs engine", "%px import os; print(os.getpid())"),
)
async def px(
    context: CommandContext, code: str, targets: str | None, *, local: bool, noblock: bool, group_outputs: str | None
) -> dict[str, Any] | str:
    """Run a cell, or a line of one, on several machines."""
    grouping = _grouping(group_outputs)
    sessions = await sessions_of(context, targets)
    run = ParallelRun(code, sessions, local=local, grouping=grouping, collected=noblock)
    cell, output, runs = context.cell, context.output, context.parallel
    runs.last = run
    context.runner.refuse_questions(cell.msg_id, NO_QUESTIONS)
    if noblock:
        task = asyncio.get_running_loop().create_task(run.run(context.runner, cell, output, beside=True))
        runs.tasks.add(task)
        task.add_done_callback(runs.tasks.discard)
        return f"Runs on {', '.join(session.label for session in sessions)}. %pxresult shows what comes of it."
    await run.run(context.runner, cell, output)
    context.runner.refuse_questions(cell.msg_id, "")
    if grouping:
        run.show(output, cell.msg_id)
    return run.outcome(output, cell.msg_id)


@command(
    "pxresult",
    "Waits for the last cell on several machines that was not waited for, and shows its output.",
    GROUP,
    examples=("%pxresult", "%pxresult --group-outputs order"),
)
async def pxresult(context: CommandContext, *, group_outputs: str | None) -> dict[str, Any]:
    """Show what the last cell on several machines gave out."""
    grouping, run = _grouping(group_outputs), context.parallel.last
    if run is None:
        raise CommandError("No cell of this notebook has run on several machines yet. %%px runs one.")
    if not await context.wait(run.ended):
        raise CommandError("Stopped waiting; the cell goes on there. %pxresult waits again.")
    run.show(context.output, context.cell.msg_id, grouping)
    return run.outcome(context.output, context.cell.msg_id)


@command(
    "autopx",
    "Has each cell run on several machines, as %%px does, until it is given again.",
    TARGETS,
    LOCAL,
    NOBLOCK,
    GROUP,
    examples=("%autopx", "%autopx --targets pi,gpu"),
)
async def autopx(
    context: CommandContext, targets: str | None, *, local: bool, noblock: bool, group_outputs: str | None
) -> str:
    """Have each cell run on several machines, or no longer."""
    if context.parallel.everywhere is not None:
        context.parallel.everywhere = None
        return "%autopx is off: cells run on one machine again."
    _grouping(group_outputs)
    sessions = await sessions_of(context, targets)
    context.parallel.everywhere = {
        "targets": targets, "local": local, "noblock": noblock, "group_outputs": group_outputs,
    }  # fmt: skip
    return f"%autopx is on: cells run on {', '.join(session.label for session in sessions)}. %autopx again ends that."


def _grouping(text: str | None) -> Grouping:
    if text is not None and text not in GROUPINGS:
        raise CommandError(f"--group-outputs takes {', '.join(GROUPINGS[:-1])} or {GROUPINGS[-1]}, not {text!r}.")
    return cast("Grouping", text or "")
