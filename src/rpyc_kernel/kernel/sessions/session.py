"""One machine of a notebook: its session, and what comes from it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import AgentError, DialCancelledError, RemoteClosedError, RpycKernelError
from rpyc_kernel.kernel.sessions.worker_exits import WorkerExits
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.live.channels import Channels
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpyc_kernel.live.remote import Remote
    from rpyc_kernel.transport.address import Address

READY_TIMEOUT = 60.0  # seconds for a worker to import its shell; boards are slow
BUSY_TIMEOUT = 2.0  # seconds for a session that was taken over to say where it is; its backlog comes first
ANNOUNCE_TIMEOUT = 5.0  # seconds
REMEMBERED = 4096  # requests
MAX_LINE = 2000  # characters
LOOK = 0.05  # seconds between two looks at whether something has come


class Machine:
    """One machine with its link, and what its worker says of itself.

    :ivar default: whether cells run here only because no machine was named
    :ivar kept: whether the user has said how long the session outlives the notebook
    :ivar used: whether a cell of this notebook has run there
    :ivar orphaned: whether `open` failed when its session had begun, and could not end it
    :ivar foster: the ``msg_id`` of the cell that took the session over, and shows what no request of ours asked for
    :ivar restarting: the ``msg_id`` of the cell that restarts the Python there: it shows the last words of the old one
    """

    def __init__(
        self,
        name: str,
        address: Address,
        on_message: Callable[[Machine, Message, bool], None],
        on_status: Callable[[Machine, LinkStatus, RpycKernelError | None], None],
        session: str | None,
        *,
        on_refused: Callable[[Machine, str, RpycKernelError], None] = lambda _machine, _msg_id, _error: None,
        **link_options: Any,
    ) -> None:
        self.name = name
        self.info: dict[str, Any] = {}
        self.default = self.kept = self.used = self.orphaned = False
        self.foster = self.restarting = ""
        self.exits = WorkerExits(name)
        self.replies: dict[str, dict[str, Any]] = {}  # to cells of other notebooks, by their msg_id
        self._asked: OrderedDict[str, None] = OrderedDict()  # the msg_ids of our requests on this link
        self._ready = threading.Event()
        self.announced = threading.Event()  # the cell has said what it is that follows
        self.channels = Channels()
        self._remote: Any = None
        self._last_words = ""  # what a Python that died at birth had to say
        self._on_message = on_message
        self._on_status = on_status
        self.link = Link(
            address,
            self._take,
            self._changed,
            session,
            on_refused=lambda msg_id, error: on_refused(self, msg_id, error),
            **link_options,
        )

    def describe(self) -> str:
        """One line: machine, Python, shell, folder."""
        host = str(self.link.hello.get("host", ""))
        where = f"{host} ({self.name})" if host and host != self.name else self.name
        if not self.info:
            return plain(where, MAX_LINE)
        shell = "" if self.info.get("shell", "plain") == "plain" else f", {self.info['shell']}"
        return plain(f"{where}: Python {self.info.get('python', '?')}{shell}, {self.info.get('cwd', '?')}", MAX_LINE)

    @property
    def title(self) -> str:
        """What people call the session."""
        return self.link.title or self.link.session[:8]

    @property
    def foreign_cells(self) -> list[str]:
        """The cells of other notebooks that had no reply yet when this link began, in their order."""
        found = self.link.attached.get("open")
        pairs = [pair for pair in found if isinstance(pair, list) and len(pair) == 2] if isinstance(found, list) else []
        cells = [str(msg_id) for msg_type, msg_id in pairs if msg_type == "execute_request"]
        return [msg_id for msg_id in cells if self.shown_by(msg_id) != msg_id]

    def ask(self, message: Message) -> None:
        """Send a request of ours there."""
        self._asked[message.parent] = None
        if len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        self.link.submit(message)

    def shown_by(self, msg_id: str) -> str:
        """The cell that shows what belongs to a request: its own, or the one that took the session over."""
        return self.foster if self.foster and msg_id not in self._asked else msg_id

    @property
    def remote(self) -> Remote:
        """RPyC's classic connection to the session, opened with the first use."""
        from rpyc_kernel.live.remote import Remote  # noqa: PLC0415 - it imports rpyc

        if self._remote is None or self._remote.closed:
            self._remote = Remote(self.channels, self.link, self.name)
        return self._remote  # type: ignore[no-any-return]

    @property
    def usable(self) -> bool:
        """Whether a Python runs there, as far as is known."""
        return self.link.status is not LinkStatus.CLOSED and self.channels.begun(0)

    def open(self, config: dict[str, Any], cancel: threading.Event, *, attach: bool = False) -> None:
        """Start a session there, or with *attach* take over the one that was named. Raises a RpycKernelError."""
        self.link.open(config, cancel, attach=attach)
        if attach:
            self.link.submit(Message("session_info_request", {}))
        deaths = self.link.attached.get("deaths")
        self.exits.known = max(self.exits.known, deaths if type(deaths) is int else 0)
        try:
            self._wait_ready(cancel, must=not attach)
        except BaseException:
            self.announced.set()
            ended = self.link.close(end=not attach)
            self.orphaned = not attach and not ended
            raise

    def _take(self, message: Message, backlog: bool) -> None:
        if message.type == "stream" and not self._ready.is_set():
            self._last_words = str(message.content.get("text", ""))[-500:].strip()
        self.exits.note(message)
        if self.channels.take(message):
            return
        if message.type == "session_info":
            self.info = message.content
            self._ready.set()
        else:
            if self.foster and backlog:
                self.announced.wait(ANNOUNCE_TIMEOUT)
            self._on_message(self, message, backlog)

    def _changed(self, status: LinkStatus, error: RpycKernelError | None) -> None:
        if status is LinkStatus.CLOSED:
            self.channels.fail(error or RemoteClosedError(self.name, "the session was left"))
        self._on_status(self, status, error)

    def _wait_ready(self, cancel: threading.Event, *, must: bool) -> None:
        started = time.monotonic()
        while not self._ready.wait(LOOK):
            if cancel.is_set():
                raise DialCancelledError(self.link.address)
            if self.link.status is LinkStatus.CLOSED and self.link.error:
                raise self.link.error
            if not must and (self.link.behind or time.monotonic() - started > BUSY_TIMEOUT):
                return
            if must and self.exits.known and (news := self.exits.take_news()):
                raise AgentError("\n".join(filter(None, [news.partition(" The next cell ")[0], self._last_words])))
            if time.monotonic() - started > READY_TIMEOUT:
                raise AgentError(f"The Python on {self.name} did not get ready within {READY_TIMEOUT:g} s.")
