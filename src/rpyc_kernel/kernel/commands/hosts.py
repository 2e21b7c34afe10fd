"""``%hosts``: the machines of the notebook, and those that are saved under a name."""

from __future__ import annotations

import json as json_text
from typing import TYPE_CHECKING

from rpyc_kernel.hosts import file
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.spec import Kind, Option

if TYPE_CHECKING:
    from rpyc_kernel.kernel.commands.context import CommandContext


@command(
    "hosts",
    "Lists the machines that this notebook knows, and asks those that are saved under a name how they are.",
    Option("json", Kind.FLAG, "for programs"),
    examples=("%hosts", "%hosts --json"),
)
async def hosts(context: CommandContext, *, json: bool) -> str | None:
    """List the machines of this notebook, and the saved ones."""
    from rpyc_kernel.hosts import ask  # noqa: PLC0415 - few notebooks need it

    notebook = context.sessions.hosts()
    if json:
        states = await context.blocking(lambda cancel: ask.ask(file.load().values(), cancel))
        mine = [
            {"name": each.label, "address": each.name, "state": each.status.value, "current": each is notebook.current}
            for each in notebook.sessions
        ]
        saved = [state.described() for state in states]
        return json_text.dumps({"notebook": mine, "left": notebook.left, "saved": saved}, ensure_ascii=False)
    context.show(notebook)  # at once: the others take seconds, and their file may be broken
    saved_hosts = file.load()
    if not saved_hosts:
        return None
    return ask.table(await context.blocking(lambda cancel: ask.ask(saved_hosts.values(), cancel)))
