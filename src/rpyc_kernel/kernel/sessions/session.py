"""A session on another machine, as the notebook has it: requests go in, their replies and output come back."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import Message, reply_type
from rpyc_kernel.errors import (
    LOCKED_OUT,
    AgentError,
    DialCancelledError,
    LinkError,
    RemoteClosedError,
    RpycKernelError,
)
from rpyc_kernel.kernel.loop_only import loop_only
from rpyc_kernel.kernel.sessions.comm_updates import CommUpdates
from rpyc_kernel.kernel.sessions.requests import Inbox, PendingRequests
from rpyc_kernel.kernel.sessions.worker_exits import NOT_RUN, WorkerExits
from rpyc_kernel.link.direct import DirectConnections
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.live.channels import Channels
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    import asyncio
    import threading
    from collections.abc import Awaitable, Callable

    from rpyc_kernel.files.sync import FolderSync
    from rpyc_kernel.kernel.ports import SessionHost
    from rpyc_kernel.kernel.sessions.requests import Show
    from rpyc_kernel.link.forwarding import Forwarding
    from rpyc_kernel.live.remote import Remote
    from rpyc_kernel.transport.address import Address

READY_TIMEOUT_S = 60.0  # for a worker to import its shell; boards are slow
BUSY_TIMEOUT_S = 2.0  # for a session that was taken over to say where it is; its backlog comes first
RESTART_TIMEOUT_S = 30.0  # the old Python gets ten, and what it prints may travel slowly
POLL_INTERVAL_S = 0.05
RESTART_POLL_INTERVAL_S = 0.01
MAX_LINE_CHARACTERS = 2000
MAX_WARNING_CHARACTERS = 500
MAX_CELL_COUNT = 10**9

log = logging.getLogger(__name__)


class RemoteSession:
    """One session: its link, its Python, and what comes from it.

    Who uses it reads its fields and calls its methods. Those that say that they block are called on threads.

    Attributes:
        name: What sentences call its machine: the address as the user has written it.
        server: The address by which it is found again.
        label: What the notebook's cells call it, its address for as long as it has no other name.
        config: How it began.
        requests: Who waits for which reply.
        direct: Its direct connections, for bulk.
        watched: The folders of this machine that are synced before each cell, by their paths.
        kept: Whether the user has said how long the session outlives the notebook.
        used: Whether a cell of this notebook was sent there.
        orphaned: Whether `open` has failed when the session began or had begun, and could not end it.
    """

    def __init__(
        self,
        name: str,
        address: Address,
        host: SessionHost,
        session: str | None = None,
        *,
        link: Callable[..., Link] = Link,
        **link_options: Any,
    ) -> None:
        """Make a session that isn't connected yet.

        Args:
            name: The address as the user has written it.
            address: Where to dial.
            host: The notebook.
            session: The id of a session that runs already; without it, a new one begins.
            link: What makes the link.
            link_options: More arguments for it.
        """
        self._take_address(name, address)
        self.label = self.name
        self.config: dict[str, Any] = {}
        self.kept = self.used = self.orphaned = False
        self.requests = PendingRequests(host)
        self._updates = CommUpdates(self._send)
        self._host = host
        self._exits = WorkerExits(name)
        self._channels = Channels()
        self._remote: Remote | None = None
        self._forwarding: Forwarding | None = None
        self._inbox = Inbox(self, host, self.requests, self._exits, self._channels)
        self._link = link(address, self._inbox.take, self._changed, session, on_refused=self._refused, **link_options)
        self.direct = DirectConnections(self._link)
        self.watched: dict[str, FolderSync] = {}

    # --- what it is

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop in which replies are given out."""
        return self._host.loop

    @property
    def id(self) -> str:
        """The id by which the other machine knows the session."""
        return self._link.session

    @property
    def title(self) -> str:
        """The name by which people call the session."""
        return self._link.title or self.id[:8]

    @property
    def address(self) -> Address:
        """The address that the link dials."""
        return self._link.address

    @property
    def place(self) -> tuple[str, ...]:
        """What its machine calls itself and its user, () where it doesn't say: other machines may say the same."""
        host, user = (str(self._link.hello.get(key, ""))[:MAX_WARNING_CHARACTERS] for key in ("host", "user"))
        return (host, user) if host else ()

    @property
    def status(self) -> LinkStatus:
        """The state of the link."""
        return self._link.status

    @property
    def closed(self) -> bool:
        """Whether the session is not this notebook's any more."""
        return self._link.status is LinkStatus.CLOSED

    @property
    def error(self) -> RpycKernelError | None:
        """The error behind the status, if there is one."""
        return self._link.error

    @property
    def failure(self) -> str:
        """Why the last attempt to reconnect failed, a sentence."""
        return self._link.failure

    @property
    def info(self) -> dict[str, Any]:
        """The content of the last ``session_info``: the Python there, its shell and folder; {} before one has come."""
        return self._inbox.info

    @property
    def warnings(self) -> list[str]:
        """Sentences about all that would end a session on that machine to which nobody is connected."""
        found = self._link.hello.get("warnings")
        sentences = found[:5] if isinstance(found, list) else []
        return [plain(str(sentence), MAX_WARNING_CHARACTERS) for sentence in sentences]

    def describe(self) -> str:
        """Return one line: machine, Python, shell, folder."""
        host = str(self._link.hello.get("host", ""))
        where = f"{host} ({self.name})" if host and host != self.name else self.name
        if not self.info:
            return plain(where, MAX_LINE_CHARACTERS)
        shell = "" if self.info.get("shell", "plain") == "plain" else f", {self.info['shell']}"
        text = f"{where}: Python {self.info.get('python', '?')}{shell}, {self.info.get('cwd', '?')}"
        return plain(text, MAX_LINE_CHARACTERS)

    # --- how it begins, moves and ends

    def open(self, config: dict[str, Any], cancel: threading.Event, *, attach: bool = False) -> None:
        """Start the session, or with *attach* take over the one that runs. It blocks; *cancel* ends it.

        Raises:
            RpycKernelError: It can't be started or taken over; then nothing is left of it, unless it is `orphaned`.
        """
        self.kept, self.config = bool(config.get("kept")), config
        try:
            self._link.open(config, cancel, attach=attach)
        except (DialCancelledError, LinkError):
            self.orphaned = not attach and bool(self._link.hello)  # it was asked for, and may be there in a moment
            raise
        if attach:
            self._link.submit(Message("session_info_request", {}))
        deaths = self._link.attached.get("deaths")
        self._exits.known = max(self._exits.known, deaths if type(deaths) is int else 0)
        try:
            self._wait_ready(cancel, must=not attach)
        except BaseException:
            self.announce()
            ended = self._link.close(end=not attach)
            self.orphaned = not attach and not ended
            raise

    def _wait_ready(self, cancel: threading.Event, *, must: bool) -> None:
        started = time.monotonic()
        while not self._inbox.ready.wait(POLL_INTERVAL_S):
            if cancel.is_set():
                raise DialCancelledError(self.address)
            if self.closed and self.error:
                raise self.error
            if not must and (self.behind or time.monotonic() - started > BUSY_TIMEOUT_S):
                return
            if must and self._exits.known and (news := self._exits.take_news()):
                words = [news.partition(" The next cell ")[0], self._inbox.last_words]
                raise AgentError("\n".join(filter(None, words)))
            if time.monotonic() - started > READY_TIMEOUT_S:
                raise AgentError(f"The Python on {self.name} did not get ready within {READY_TIMEOUT_S:g} s.")

    def hurry(self) -> None:
        """Dial at once if the link is lost: somebody waits for it."""
        self._link.hurry()

    def wait_up(self, cancel: threading.Event) -> None:
        """Wait until the link is up, and dial at once. It blocks. Raises the error for which the link isn't up."""
        self._link.hurry()
        self._link.wait_up(cancel)

    def move(self, name: str, address: Address, cancel: threading.Event) -> None:
        """Reach the session another way from now on. It blocks. Raises the error for which that can't be."""
        before = self.address
        self._link.move(address)
        try:
            self._link.wait_up(cancel)
        except RpycKernelError:
            self._link.move(before)
            raise
        self._take_address(name, address)

    def _take_address(self, name: str, address: Address) -> None:
        self.server, self.name = name, address.name if name == str(address) else name

    def keep(self, seconds: float) -> None:
        """Have the session stay so long when nobody is connected, as the user has said. It blocks."""
        self._link.ask("keep", {"keep": seconds})
        self.kept = True

    def ask(
        self, op: str, header: dict[str, Any], timeout: float | None = None
    ) -> tuple[dict[str, Any], list[memoryview]]:
        """Do an operation of the session's keeper. It blocks.

        Args:
            op: The operation, as docs/architecture.md lists them.
            header: Its arguments.
            timeout: Seconds in which nothing comes; without it, those of a heartbeat.

        Returns:
            The answer, and the packets behind it.
        """
        return self._link.ask(op, header, timeout)

    def restart(self, by: str, cancel: threading.Event) -> bool:
        """End the Python there and begin another. It blocks.

        Args:
            by: The cell that shows the last words of the old one.
            cancel: Ends the waiting.

        Returns:
            Whether the old one has ended; it has some seconds for that.
        """
        python, restarts = self._channels.python, self._exits.restarts
        deadline = time.monotonic() + RESTART_TIMEOUT_S
        self._inbox.restarter = by
        try:
            self._link.ask("restart", {})
            while self._exits.restarts == restarts and time.monotonic() < deadline:
                if cancel.wait(RESTART_POLL_INTERVAL_S):
                    break
                if self.closed and self.error:
                    raise self.error
        finally:
            self._inbox.restarter = ""
        if self._exits.restarts == restarts:
            return False
        self._channels.restarted(python)
        self._exits.take_news()  # what ended one before is nothing to the fresh one's cells
        return True

    def close(self, *, end: bool) -> bool:
        """Leave the session, and *end* it too if it can be reached; return whether it has ended. It blocks."""
        self._stop_forwarding()
        self.direct.close()
        ended = self._link.close(end=end)
        if end:  # not before: what marks them in the page would wait for one that is gone, and the end would too
            self._inbox.lose_comms(f"The session on {self.name} was ended.")
        return ended

    # --- requests, in the event loop

    async def request(self, message: Message, show: Show | None = None) -> dict[str, Any]:
        """Send a request and return the content of its reply. Raises the error for which none will come.

        *show* says how its output is shown.
        """
        self.requests.own(message.parent, show)
        if message.type == "comm_msg" or self._updates.waiting:
            return await self._updates.request(message)
        return await self._send(message)

    def _send(self, message: Message) -> Awaitable[dict[str, Any]]:
        """Send a request at once; return what waits for the content of its reply."""
        expected = ExitStack()
        reply = expected.enter_context(self.requests.expect((reply_type(message.type), message.parent)))
        try:
            self.used = self.used or message.type == "execute_request"
            self._link.submit(message)
            if self.status is LinkStatus.LOST:
                self._show_status(LinkStatus.LOST, self._link.error)
        except BaseException:
            expected.close()
            raise

        async def wait() -> dict[str, Any]:
            with expected:
                return await reply

        return wait()

    def answer(self, question: Message, content: dict[str, Any]) -> None:
        """Answer an ``input_request``."""
        content = {**content, "serial": question.content.get("serial")}
        self._link.submit(Message("input_reply", content, question.parent))

    def rest_pictures(self, display: str, *, rests: bool) -> None:
        """Have ``show`` make no pictures of a display, if the session has it, or make them again."""
        if not self.closed:
            self._link.submit(Message("show_rest", {"display_id": display, "rests": rests}))

    def interrupt(self, msg_id: str) -> None:
        """Interrupt that request, now or when the link is back."""
        self._link.interrupt(msg_id)

    def was_tried(self, msg_id: str) -> bool:
        """Tell whether that request may have come over there."""
        return self._link.was_tried(msg_id)

    def keeps_interrupt(self, msg_id: str) -> bool:
        """Tell whether an interrupt of that request has not arrived yet, as far as is known."""
        return self._link.keeps_interrupt(msg_id)

    @loop_only
    def withdraw(self, msg_id: str, error: RpycKernelError) -> None:
        """While the link is lost, wait no longer for that request: who waits for its reply gets the error."""
        self._link.withdraw(msg_id)
        self.requests.fail(error, msg_id)

    # --- cells of other notebooks, where the session was taken over

    def adopt(self, by: str) -> None:
        """Show what belongs to cells of other notebooks in the cell *by*. To be called before `open`."""
        self.requests.adopter = by

    def announce(self) -> None:
        """Show what had been waiting there: the cell that took the session over has said what follows."""
        self._inbox.announced.set()

    def shown_by(self, msg_id: str) -> str:
        """Return the cell that shows what belongs to a request: its own, or the one that took the session over."""
        return self.requests.shown_by(msg_id)

    @property
    def behind(self) -> int:
        """The number of messages that had been waiting there and were not shown yet."""
        return self._link.behind

    @property
    def foreign_cells(self) -> list[str]:
        """The cells of other notebooks that had no reply yet when this link began, in their order."""
        found = self._link.attached.get("open")
        pairs = [pair for pair in found if isinstance(pair, list) and len(pair) == 2] if isinstance(found, list) else []
        cells = [str(msg_id) for msg_type, msg_id in pairs if msg_type == "execute_request"]
        return [msg_id for msg_id in cells if self.shown_by(msg_id) != msg_id]

    async def outcome(self, msg_id: str) -> dict[str, Any]:
        """Return the content of the reply to a cell of another notebook, once it has come."""
        if msg_id in self._inbox.foreign_replies:
            return self._inbox.foreign_replies.pop(msg_id)
        with self.requests.expect(("execute_reply", msg_id)) as reply:
            return await reply

    def last_count(self, *, now: bool) -> int | None:
        """Return the number of the last cell there, None where it isn't told.

        Args:
            now: Ask for it, which blocks; else it is the number when the link began.
        """
        told = self._link.ask("status", {})[0] if now else self._link.attached
        last = told.get("execution_count")
        return last if isinstance(last, int) and 0 <= last < MAX_CELL_COUNT else None

    # --- the ends of its Pythons

    @property
    def python(self) -> tuple[str, int, int]:
        """Which of the session's Pythons it is whose end isn't known."""
        return self.id, self._exits.known, self._exits.restarts

    @property
    def deaths(self) -> int:
        """The number of Pythons that have died there unasked, as far as is known; each cell says it to the keeper."""
        return self._exits.known

    @property
    def death(self) -> str:
        """The sentences that tell of a Python that has died unasked, until the next one has run a cell; else ""."""
        return self._exits.death

    @loop_only
    def refusal(self, number: int, at: float) -> str:
        """Return what a cell is answered that was sent before its client could know of a death; "" for any other.

        Args:
            number: Which of the shell messages it was.
            at: When it came, in seconds of the monotonic clock.
        """
        text = self._exits.error_for(number, at) if self._exits.any else ""
        if text:
            self._exits.told(text, self._host.arrived_until_now())
        return text and text + NOT_RUN

    def take_news(self) -> str:
        """Return what the next cell says of a death before it runs, "" where there is nothing to say."""
        return self._exits.take_news() if self._exits.any else ""

    @loop_only
    def told_by_connection(self) -> None:
        """Take note of a local cell that has failed because its live connection ended."""
        self._exits.told_by_connection(self._host.arrived_until_now())

    # --- live connections

    @property
    def remote(self) -> Remote:
        """RPyC's classic connection to the session, opened with the first use."""
        from rpyc_kernel.live.remote import Remote  # noqa: PLC0415 - it imports rpyc

        if self._remote is None or self._remote.closed:
            self._remote = Remote(self._channels, self._link, self.direct, self.name)
        return self._remote

    @property
    def has_python(self) -> bool:
        """Whether a Python runs there, as far as is known."""
        return self._channels.begun(0)

    @property
    def has_waiting_connection(self) -> bool:
        """Whether a live connection waits for an answer."""
        return self._channels.waiting

    def wait_for_python(self, cancel: threading.Event) -> None:
        """Wait until a Python runs there. It blocks. Raises AgentError, or DialCancelledError when cancelled."""
        give_up = time.monotonic() + READY_TIMEOUT_S
        while not self._channels.begun(POLL_INTERVAL_S) and not self.closed:
            if cancel.is_set():
                raise DialCancelledError(self.name)
            if self.status is LinkStatus.UP and time.monotonic() > give_up:
                raise AgentError(f"No Python has begun on {self.name} within {READY_TIMEOUT_S:g} s.")

    # --- ports

    @property
    def forwarding(self) -> Forwarding:
        """The ports there that are forwarded to this machine."""
        from rpyc_kernel.link.forwarding import Forwarding  # noqa: PLC0415 - most notebooks forward nothing
        from rpyc_kernel.link.tunnel import Tunnel  # noqa: PLC0415

        if self._forwarding is None:
            self._forwarding = Forwarding(Tunnel(self._link, self.direct, self.name))
        return self._forwarding

    def _stop_forwarding(self) -> None:
        if self._forwarding is not None:
            self._forwarding.close()

    # --- what the link calls, on any thread

    def _changed(self, status: LinkStatus, error: RpycKernelError | None) -> None:
        log.info("%s: %s %s", self.name, status.value, error or "")
        if status is LinkStatus.CLOSED:
            self._inbox.closed.set()
            self._stop_forwarding()
            self._channels.fail(error or RemoteClosedError(self.name, "the session was left"))
        self._inbox.soon(self._show_status, status, error)
        if status is LinkStatus.CLOSED and error is not None:
            self._inbox.lose_comms(str(error))
            self._inbox.soon(self.requests.fail, error)
        self._host.changed(self, status)

    @loop_only
    def _show_status(self, status: LinkStatus, error: RpycKernelError | None) -> None:
        if status is LinkStatus.LOST and isinstance(error, LOCKED_OUT):
            self.requests.show_lost(f"link to {self.name} lost. {error}", again=True)
        elif status is LinkStatus.LOST:
            self.requests.show_lost(f"link to {self.name} lost, reconnecting…")
        else:
            back = status is LinkStatus.UP
            self.requests.show_end(f"link to {self.name} {'was lost, and is back' if back else 'lost'}")

    def _refused(self, msg_id: str, error: RpycKernelError) -> None:
        """Give up a request that the machine doesn't take, or with "" all."""
        self._inbox.soon(self.requests.fail, error, msg_id)
