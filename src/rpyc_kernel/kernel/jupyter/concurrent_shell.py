"""Messages come to their handlers: some are answered while a cell runs, some wait, some are aborted.

ipykernel takes one shell message after the other, so that completion, inspection and comm messages would wait for the
running cell; it runs a cell of the control channel on that channel's thread; and a request that it can't read, or
fails to do, gets no reply. These classes change all that. Their means are ipykernel's internals;
``tests/unit/ipykernel_places.py`` names each of them.
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
from typing import TYPE_CHECKING, Any

from ipykernel.ipkernel import IPythonKernel
from ipykernel.subshell_manager import UnknownSubshellError

from rpyc_kernel.agent.wire import reply_type
from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.kernel.cells import InterruptTargets
from rpyc_kernel.kernel.jupyter.abort_policy import AbortPolicy, Moment
from rpyc_kernel.kernel.jupyter.contents import check, failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmq.eventloop.zmqstream import ZMQStream

LOOKUPS = frozenset(
    {"complete_request", "inspect_request", "is_complete_request", "history_request", "comm_info_request"}
)
QUESTIONS = LOOKUPS | {"kernel_info_request"}
ANSWERED_BESIDE = QUESTIONS | {"comm_open", "comm_msg", "comm_close"}
"""Messages that don't wait for a cell that takes its time."""

HANDED_ON = LOOKUPS | {"execute_request"}
"""Requests that the control channel hands to the shell's event loop, which waits for the machine and may run code."""

BESIDE_INTERRUPTS = frozenset({"usage_request", "debug_request"})
"""Requests of the control channel that may take their time, while an interrupt must not wait behind them."""

YOUNG_CELL_S = 1.0  # since a cell has begun: so long questions wait for its end
MAX_COMMAND_BYTES = 1000  # of a cell's content that may be a command to be done at once
ORIGIN_FIELDS = ("msg_id", "msg_type", "session", "username", "date", "version")  # of a request's header
MAX_FIELD_LENGTH = 200  # characters


class ReplyStream:
    """Stands for the stream of a channel where a handler sends its reply, on the thread to which that stream belongs.

    Attributes:
        used: Whether a reply was sent.
    """

    def __init__(self, stream: ZMQStream, *, of_other_thread: bool) -> None:
        self._stream = stream
        self._of_other_thread = of_other_thread
        self.used = False

    def send_multipart(self, frames: list[Any], **options: Any) -> None:
        """Send a message as a ``ZMQStream`` does."""
        self.used = True
        send = partial(self._stream.send_multipart, frames, **options)
        if self._of_other_thread:
            self._stream.io_loop.add_callback(send)
        else:
            send()


class ReplyingKernel(IPythonKernel):
    """An ``IPythonKernel`` that answers every request, on the shell channel also those of the control channel."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._handed_on_by: ContextVar[ZMQStream | None] = ContextVar("handed_on_by", default=None)

    def start(self) -> None:
        """Start as ipykernel does, with `_handle` around each handler."""
        super().start()
        for msg_type, each in self.control_handlers.items():
            self.shell_handlers.setdefault(msg_type, each)
        for handlers in (self.shell_handlers, self.control_handlers):
            handlers.update({msg_type: partial(self._handle, each) for msg_type, each in handlers.items()})

    async def _handle(self, handler: Callable[..., Any], stream: ZMQStream, ident: Any, parent: dict[str, Any]) -> None:
        """Have a request handled. Where its handler sends no reply, the reply says why."""
        msg_type = parent["header"]["msg_type"]
        reply = self._reply_stream(stream)
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
        if not reply.used and msg_type.endswith("_request"):
            self.session.send(reply, reply_type(msg_type), failure(msg_type, error), parent, ident)

    def _reply_stream(self, stream: ZMQStream) -> ReplyStream:
        control = self._handed_on_by.get()
        return ReplyStream(control or stream, of_other_thread=control is not None)

    def _send_abort_reply(self, stream: ZMQStream | ReplyStream, msg: dict[str, Any], idents: Any) -> None:
        """Send the reply as ipykernel does, with the count that Jupyter's protocol asks for: 0, that of no cell."""
        self.log.info("Aborting %s", msg["header"]["msg_id"])
        content = {"status": "aborted", "execution_count": 0}
        metadata = dict(self.init_metadata(msg), status="aborted")  # `finish_metadata` is for replies of cells that ran
        reply = stream if isinstance(stream, ReplyStream) else self._reply_stream(stream)
        self.session.send(reply, "execute_reply", content, msg, idents, metadata=metadata)


class NoSubshells:
    """Stands for the thread that ipykernel would have for subshells, where it asks whether it is on the main one."""

    parent_thread = threading.main_thread()

    def __bool__(self) -> bool:
        return False


class ShellMessage(list[Any]):
    """The frames of a message for the shell.

    Attributes:
        number: Which message it was to come, counted from 1.
        at: When it came, by the monotonic clock.
        header: Its header; {} if that can't be read, which ipykernel's own code reports.
        control: The control channel's stream where that has handed it on, else None.
    """

    def __init__(
        self, number: int, frames: list[Any], header: dict[str, Any], control: ZMQStream | None = None
    ) -> None:
        super().__init__(frames)
        self.number = number
        self.at = time.monotonic()
        self.header = header
        self.control = control

    @property
    def type(self) -> str | None:
        """The ``msg_type``; None where there is no header."""
        return self.header.get("msg_type")


