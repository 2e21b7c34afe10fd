"""``%%on`` and ``%use``: which of the notebook's machines a cell runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.kernel.commands.registry import add, command
from rpyc_kernel.kernel.commands.route import ON
from rpyc_kernel.kernel.commands.spec import CommandSpec, Positional
from rpyc_kernel.kernel.outcomes import Used

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.context import CommandContext

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
