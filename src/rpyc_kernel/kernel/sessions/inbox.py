"""Where each message goes that comes from a session: to who waits for it, or to the cell that shows it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from rpyc_kernel.kernel.loop_only import loop_only
from rpyc_kernel.kernel.sessions.worker_exits import NOT_RUN, WorkerExits
from rpyc_kernel.link.state import end_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.kernel.ports import HostedSession, SessionHost
    from rpyc_kernel.kernel.sessions.requests import PendingRequests
    from rpyc_kernel.live.channels import Channels

ANNOUNCE_TIMEOUT_S = 5.0


class Inbox:
    """Sorts the messages of one session. Replies are given out in the event loop, output is shown at once.

    Attributes:
        info: The content of the last ``session_info``, {} before one has come.
        ready: Set once a Python has begun there.
        announced: Set once the cell that took the session over has said what follows.
        closed: Set once the session isn't this notebook's any more; it ends waiting for a slow front end.
        restarter: The cell that restarts the Python there, and shows the last words of the old one, or "".
        last_words: What a Python that died at birth had to say.
        foreign_replies: Replies to cells of other notebooks that nobody has waited for yet, by their ``msg_id``.
    """

    def __init__(
        self,
        session: HostedSession,
        host: SessionHost,
        requests: PendingRequests,
        exits: WorkerExits,
        channels: Channels,
    ) -> None:
        self.info: dict[str, Any] = {}
        self.ready = threading.Event()
        self.announced = threading.Event()
        self.closed = threading.Event()
        self.restarter = ""
        self.last_words = ""
        self.foreign_replies: dict[str, dict[str, Any]] = {}
        self._host = host
        self._session = session
        self._requests = requests
        self._exits = exits
        self._channels = channels

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop in which replies are given out."""
        return self._host.loop

    def soon(self, call: Callable[..., object], *args: Any) -> None:
        """Call something in the event loop. Any thread may call it."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(call, *args)

    def take(self, message: Message, backlog: bool) -> None:
        """Take the next message, on the link's thread. *backlog*: whether it had been waiting over there."""
        if message.type == "stream" and not self.ready.is_set():
            self.last_words = str(message.content.get("text", ""))[-500:].strip()
        end = end_of(message)
        if end is not None:
            self._exits.note(end, message.content.get("deaths"))
            self._channels.python_ended(end)
        if message.type == "session_info":
            self._channels.python_began(message.content.get("pid"))
            self.info = message.content
            self.ready.set()
            return
        if message.type.startswith("rpyc_"):
            self._channels.take(message)
            return
        if self._requests.adopter and backlog:
            self.announced.wait(ANNOUNCE_TIMEOUT_S)
        self._host.before(message)
        if message.type == "input_request":
            self.soon(self._host.ask, self._session, message)
        elif message.type == "worker_died":
            if end is not None and not end.get("restart"):  # whoever has restarted it knows
                self._exits.came(end, time.monotonic())
        elif message.type.endswith("_reply"):
            self._take_reply(message, end)
        else:
            message.parent = self._requests.shown_by(message.parent)
            if self.restarter and not self._host.runs(message.parent):
                message.parent = self.restarter
            self._host.output.publish(message, self.closed, backlog=backlog)

    def _take_reply(self, message: Message, end: dict[str, Any] | None) -> None:
        content, told = message.content, ""
        if end is not None and message.type == "execute_reply":
            text = self._exits.describe(end)
            shown = text + ("" if content.get("begun") else NOT_RUN)
            content = self._host.output.error("WorkerDied", shown, self._requests.shown_by(message.parent))
            told = "" if end.get("restart") else text
        self.soon(self._resolve, (message.type, message.parent), content, told)

    @loop_only
    def _resolve(self, key: tuple[str, str], content: dict[str, Any], told: str) -> None:
        content.setdefault("status", "ok")
        if told:
            self._exits.told(told, self._host.arrived_until_now())
        msg_type, msg_id = key
        if self._requests.resolve(key, content) or msg_type != "execute_reply":
            return
        if msg_id in self._session.foreign_cells:
            self.foreign_replies[msg_id] = content