class ConcurrentShellKernel(ReplyingKernel):
    """A kernel that answers `ANSWERED_BESIDE` while a cell runs. It has no subshells.

    Attributes:
        arrival: The number and the time of the message whose turn it is.
        targets: What an interrupt stops.
    """

    _supports_kernel_subshells = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shell_channel_thread = NoSubshells()
        self.targets = InterruptTargets()
        self.arrival = (0, math.inf)
        self._arrived = 0
        self._turnstile = asyncio.Lock()
        self._shared = copy_context()  # of all shell messages: in it is whose turn it is
        self._abort_policy = AbortPolicy()
        self._aborted_code: str | None = None  # of the cells that are aborted before they begin
        self._turn_began = -math.inf
        self._patient: set[asyncio.Timeout] = set()  # of the questions that wait for the end of what runs

    def runs_beside(self, code: str) -> bool:
        """Return whether a cell with that code must not wait for the running one. For a subclass to override."""
        return False

    def arrived_until_now(self) -> int:
        """Return the number of the last shell message that has come."""
        self.shell_stream.flush()
        return self._arrived

    # --- who has sent them

    def requester(self) -> tuple[dict[str, Any], Any]:
        """Return the shell request that is handled, and the ZeroMQ identity of its client."""
        return self.get_parent("shell"), self._get_shell_context_var(self._shell_parent_ident)

    def origin(self) -> dict[str, Any]:
        """Describe the requests of both channels, for ``kernel.get_parent`` and ``_parent_ident`` elsewhere.

        The description goes along with each ``execute_request``. It names the last request of the control channel too,
        since requests of that channel stay here.

        Returns:
            For each channel the header of its request, with texts only, and the ZeroMQ identities of its client.
        """
        channels = ("shell", "control")
        return {channel: _origin(self.get_parent(channel), self._parent_ident[channel]) for channel in channels}

    # --- how messages come

    def start(self) -> None:
        """Start as ipykernel does, and number the shell messages as they come."""
        super().start()
        self._shared = copy_context()
        self.shell_stream.on_recv(self._receive, copy=False)

    def _receive(self, frames: list[Any], control: ZMQStream | None = None) -> asyncio.Task[None]:
        self._arrived += 1
        message = ShellMessage(self._arrived, frames, self._header(frames), control)
        return asyncio.create_task(self.shell_main(None, message), context=self._shared)

    async def dispatch_control(self, msg: list[Any]) -> None:
        """Handle a control message as ipykernel does, one after the other, on the control channel's thread.

        What belongs to the shell is handed on; what may take its time is handled beside the others.
        """
        msg_type = self._header(msg).get("msg_type")
        if msg_type in HANDED_ON:
            self.io_loop.add_callback(self._receive, msg, self.control_stream)
        elif msg_type in BESIDE_INTERRUPTS:
            idents, parent = self._read(msg)
            self._publish_status("busy", "control", parent=parent)
            try:
                await self.control_handlers[msg_type](self.control_stream, idents, parent)
            finally:
                self._publish_status("idle", "control", parent=parent)
        else:
            await super().dispatch_control(msg)

    def _read(self, frames: list[Any], *, content: bool = True) -> tuple[Any, dict[str, Any]]:
        """Return the identities and the message that these frames are; without *content* its bytes stand for it."""
        idents, frames = self.session.feed_identities(frames, copy=False)
        return idents, self.session.deserialize(frames, content=content, copy=False)

    def _header(self, frames: list[Any]) -> dict[str, Any]:
        """Return the header of a message; {} if it can't be read, or names no type."""
        try:
            header = self._read(frames, content=False)[1]["header"]
            return header if isinstance(header["msg_type"], str) else {}
        except Exception:  # noqa: BLE001 - whatever is wrong with it
            return {}

    # --- whose turn it is

    async def shell_main(self, subshell_id: str | None, msg: ShellMessage) -> None:
        """Handle a shell message, beside the running cell if it is one that may be.

        All of them begin in the order in which they came: each has begun, or waits for ipykernel's lock, which is fair,
        before the next one is looked at.
        """
        if self._refuses(msg):
            return
        async with self._turnstile:
            if self._is_busy() and self._is_for_now(msg):
                handling = self._handle_soon(msg)
            else:
                handling = super().shell_main(subshell_id, msg)
            work = asyncio.create_task(handling, context=self._shared)
            await asyncio.sleep(0)
        await work

    def _refuses(self, message: ShellMessage) -> bool:
        """Return whether a message is for a subshell, and hence was answered with an error, as ipykernel answers it."""
        subshell = message.header.get("subshell_id")
        if subshell is None or message.type in {"comm_msg", "comm_close"}:
            return False
        self._send_unknown_subshell_reply(*self._read(message), UnknownSubshellError(str(subshell)))
        return True

    def _is_busy(self) -> bool:
        """Return whether something runs or is about to: a lock that was released goes to the next who waits for it."""
        lock = self._main_asyncio_lock
        return lock.locked() or bool(lock._waiters)

    def _is_for_now(self, message: ShellMessage) -> bool:
        """Return whether a message is answered while a cell runs. The content is read of short cells only."""
        if message.type != "execute_request":
            return message.type in ANSWERED_BESIDE
        try:
            content = self._read(message, content=False)[1]["content"]
            code = self.session.unpack(content).get("code", "") if len(content) < MAX_COMMAND_BYTES else ""
        except Exception:  # noqa: BLE001 - dispatch_shell reports it
            return False
        return self.runs_beside(str(code))

    async def _handle_soon(self, message: ShellMessage) -> None:
        """Handle a message in its turn if that comes soon, else beside what runs.

        What is asked of a cell that has just begun is best answered by what the cell leaves, and in order.
        """
        if await self._has_its_turn_soon(message):
            try:
                await self.dispatch_shell(message)
            finally:
                self._main_asyncio_lock.release()
            return
        work = asyncio.create_task(self._answer_beside(message), context=copy_context())
        await asyncio.sleep(0)  # it has set the parent to its own; that of what runs is the one that counts
        parent, ident = self.requester()
        self.set_parent(ident, parent, channel="shell")
        try:
            await work
        finally:
            if self._main_asyncio_lock.locked():  # the front end saw "idle", and would believe it
                self._publish_status("busy", "shell", parent=self.get_parent("shell"))

    async def _has_its_turn_soon(self, message: ShellMessage) -> bool:
        """Wait for the turn of a question as long as what runs is young. Return whether it has ipykernel's lock."""
        patience = self._turn_began + YOUNG_CELL_S - time.monotonic()
        if patience <= 0 or message.type not in QUESTIONS:
            return False
        limit = asyncio.timeout(patience)
        try:
            async with limit:
                self._patient.add(limit)
                await self._main_asyncio_lock.acquire()
        except TimeoutError:
            return False
        finally:
            self._patient.discard(limit)
        return True

    def takes_long(self) -> None:
        """Take note that what runs won't end soon, however young it is: questions wait for it no longer."""
        self._turn_began = -math.inf
        for limit in self._patient:
            if not limit.expired():
                limit.reschedule(0)

    async def _answer_beside(self, message: ShellMessage) -> None:
        """Handle a message between its own ``busy`` and ``idle``, for which a front end waits beside the reply."""
        parent = {"header": message.header}
        self._publish_status("busy", "shell", parent=parent)
        try:
            await self.dispatch_shell(message, concurrent=True)
        finally:
            self._publish_status("idle", "shell", parent=parent)

    async def dispatch_shell(
        self, msg: ShellMessage, /, subshell_id: str | None = None, *, concurrent: bool = False
    ) -> None:
        """Handle a message as ipykernel does: in its turn, or *concurrent* to what runs."""
        if not concurrent:
            self._turn_began = time.monotonic()
            self.arrival = msg.number, msg.at
            behind_error = self._abort_policy.aborts(msg.number, msg.at, msg.header.get("date"))
            self._aborting = behind_error and self._abort_policy.only is None and not self._is_for_now(msg)
            self._aborted_code = self._abort_policy.only if behind_error else None
        token = self._handed_on_by.set(msg.control)
        try:
            await super().dispatch_shell(msg, subshell_id, concurrent=concurrent)
        finally:
            self._handed_on_by.reset(token)

    # --- cells, and what is aborted

    async def execute_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Handle a cell as ipykernel does, unless the user has just stopped it, and it comes once more.

        It may be interrupted from here on.
        """
        self._execute_sleep = 0.0  # before its reply: what comes from elsewhere is in order
        with self.targets.cell():
            if self._aborted_code is not None and parent["content"].get("code") == self._aborted_code:
                self._send_abort_reply(stream, parent, ident)
            else:
                await super().execute_request(stream, ident, parent)

    def finish_metadata(
        self, parent: dict[str, Any], metadata: dict[str, Any], reply_content: dict[str, Any]
    ) -> dict[str, Any]:
        """Finish a reply as ipykernel does, just before it is sent; what comes from now on may be an answer to it."""
        now = Moment(self.arrived_until_now(), time.monotonic(), dt.datetime.now(dt.UTC))
        stopped_debugger = reply_content.pop("debugger_stopped", None)
        self._abort_policy.replying(now, parent["content"].get("code") if stopped_debugger else None)
        finished: dict[str, Any] = super().finish_metadata(parent, metadata, reply_content)
        return finished

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        """After an error, abort the cells that had been sent before it was told."""
        self._abort_policy.failed()


def _origin(message: dict[str, Any], identities: Any) -> dict[str, Any]:
    header = message.get("header") or {}
    fields = {name: str(header[name])[:MAX_FIELD_LENGTH] for name in ORIGIN_FIELDS if name in header}
    parts = identities if isinstance(identities, list) else []
    return {"header": fields, "identities": [bytes(part).decode("latin-1")[:MAX_FIELD_LENGTH] for part in parts]}
