"""Requests to the machines and what comes back for them: replies, output, and questions of ``input()``."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import Message, reply_type
from rpyc_kernel.kernel.jupyter import stdin
from rpyc_kernel.kernel.loop_only import loop_only
from rpyc_kernel.kernel.sessions.status_lines import LinkLines
from rpyc_kernel.kernel.sessions.worker_exits import NOT_RUN, end_of
from rpyc_kernel.link.protocol import LinkStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.errors import RpycKernelError
    from rpyc_kernel.kernel.jupyter.publisher import Publisher
    from rpyc_kernel.kernel.sessions.session import Machine

LOOKED_UP = frozenset({"complete_reply", "inspect_reply"})


class Exchange:
    """Lives in the kernel's event loop; only what begins with ``on_`` is called on the links' threads.

    :ivar lines: for any thread
    :ivar told: called when a cell was told that its Python has died: its machine, and what it was told
    """

    told: Callable[[Machine, str], None] = staticmethod(lambda _machine, _text: None)

    def __init__(self, publisher: Publisher, session: Any, stdin_socket: Any) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._publisher = publisher
        self._session = session
        self._stdin_socket = stdin_socket
        # by the type of the reply and the msg_id of its request
        self._replies: dict[tuple[str, str], tuple[Machine, asyncio.Future[dict[str, Any]]]] = {}
        self._requesters: dict[str, tuple[dict[str, Any], Any]] = {}  # parent and identity by msg_id, of running cells
        self._asking = asyncio.Lock()
        self._told: dict[str, Machine] = {}  # the cells whose line tells of a link that is lost just now
        self.lines = LinkLines(publisher)
        self._questions: dict[Any, asyncio.Task[None]] = {}

    # --- in the event loop

    @loop_only
    def begin(self, parent: dict[str, Any], ident: Any) -> str:
        """A cell begins: its client may be asked for input. Returns its ``msg_id``."""
        msg_id = self._publisher.remember(parent)
        self._requesters[msg_id] = (parent, ident)
        return msg_id

    @loop_only
    def end(self, msg_id: str) -> None:
        """A cell has ended: whatever it asked needs no answer any more."""
        self._requesters.pop(msg_id, None)
        self.lines.forget(msg_id)
        self.stop_asking(msg_id)

    @loop_only
    def stop_asking(self, msg_id: str) -> None:
        """The questions of that cell are not waited for any more: it has ended, or was interrupted."""
        for key in [key for key in self._questions if msg_id in key[:2]]:
            self._questions.pop(key).cancel()

    async def request(self, machine: Machine, message: Message) -> dict[str, Any]:
        """Send a request and wait for the content of its reply. Raises the error for which none will come."""
        with self._expect(machine, (reply_type(message.type), message.parent)) as reply:
            machine.ask(message)
            if machine.link.status is LinkStatus.LOST:
                self._tell_link(machine, LinkStatus.LOST)
            return await reply

    async def outcome(self, machine: Machine, msg_id: str) -> dict[str, Any]:
        """The reply to a cell of another notebook, which runs in a session that was taken over."""
        if msg_id in machine.replies:
            return machine.replies.pop(msg_id)
        with self._expect(machine, ("execute_reply", msg_id)) as reply:
            return await reply

    @contextmanager
    def _expect(self, machine: Machine, key: tuple[str, str]) -> Iterator[asyncio.Future[dict[str, Any]]]:
        """Within it a reply is waited for: the future gets its content, or the error for which none will come."""
        future = asyncio.get_running_loop().create_future()
        self._replies[key] = machine, future
        try:
            yield future
        finally:
            self._replies.pop(key, None)

    @loop_only
    def fail(self, machine: Machine, error: Exception) -> None:
        """Whoever waits for that machine gets the error instead."""
        for owner, future in list(self._replies.values()):
            if owner is machine and not future.done():
                future.set_exception(error)

    @loop_only
    def waits(self, msg_id: str) -> bool:
        """Whether a reply to that request is waited for."""
        return any(key == msg_id for _msg_type, key in self._replies)

    @loop_only
    def queue(self, machine: Machine) -> list[str]:
        """The ``msg_id`` of what runs on that machine and of what waits behind it, as far as is known here.

        It takes cells and comm messages in their order. (Completion and inspection have a thread of their own there.)
        """
        found = self._replies.items()
        return [msg_id for (reply, msg_id), (owner, _) in found if owner is machine and reply not in LOOKED_UP]

    @loop_only
    def fail_one(self, msg_id: str, error: Exception) -> None:
        """Whoever waits for the reply to that request gets the error instead."""
        for (_msg_type, key), (_machine, future) in list(self._replies.items()):
            if key == msg_id and not future.done():
                future.set_exception(error)

    @loop_only
    def warn(self, machine: Machine, msg_id: str, text: str) -> None:
        """Tell something in the cell that shows that request."""
        self._publisher.send("stream", {"name": "stderr", "text": text}, machine.shown_by(msg_id))

    @loop_only
    def _tell_link(self, machine: Machine, status: LinkStatus) -> None:
        """One quiet line in each cell that waits for a link, updated in place."""
        if status is LinkStatus.LOST:
            waiting = [key for key, (owner, _future) in self._replies.items() if owner is machine]
            for msg_type, msg_id in waiting:
                cell = machine.shown_by(msg_id)
                if msg_type == "execute_reply" and cell not in self._told:
                    self.show_link(machine, cell, f"link to {machine.name} lost, reconnecting…")
            return
        text = "was lost, and is back" if status is LinkStatus.UP else "lost"
        for msg_id in [msg_id for msg_id, owner in self._told.items() if owner is machine]:
            self.show_link(machine, msg_id, f"link to {machine.name} {text}")
            del self._told[msg_id]

    @loop_only
    def show_link(self, machine: Machine, msg_id: str, text: str) -> None:
        """Say how the link is, in the one line of the cell that shows that request, until `_tell_link` changes it."""
        cell = machine.shown_by(msg_id)
        self._told[cell] = machine
        self.lines.show(cell, text)

    @loop_only
    def _resolve(self, machine: Machine, key: tuple[str, str], content: dict[str, Any]) -> None:
        """A reply has come. For that to a cell of another notebook `outcome` may ask later."""
        content.setdefault("status", "ok")
        if told := content.pop("told", ""):
            self.told(machine, told)
        (msg_type, msg_id), (_machine, future) = key, self._replies.get(key, (None, None))
        if future is not None:
            if not future.done():
                future.set_result(content)
        elif msg_type == "execute_reply" and msg_id in machine.foreign_cells:
            machine.replies[msg_id] = content

    @loop_only
    def _ask(self, machine: Machine, message: Message) -> None:
        serial = message.content.get("serial")
        key = message.parent, machine.shown_by(message.parent), serial if isinstance(serial, int) else None
        if key not in self._questions:  # it may come twice to whoever takes a session over: with the backlog, and again
            self._questions[key] = asyncio.get_running_loop().create_task(self._answer_question(machine, message))

    async def _answer_question(self, machine: Machine, message: Message) -> None:
        requester = self._requesters.get(machine.shown_by(message.parent))
        if requester is None:  # a thread of a cell that has ended
            reply = {"serial": message.content.get("serial"), "error": "its cell has ended, so nobody can be asked"}
            machine.link.submit(Message("input_reply", reply, message.parent))
            return
        async with self._asking:  # one question at a time, since an answer doesn't say which it is for
            await self._put_question(machine, message, *requester)

    async def _put_question(self, machine: Machine, message: Message, parent: dict[str, Any], ident: Any) -> None:
        prompt, password = str(message.content.get("prompt", "")), bool(message.content.get("password"))
        value = await stdin.ask(
            self._session, self._stdin_socket, prompt, password=password, parent=parent, ident=ident
        )
        reply = {"value": value, "serial": message.content.get("serial")}
        machine.link.submit(Message("input_reply", reply, message.parent))

    # --- on the links' threads

    def on_message(self, machine: Machine, message: Message, backlog: bool) -> None:
        """Whatever comes from a machine: output is published at once, the rest goes into the event loop."""
        assert self.loop is not None
        if message.type == "input_request":
            self.loop.call_soon_threadsafe(self._ask, machine, message)
        elif message.type == "worker_died":
            end = end_of(message)
            if end is not None and not end.get("restart"):  # whoever has restarted it knows
                machine.exits.came(end, time.monotonic())
        elif message.type.endswith("_reply"):
            self._on_reply(machine, message)
        else:
            message.parent = machine.shown_by(message.parent)
            if machine.restarting and message.parent not in self._requesters:
                message.parent = machine.restarting
            self._publisher.publish(message, machine.link.cancel, backlog=backlog)

    def _on_reply(self, machine: Machine, message: Message) -> None:
        assert self.loop is not None
        content, cell = message.content, machine.shown_by(message.parent)
        content.pop("told", None)
        end = end_of(message)
        if end is not None and message.type == "execute_reply":
            text = machine.exits.describe(end)
            content = self._publisher.error("WorkerDied", text + ("" if content.get("begun") else NOT_RUN), cell)
            content["told"] = "" if end.get("restart") else text
        self.loop.call_soon_threadsafe(self._resolve, machine, (message.type, message.parent), content)

    def on_refused(self, machine: Machine, msg_id: str, error: RpycKernelError) -> None:
        """The request with that ``msg_id`` was given up: the machine doesn't take it. "": all that are waited for."""
        assert self.loop is not None
        fail = (self.fail_one, msg_id, error) if msg_id else (self.fail, machine, error)
        self.loop.call_soon_threadsafe(*fail)

    def on_status(self, machine: Machine, status: LinkStatus, error: RpycKernelError | None) -> None:
        """A link has changed."""
        if self.loop is None:
            return
        self.loop.call_soon_threadsafe(self._tell_link, machine, status)
        if status is LinkStatus.CLOSED and error is not None:
            self.loop.call_soon_threadsafe(self.fail, machine, error)
