"""The requests to one session and what comes back: who waits for which reply, and which cell shows the output."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.kernel.loop_only import loop_only
from rpyc_kernel.kernel.sessions.comm_table import OWN_PREFIX
from rpyc_kernel.kernel.sessions.worker_exits import NOT_RUN, WorkerExits
from rpyc_kernel.link.state import end_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpyc_kernel.kernel.ports import HostedSession, SessionHost
    from rpyc_kernel.live.channels import Channels

LOOKED_UP = frozenset({"complete_reply", "inspect_reply", "debug_reply"})
MAX_OWN_REQUESTS = 4096
ANNOUNCE_TIMEOUT_S = 5.0

Key = tuple[str, str]
"""The type of a reply, and the ``msg_id`` of its request."""

Show = Callable[[Message], Iterable[Message]]
"""Returns what is shown for a message of a request's output, on the link's thread."""


class PendingRequests:
    """A future for each reply that is waited for, in the order of the requests. It lives in the event loop.

    Attributes:
        adopter: The cell that took the session over and shows what no request of ours asked for, "" for none.
    """

    def __init__(self, host: SessionHost) -> None:
        self.adopter = ""
        self._host = host
        self._futures: dict[Key, asyncio.Future[dict[str, Any]]] = {}
        self._own: OrderedDict[str, Show | None] = OrderedDict()  # our requests on this link
        self._told: set[str] = set()  # the cells whose line tells of a link that is lost just now

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop."""
        return self._host.loop

    def own(self, msg_id: str, show: Show | None = None) -> None:
        """Take note of a request of ours, and of how its output is shown."""
        self._own[msg_id] = show
        if len(self._own) > MAX_OWN_REQUESTS:
            self._own.popitem(last=False)

    def shown(self, message: Message) -> Iterable[Message]:
        """Return what is shown of the output of a request: by default as it is. Any thread may call it."""
        show = self._own.get(message.parent)
        return (message,) if show is None else show(message)

    def shown_by(self, msg_id: str) -> str:
        """Return the cell that shows what belongs to a request: its own, or the adopter. Any thread may ask."""
        return self.adopter if self.adopter and msg_id not in self._own else msg_id

    @contextmanager
    def expect(self, key: Key) -> Iterator[asyncio.Future[dict[str, Any]]]:
        """Within it the reply is waited for: the future gets its content, or the error for which none will come."""
        future = asyncio.get_running_loop().create_future()
        self._futures[key] = future
        try:
            yield future
        finally:
            self._futures.pop(key, None)

    @loop_only
    def resolve(self, key: Key, content: dict[str, Any]) -> bool:
        """Give a reply to who waits for it; return whether somebody does."""
        future = self._futures.get(key)
        if future is not None and not future.done():
            future.set_result(content)
        return future is not None

    @loop_only
    def fail(self, error: Exception, msg_id: str = "") -> None:
        """Give the error to who waits for a reply to that request, or with "" to all who wait."""
        for (_reply, request), future in list(self._futures.items()):
            if msg_id in ("", request) and not future.done():
                future.set_exception(error)

    @loop_only
    def waits(self, msg_id: str) -> bool:
        """Tell whether a reply to that request is waited for."""
        return any(request == msg_id for _reply, request in self._futures)

    @loop_only
    def queue(self) -> list[str]:
        """Return the ``msg_id`` of what runs there and of what waits behind it, as far as is known here.

        A session takes cells and comm messages in their order. It answers completion and inspection beside them.
        """
        return [request for reply, request in self._futures if reply not in LOOKED_UP]

    # --- how the link is, in the cells that wait for it

    @loop_only
    def show_link(self, msg_id: str, text: str) -> None:
        """Say how the link is, in the cell that shows that request; `show_end` says there what became of it."""
        cell = self.shown_by(msg_id)
        self._told.add(cell)
        self._host.output.line(cell, text)

    @loop_only
    def show_lost(self, text: str, *, again: bool = False) -> None:
        """Say that the link is lost, in each cell that waits and wasn't told; with *again* in those that were, too."""
        for reply, request in self._futures:
            if reply == "execute_reply" and (again or self.shown_by(request) not in self._told):
                self.show_link(request, text)

    @loop_only
    def show_end(self, text: str) -> None:
        """Say that the link is lost no longer, in each cell that was told that it is."""
        for cell in self._told:
            self._host.output.line(cell, text)
        self._told.clear()

    @loop_only
    def warn(self, msg_id: str, text: str) -> None:
        """Tell something in the cell that shows that request."""
        self._host.output.say(text, self.shown_by(msg_id), "stderr")


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
        self._lost_widgets = 0  # of the Python that has ended last
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
            self._tell_watchers()
            self.lose_comms(self._exits.fate(end))
            end["widgets"] = self._lost_widgets
            self._host.python_ended(self._session)
        if message.type == "session_info":
            self._channels.python_began(message.content.get("pid"))
            self._lost_widgets = 0
            if self._host.comms.found(self._session, message.content.pop("comms", None)):
                self.soon(self._host.found_widgets, self._session)
            self.info = message.content
            self.ready.set()
            return
        if message.type.startswith("rpyc_"):
            self._channels.take(message)
            return
        if message.type == "direct_reply":
            self._session.direct.take(message)
            return
        if message.type == "debug_event":
            self._host.debug_event(self._session, message.content)
            return
        if self._requests.adopter and backlog:
            self.announced.wait(ANNOUNCE_TIMEOUT_S)
        if self._concerns_comms(message) and self._host.comms.take(self._session, message):
            return
        self._host.before(message)
        if message.type == "input_request":
            self.soon(self._host.ask, self._session, message)
        elif message.type == "worker_died":
            if end is not None and not end.get("restart"):  # whoever has restarted it knows
                self._exits.came(end, time.monotonic())
        elif message.type.endswith("_reply"):
            self._take_reply(message, end)
        else:
            for shown in self._requests.shown(message):
                shown.parent = self._requests.shown_by(shown.parent)
                if self.restarter and not self._host.runs(shown.parent):
                    shown.parent = self.restarter
                self._host.output.publish(shown, self.closed, backlog=backlog)

    def _concerns_comms(self, message: Message) -> bool:
        """Tell whether the table of comms has to see a message: few do, and each line that is printed comes by here."""
        kind = message.type
        return (kind.startswith("comm_") or message.parent.startswith(OWN_PREFIX)) and not kind.endswith("_reply")

    def _tell_watchers(self) -> None:
        self._host.changed(self._session, self._session.status)

    def lose_comms(self, fate: str) -> None:
        """Mark the widgets of a Python that is gone in the page. Any thread may call it.

        Args:
            fate: What became of it, a sentence.
        """
        self._lost_widgets = max(self._lost_widgets, self._host.comms.count(self._session))
        for message in self._host.comms.lost(self._session, f"{fate} This widget is dead; its cell makes a new one."):
            self._host.output.publish(message, self.closed)

    def _take_reply(self, message: Message, end: dict[str, Any] | None) -> None:
        content, told = message.content, ""
        if end is None and message.type == "execute_reply" and self._exits.death:
            self._exits.ran()
            self._tell_watchers()
        if end is not None and message.type == "execute_reply":
            text = self._exits.describe(end)
            shown = text + ("" if content.get("begun") else NOT_RUN)
            content = self._show_death(shown, message.parent)
            told = "" if end.get("restart") else text
        self.soon(self._resolve, (message.type, message.parent), content, told)

    def _show_death(self, text: str, parent: str) -> dict[str, Any]:
        """Show in the cell of a request that its Python has died; return the content of the reply."""
        cell = self._requests.shown_by(parent)
        content = {"ename": "WorkerDied", "evalue": text, "traceback": [f"WorkerDied: {text}"]}
        shown = list(self._requests.shown(Message("error", dict(content), parent)))
        if [each.type for each in shown] == ["error"]:
            return self._host.output.error("WorkerDied", text, cell)
        for each in shown:  # the cell runs on several machines, and has an error of its own at its end
            each.parent = cell
            self._host.output.publish(each, self.closed)
        return {"status": "error", **content}

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
