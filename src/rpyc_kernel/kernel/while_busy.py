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
        self._turnstile = asyncio.Lock()
        self._shared = copy_context()  # of all shell messages: in it is whose turn it is
        self._abort_until = 0

    async def shell_main(self, subshell_id: str | None, msg: list[Any]) -> None:
        """Handle a shell message, beside the running cell if it is one that may be.

        All of them begin in the order in which they came: each has begun, or waits for ipykernel's lock, which is fair,
        before the next one is looked at.
        """
        async with self._turnstile:
            beside = self._is_busy() and self._is_for_now(msg)
            if beside:
                work = asyncio.create_task(self._answer(msg, subshell_id), context=copy_context())
            else:
                work = asyncio.create_task(super().shell_main(subshell_id, msg), context=self._shared)
            await asyncio.sleep(0)
            if beside:  # it has set the parent to its own; that of what runs is the one that counts
                ident = self._get_shell_context_var(self._shell_parent_ident)
                self.set_parent(ident, self.get_parent("shell"), channel="shell")
        try:
            await work
        finally:
            if beside and self._main_asyncio_lock.locked():  # the front end saw "idle", and would believe it
                self._publish_status("busy", "shell", parent=self.get_parent("shell"))

    def _is_busy(self) -> bool:
        """Whether something runs, or is just about to: a lock that was released goes to the next who waits for it."""
        lock = self._main_asyncio_lock
        return lock.locked() or bool(lock._waiters)

    def start(self) -> None:
        """As ipykernel, but number the messages as they come."""
        super().start()
        self._shared = copy_context()

        def receive(frames: list[Any]) -> asyncio.Task[None]:
            self._arrived += 1
            return asyncio.create_task(self.shell_main(None, Numbered(self._arrived, frames)), context=self._shared)

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
