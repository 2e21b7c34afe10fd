"""Completion, inspection, and whether code is complete: asked of the Python that would run the code, here or there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.kernel.commands import complete, route
from rpyc_kernel.kernel.commands.suggest import of_expression, suggestions
from rpyc_kernel.kernel.jupyter.base_kernel import BaseKernel
from rpyc_kernel.link.protocol import LinkStatus

if TYPE_CHECKING:
    from rpyc_kernel.kernel.jupyter.iopub import Publisher
    from rpyc_kernel.kernel.sessions.registry import SessionRegistry
    from rpyc_kernel.kernel.sessions.resolve import Resolver

LOOKUP_TIMEOUT_S = 10.0
NO_MATCHES = {"status": "ok", "matches": [], "metadata": {}}


class LookupKernel(BaseKernel):
    """Answers what a front end asks about code while it is written.

    Attributes:
        output: Shows something in a cell.
        sessions: The notebook's sessions.
        resolver: Knows the machines that a command may name.
    """

    output: Publisher
    sessions: SessionRegistry
    resolver: Resolver

    async def do_complete(self, code: str, cursor_pos: int | None) -> dict[str, Any]:
        """Complete on the machine where the code would run, and our own commands here."""
        cursor_pos = len(code) if cursor_pos is None else cursor_pos
        machine, start = route.machine_of(code)
        if machine and cursor_pos >= start:
            return _moved(await self._complete(code[start:], cursor_pos - start, machine), start)
        return await self._complete(code, cursor_pos)

    async def _complete(self, code: str, cursor_pos: int, machine: str = "") -> dict[str, Any]:
        if route.is_local(code):
            return dict(super().do_complete(code, cursor_pos))
        if argument := complete.argument_at(code, cursor_pos):
            if argument.suggests in ("value", "remote value"):
                return await self._complete_expression(argument, cursor_pos, machine)
            matches = await suggestions(argument, self.resolver)
            return dict(NO_MATCHES, matches=matches, cursor_start=argument.start, cursor_end=cursor_pos)
        ours = complete.complete_command(code, cursor_pos)
        content = {"code": code, "cursor_pos": cursor_pos}
        reply = await self._look_up("complete_request", content, machine)
        if ours is None:
            return reply or dict(NO_MATCHES, cursor_start=cursor_pos, cursor_end=cursor_pos)
        theirs = reply["matches"] if reply and reply.get("cursor_start") == ours.start else []
        matches = [*ours.matches, *(match for match in theirs if match not in ours.matches)]
        return dict(NO_MATCHES, matches=matches, cursor_start=ours.start, cursor_end=ours.end)

    async def _complete_expression(self, argument: complete.Argument, cursor_pos: int, machine: str) -> dict[str, Any]:
        """Complete an expression of a command by the Python that evaluates it."""
        content = {"code": argument.typed, "cursor_pos": len(argument.typed)}
        if argument.suggests == "value":
            reply: dict[str, Any] | None = super().do_complete(argument.typed, len(argument.typed))
        else:
            reply = await self._look_up("complete_request", content, machine)
        matches, start = of_expression(reply or {}, argument)
        return dict(NO_MATCHES, matches=matches, cursor_start=start, cursor_end=cursor_pos)

    async def do_inspect(
        self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()
    ) -> dict[str, Any]:
        """Inspect on the machine where the code would run."""
        machine, start = route.machine_of(code)
        if machine:
            code, cursor_pos = code[start:], max(cursor_pos - start, 0)
        if route.is_local(code):
            return dict(super().do_inspect(code, cursor_pos, detail_level, omit_sections))
        content = {"code": code, "cursor_pos": cursor_pos, "detail_level": detail_level}
        reply = await self._look_up("inspect_request", dict(content, omit_sections=list(omit_sections)), machine)
        return reply or {"status": "ok", "found": False, "data": {}, "metadata": {}}

    async def _look_up(self, msg_type: str, content: dict[str, Any], machine: str = "") -> dict[str, Any] | None:
        """Ask the current machine, or that one of the notebook's, if it can be asked now."""
        session = self.sessions.named(machine) if machine else self.sessions.current
        if session is None or session.status is not LinkStatus.UP:
            return None
        msg_id = self.output.remember(self.get_parent("shell"))
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                return await session.request(Message(msg_type, content, msg_id))
        except (TimeoutError, RpycKernelError):
            return None

    async def do_is_complete(self, code: str) -> dict[str, Any]:
        """Tell whether a console should run the typed code, by the Python that would run it."""
        rest = route.strip_commands(code)
        machine, start = route.machine_of(code)
        local = route.is_local(code[start:])
        if not local and (reply := await self._look_up("is_complete_request", {"code": rest}, machine)):
            if reply.get("status") in ("complete", "incomplete", "invalid"):
                return reply
        return dict(super().do_is_complete(rest))


def _moved(reply: dict[str, Any], start: int) -> dict[str, Any]:
    """Return a reply about completion of the text behind *start*, with the places of the whole text."""
    places = {key: reply[key] + start for key in ("cursor_start", "cursor_end") if isinstance(reply.get(key), int)}
    metadata = reply.get("metadata")
    types = metadata.get("_jupyter_types_experimental") if isinstance(metadata, dict) else None
    for each in types if isinstance(types, list) else ():
        for key in ("start", "end"):
            if isinstance(each, dict) and isinstance(each.get(key), int):
                each[key] += start
    return {**reply, **places}
