"""Requests to the machines and what comes back for them: replies, output, and questions of ``input()``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import Message, reply_type
from rpyc_kernel.kernel import stdin
from rpyc_kernel.link.pump import LinkStatus

if TYPE_CHECKING:
    from rpyc_kernel.errors import RpycKernelError
    from rpyc_kernel.kernel.machines import Machine
    from rpyc_kernel.kernel.publisher import Publisher

OBITUARY = "The Python on {name} {how}. Its variables are lost; the next cell runs in a fresh one."


class Exchange:
    """Lives in the kernel's event loop; `on_message` and `on_status` are called on the links' threads."""

    def __init__(self, publisher: Publisher, session: Any, stdin_socket: Any) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._publisher = publisher
        self._session = session
        self._stdin_socket = stdin_socket
        # by the type of the reply and the msg_id of its request
        self._replies: dict[tuple[str, str], tuple[Machine, asyncio.Future[dict[str, Any]]]] = {}
        self._requesters: dict[str, tuple[dict[str, Any], Any]] = {}  # parent and identity by msg_id, of running cells
        self._asking = asyncio.Lock()
        self._told: dict[str, Machine] = {}  # the cells that were told of a lost link
        self._questions: dict[Any, asyncio.Task[None]] = {}

    # --- in the event loop

    def begin(self, parent: dict[str, Any], ident: Any) -> str:
        """A cell begins: its client may be asked for input. Returns its ``msg_id``."""
        msg_id = self._publisher.remember(parent)
        self._requesters[msg_id] = (parent, ident)
        return msg_id

    def end(self, msg_id: str) -> None:
        """A cell has ended: whatever it asked needs no answer any more."""
        self._requesters.pop(msg_id, None)
        self.stop_asking(msg_id)

    def stop_asking(self, msg_id: str) -> None:
        """The questions of that cell are not waited for any more: it has ended, or was interrupted."""
        for key in [key for key in self._questions if key[0] == msg_id]:
            self._questions.pop(key).cancel()

    async def request(self, machine: Machine, message: Message) -> dict[str, Any]:
        """Send a request and wait for the content of its reply. Raises the error for which none will come."""
        key = reply_type(message.type), message.parent
        future = asyncio.get_running_loop().create_future()
        self._replies[key] = machine, future
        try:
            machine.link.submit(message)
            content: dict[str, Any] = await future
            return content
        finally:
            self._replies.pop(key, None)

    def fail(self, machine: Machine, error: Exception) -> None:
        """Whoever waits for that machine gets the error instead."""
        for owner, future in list(self._replies.values()):
            if owner is machine and not future.done():
                future.set_exception(error)

    def _tell_link(self, machine: Machine, status: LinkStatus) -> None:
        """One quiet line in each cell that runs over a link, updated in place."""
        if status is LinkStatus.LOST:
            waiting = [key for key, (owner, _future) in self._replies.items() if owner is machine]
            for msg_type, msg_id in waiting:
                if msg_type == "execute_reply" and msg_id not in self._told:
                    self._told[msg_id] = machine
                    self._show_link("display_data", msg_id, f"link to {machine.name} lost, reconnecting…")
        else:
            for msg_id in [msg_id for msg_id, owner in self._told.items() if owner is machine]:
                del self._told[msg_id]
                self._show_link("update_display_data", msg_id, f"link to {machine.name} was lost, and is back")

    def _show_link(self, msg_type: str, msg_id: str, text: str) -> None:
        content = {"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": f"link-{msg_id}"}}
        self._publisher.send(msg_type, content, msg_id)

    def _resolve(self, key: tuple[str, str], content: dict[str, Any]) -> None:
        _machine, future = self._replies.get(key, (None, None))
        if future is not None and not future.done():
            content.setdefault("status", "ok")
            future.set_result(content)

    def _ask(self, machine: Machine, message: Message) -> None:
        task = asyncio.get_running_loop().create_task(self._answer_question(machine, message))
        self._questions[message.parent, message.content.get("serial")] = task

    async def _answer_question(self, machine: Machine, message: Message) -> None:
        requester = self._requesters.get(message.parent)
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

    def on_message(self, machine: Machine, message: Message) -> None:
        """Whatever comes from a machine: output is published at once, the rest goes into the event loop."""
        assert self.loop is not None
        if message.type == "input_request":
            self.loop.call_soon_threadsafe(self._ask, machine, message)
        elif message.type == "worker_died":
            machine.news.append(_obituary(machine, message.content))
        elif message.type.endswith("_reply"):
            content = message.content
            if content.get("ename") == "WorkerDied" and message.type == "execute_reply":
                end = content.get("end")
                text = _obituary(machine, end if isinstance(end, dict) else {})
                content = self._publisher.error("WorkerDied", text, message.parent)
            self.loop.call_soon_threadsafe(self._resolve, (message.type, message.parent), content)
        else:
            self._publisher.publish(message)

    def on_status(self, machine: Machine, status: LinkStatus, error: RpycKernelError | None) -> None:
        """A link has changed."""
        if self.loop is None:
            return
        if status in (LinkStatus.LOST, LinkStatus.UP):
            self.loop.call_soon_threadsafe(self._tell_link, machine, status)
        if status in (LinkStatus.DOWN, LinkStatus.CLOSED) and error is not None:
            self.loop.call_soon_threadsafe(self.fail, machine, error)


def _obituary(machine: Machine, end: dict[str, Any]) -> str:
    how = str(end.get("text", "ended"))[:200]
    if end.get("signal") == "SIGKILL":
        how += ", as happens when its memory runs out"
    return OBITUARY.format(name=machine.name, how=how)
