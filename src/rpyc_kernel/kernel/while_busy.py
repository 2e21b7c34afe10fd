"""Answers that don't wait for the running cell.

ipykernel takes one shell message after the other: completion, inspection and comm messages would wait for the cell to
end. This is the one place that reaches into its internals (``shell_main``, ``dispatch_shell(…, concurrent=True)`` of
ipykernel 7.4); ``tests/unit/test_ipykernel.py`` names the version.
"""

from __future__ import annotations

import asyncio
import threading
from contextvars import copy_context
from typing import Any

from ipykernel.ipkernel import IPythonKernel

ANSWERED_AT_ONCE = frozenset(
    {
        "complete_request",
        "inspect_request",
        "is_complete_request",
        "history_request",
        "kernel_info_request",
        "comm_info_request",
        "comm_open",
        "comm_msg",
        "comm_close",
    }
)

MAX_COMMAND = 1000  # bytes of a cell's content that may be such a command


class NoSubshells:
    """Stands for the thread that ipykernel would have for subshells, where it asks whether it is on the main one."""

    parent_thread = threading.main_thread()

    def __bool__(self) -> bool:
        return False


class Numbered(list[Any]):
    """The frames of a message, which was the *number*-th to come."""

    def __init__(self, number: int, frames: list[Any]) -> None:
        super().__init__(frames)
        self.number = number


class WhileBusyKernel(IPythonKernel):
    """An ``IPythonKernel`` that answers `ANSWERED_AT_ONCE` while a cell awaits its reply, without subshells."""

    _supports_kernel_subshells = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shell_channel_thread = NoSubshells()
        self._arrived = 0
        self._on_their_way = 0  # answers whose task has not begun
        self._abort_until = 0

    async def shell_main(self, subshell_id: str | None, msg: list[Any]) -> None:
        """Handle a shell message, beside the running cell if it is one that may be."""
        while not (self._main_asyncio_lock.locked() and self._is_for_now(msg)):
            if not self._on_their_way:  # else what came before would come after; a turn or two
                await super().shell_main(subshell_id, msg)
                return
            await asyncio.sleep(0)  # and then something may run: ipykernel's own way beside it gives no "idle"
        self._on_their_way += 1
        answer = asyncio.create_task(self._answer(msg, subshell_id), context=copy_context())
        try:
            await asyncio.sleep(0)  # the task has set the parent to its own; that of what runs is the one that counts
            ident = self._get_shell_context_var(self._shell_parent_ident)  # which may have begun only now
            self.set_parent(ident, self.get_parent("shell"), channel="shell")
            await answer
        finally:
            if self._main_asyncio_lock.locked():  # the front end saw "idle" for the answer, and would believe it
                self._publish_status("busy", "shell", parent=self.get_parent("shell"))

    def start(self) -> None:
        """As ipykernel, but number the messages as they come."""
        super().start()
        context = copy_context()

        def receive(frames: list[Any]) -> asyncio.Task[None]:
            self._arrived += 1
            return asyncio.create_task(self.shell_main(None, Numbered(self._arrived, frames)), context=context)

        self.shell_stream.on_recv(receive, copy=False)

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        """After an error, abort the cells that have come until now, and none that comes as an answer to it."""
        self.shell_stream.flush()
        self._abort_until = self._arrived

    async def dispatch_shell(
        self, msg: list[Any], /, subshell_id: str | None = None, *, concurrent: bool = False
    ) -> None:
        """Handle a message, whose turn it is."""
        if not concurrent:
            self._aborting = isinstance(msg, Numbered) and msg.number <= self._abort_until
        await super().dispatch_shell(msg, subshell_id, concurrent=concurrent)

    async def _answer(self, msg: list[Any], subshell_id: str | None) -> None:
        """One message between its own ``busy`` and ``idle``, for which a front end waits beside the reply."""
        self._on_their_way -= 1
        _idents, frames = self.session.feed_identities(msg, copy=False)
        parent = self.session.deserialize(frames, content=False, copy=False)
        self._publish_status("busy", "shell", parent=parent)
        try:
            await self.dispatch_shell(msg, subshell_id=subshell_id, concurrent=True)
        finally:
            self._publish_status("idle", "shell", parent=parent)

    def _is_for_now(self, msg: list[Any]) -> bool:
        """Whether a message is answered while a cell runs; of most, the content is left alone."""
        try:
            _idents, frames = self.session.feed_identities(msg, copy=False)
            message: dict[str, Any] = self.session.deserialize(frames, content=False, copy=False)
            if message["header"]["msg_type"] == "execute_request" and len(message["content"]) < MAX_COMMAND:
                return self.runs_beside(str(self.session.unpack(message["content"]).get("code", "")))
        except Exception:  # noqa: BLE001 - dispatch_shell reports it
            return False
        return message["header"]["msg_type"] in ANSWERED_AT_ONCE

    def runs_beside(self, code: str) -> bool:
        """Whether a cell is one that must not wait for the running one."""
        return False
