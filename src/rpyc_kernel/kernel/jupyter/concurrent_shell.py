"""How messages of the shell and control channels come to their handlers, and how each request comes to its reply.

ipykernel takes one shell message after the other, so that completion, inspection and comm messages would wait for the
running cell; it runs a cell of the control channel on that channel's thread; and a request that it can't read gets no
reply. This class changes all three. Its means are ipykernel's internals (``shell_main``, ``dispatch_shell(…,
concurrent=True)``, ``dispatch_control`` of 7.4); ``tests/unit/test_ipykernel.py`` names the version and holds them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import math
import threading
import time
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ipykernel.ipkernel import IPythonKernel
from ipykernel.subshell_manager import UnknownSubshellError

from rpyc_kernel.agent.wire import reply_type
from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.kernel.jupyter.contents import check, failure

if TYPE_CHECKING:
    from collections.abc import Callable

QUESTIONS = frozenset(
    {
        "complete_request",
        "inspect_request",
        "is_complete_request",
        "history_request",
        "kernel_info_request",
        "comm_info_request",
    }
)

# What doesn't wait for a cell that takes its time.
ANSWERED_BESIDE = QUESTIONS | {"comm_open", "comm_msg", "comm_close"}

IN_FLIGHT = 0.1  # seconds after an error in which a cell may come that was sent before

YOUNG = 1.0  # seconds since it has begun: so long questions wait for a cell

# What the control channel hands to the shell's event loop, which waits for the machine and may run code.
HANDED_ON = frozenset(
    {
        "execute_request",
        "complete_request",
        "inspect_request",
        "is_complete_request",
        "history_request",
        "comm_info_request",
    }
)

# What may take its time, while an interrupt must not wait behind it.
BESIDE_INTERRUPTS = frozenset({"usage_request"})

MAX_COMMAND = 1000  # bytes of a cell's content that may be such a command


class NoSubshells:
    """Stands for the thread that ipykernel would have for subshells, where it asks whether it is on the main one."""

    parent_thread = threading.main_thread()

    def __bool__(self) -> bool:
        return False


class Numbered(list[Any]):
    """The frames of a message, which was the *number*-th to come. *channel*: where its reply goes, if not to shell."""

    def __init__(self, number: int, frames: list[Any], channel: Any = None) -> None:
        super().__init__(frames)
        self.number = number
        self.channel = channel
        self.at = time.monotonic()


class Moment(NamedTuple):
    """Just before a reply was sent: the number of the last message that had come, and the time by two clocks."""

    arrived: int
    at: float
    date: dt.datetime


class Reply:
    """What a handler sends its reply to: the stream of a channel, used on the thread to which that stream belongs.

    :ivar sent: whether it has sent one
    """

    def __init__(self, stream: Any, *, of_other_thread: bool) -> None:
        self._stream = stream
        self._of_other_thread = of_other_thread
        self.sent = False

    def send_multipart(self, frames: list[Any], **options: Any) -> None:
        """As a ``ZMQStream`` does."""
        self.sent = True
        send = partial(self._stream.send_multipart, frames, **options)
        if self._of_other_thread:
            self._stream.io_loop.add_callback(send)
        else:
            send()


class WhileBusyKernel(IPythonKernel):
    """An ``IPythonKernel`` that answers `ANSWERED_BESIDE` while a cell runs, and every request; without subshells."""

    _supports_kernel_subshells = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shell_channel_thread = NoSubshells()
        self._arrived = 0
        self._turnstile = asyncio.Lock()
        self._shared = copy_context()  # of all shell messages: in it is whose turn it is
        self._finished = self._failed = Moment(0, -math.inf, dt.datetime.now(dt.UTC))  # last reply; last error
        self._turn_began = -math.inf
        self._channel: ContextVar[Any] = ContextVar("channel")  # of the request that is handled, if it isn't shell
        self.arrival = (0, math.inf)  # the number and the time of the message whose turn it is

    async def shell_main(self, subshell_id: str | None, msg: list[Any]) -> None:
        """Handle a shell message, beside the running cell if it is one that may be.

        All of them begin in the order in which they came: each has begun, or waits for ipykernel's lock, which is fair,
        before the next one is looked at.
        """
        if self._refuses(msg):
            return
        async with self._turnstile:
            if self._is_busy() and self._is_for_now(msg):
                handling = self._handle_soon(msg, subshell_id)
            else:
                handling = super().shell_main(subshell_id, msg)
            work = asyncio.create_task(handling, context=self._shared)
            await asyncio.sleep(0)
        await work

    async def _handle_soon(self, msg: list[Any], subshell_id: str | None) -> None:
        """Handle a message in its turn if that comes soon, else beside what runs.

        What is asked of a cell that has just begun is best answered by what the cell leaves, and in order.
        """
        if await self._has_its_turn_soon(msg):
            try:
                await self.dispatch_shell(msg, subshell_id)
            finally:
                self._main_asyncio_lock.release()
            return
        work = asyncio.create_task(self._answer(msg, subshell_id), context=copy_context())
        await asyncio.sleep(0)  # it has set the parent to its own; that of what runs is the one that counts
        ident = self._get_shell_context_var(self._shell_parent_ident)
        self.set_parent(ident, self.get_parent("shell"), channel="shell")
        try:
            await work
        finally:
            if self._main_asyncio_lock.locked():  # the front end saw "idle", and would believe it
                self._publish_status("busy", "shell", parent=self.get_parent("shell"))

    async def _has_its_turn_soon(self, msg: list[Any]) -> bool:
        """Wait for the turn of a question as long as what runs is young. True: it has ipykernel's lock."""
        patience = self._turn_began + YOUNG - time.monotonic()
        if patience <= 0 or self._header(msg).get("msg_type") not in QUESTIONS:
            return False
        try:
            async with asyncio.timeout(patience):
                await self._main_asyncio_lock.acquire()
        except TimeoutError:
            return False
        return True

    def _is_busy(self) -> bool:
        """Whether something runs, or is just about to: a lock that was released goes to the next who waits for it."""
        lock = self._main_asyncio_lock
        return lock.locked() or bool(lock._waiters)

    def start(self) -> None:
        """As ipykernel, but number the messages as they come."""
        super().start()
        self._shared = copy_context()

        for msg_type, each in self.control_handlers.items():  # whoever asks on the shell channel waits for a reply, too
            self.shell_handlers.setdefault(msg_type, each)
        for handlers in (self.shell_handlers, self.control_handlers):
            handlers.update({msg_type: partial(self._handle, each) for msg_type, each in handlers.items()})
        self.shell_stream.on_recv(self._receive, copy=False)

    def _receive(self, frames: list[Any], channel: Any = None) -> asyncio.Task[None]:
        self._arrived += 1
        message = Numbered(self._arrived, frames, channel)
        return asyncio.create_task(self.shell_main(None, message), context=self._shared)

    async def _handle(self, handler: Callable[..., Any], stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Have a request handled. Where its handler sends no reply, the reply says why."""
        msg_type = parent["header"]["msg_type"]
        channel = self._channel.get(None)
        reply = Reply(channel or stream, of_other_thread=channel is not None)
        error: BaseException | None = None
        try:
            check(msg_type, parent)
            result = handler(reply, ident, parent)
            if inspect.isawaitable(result):
                await result
        except (Exception, KeyboardInterrupt) as raised:  # somebody waits for a reply
            if not isinstance(raised, RpycKernelError):
                self.log.exception("a %s could not be handled", msg_type)
            error = raised
        if not reply.sent and msg_type.endswith("_request"):
            self.session.send(reply, reply_type(msg_type), failure(msg_type, error), parent, ident)

    def _send_abort_reply(self, stream: Any, msg: dict[str, Any], idents: Any) -> None:
        """As ipykernel, with the count that Jupyter's protocol has in each reply: 0, shown as that of no cell."""
        channel = self._channel.get(None)
        reply = Reply(channel or stream, of_other_thread=channel is not None)
        self.log.info("Aborting %s", msg["header"]["msg_id"])
        content = {"status": "aborted", "execution_count": 0}
        metadata = super().finish_metadata(msg, self.init_metadata(msg), content)  # no error is told by it
        self.session.send(reply, "execute_reply", content, msg, idents, metadata=metadata)

    async def dispatch_control(self, msg: list[Any]) -> None:
        """As ipykernel, one after the other, but for what belongs to the shell and what an interrupt must not wait for.

        On the control channel's thread.
        """
        msg_type = self._header(msg).get("msg_type")
        if msg_type in HANDED_ON:
            self.io_loop.add_callback(self._receive, msg, self.control_stream)
        elif msg_type in BESIDE_INTERRUPTS:
            idents, frames = self.session.feed_identities(msg, copy=False)
            parent = self.session.deserialize(frames, copy=False)
            self._publish_status("busy", "control", parent=parent)
            try:
                await self.control_handlers[msg_type](self.control_stream, idents, parent)
            finally:
                self._publish_status("idle", "control", parent=parent)
        else:
            await super().dispatch_control(msg)

    def _header(self, msg: list[Any]) -> dict[str, Any]:
        """The header of a message; {} if it can't be read, which ipykernel's own code reports."""
        try:
            _idents, frames = self.session.feed_identities(msg, copy=False)
            header = self.session.deserialize(frames, content=False, copy=False)["header"]
        except Exception:  # noqa: BLE001 - whatever is wrong with it
            return {}
        return header if isinstance(header, dict) else {}

    def _refuses(self, msg: list[Any]) -> bool:
        """Whether a message is for a subshell, and hence was answered with an error, as ipykernel answers it."""
        header = self._header(msg)
        subshell = header.get("subshell_id")
        if subshell is None or header.get("msg_type") in {"comm_msg", "comm_close"}:
            return False
        idents, frames = self.session.feed_identities(msg, copy=False)
        message = self.session.deserialize(frames, copy=False)
        self._send_unknown_subshell_reply(idents, message, UnknownSubshellError(str(subshell)))
        return True

    def finish_metadata(
        self, parent: dict[str, Any], metadata: dict[str, Any], reply_content: dict[str, Any]
    ) -> dict[str, Any]:
        """As ipykernel, just before it sends a reply; what comes from now on may come as an answer to it."""
        self._finished = Moment(self.arrived_until_now(), time.monotonic(), dt.datetime.now(dt.UTC))
        finished: dict[str, Any] = super().finish_metadata(parent, metadata, reply_content)
        return finished

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        """After an error, abort the cells that had been sent before it was told."""
        self._failed = self._finished

    def _is_behind_error(self, msg: list[Any]) -> bool:
        """Whether a cell was sent before the error was told: it had come, or came just then, by its own date."""
        if not isinstance(msg, Numbered):
            return False
        failed = self._failed
        if msg.number > failed.arrived and msg.at - failed.at < IN_FLIGHT:
            date = self._header(msg).get("date")
            return isinstance(date, dt.datetime) and date.tzinfo is not None and date < failed.date
        return msg.number <= failed.arrived

    def arrived_until_now(self) -> int:
        """The number of the last shell message that has come."""
        self.shell_stream.flush()
        return self._arrived

    async def dispatch_shell(
        self, msg: list[Any], /, subshell_id: str | None = None, *, concurrent: bool = False
    ) -> None:
        """Handle a message, whose turn it is."""
        if not concurrent:
            self._turn_began = time.monotonic()
            self.arrival = (msg.number, msg.at) if isinstance(msg, Numbered) else (self._arrived + 1, math.inf)
            self._aborting = self._is_behind_error(msg) and not self._is_for_now(msg)
        token = self._channel.set(msg.channel if isinstance(msg, Numbered) else None)
        try:
            await super().dispatch_shell(msg, subshell_id, concurrent=concurrent)
        finally:
            self._channel.reset(token)

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
        return message["header"]["msg_type"] in ANSWERED_BESIDE

    def runs_beside(self, code: str) -> bool:
        """Whether a cell is one that must not wait for the running one."""
        return False
