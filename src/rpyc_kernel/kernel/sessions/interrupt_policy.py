"""A press of the stop button for a request on another machine: the link and earlier presses decide what it does.

A press reaches the request that runs, whatever that does, and none of those that wait behind it. While the link is
down it is kept and delivered once the link is back; the cell waits for that only a moment, and not at all after a
second press. Where a second press doesn't end a cell soon, the cell names the way out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from rpyc_kernel.errors import CommandError, WaitingStoppedError, WithdrawnError
from rpyc_kernel.kernel.loop_only import loop_only
from rpyc_kernel.link.protocol import LinkStatus

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.kernel.cells import RunningCells
    from rpyc_kernel.kernel.ports import HostedSession
    from rpyc_kernel.kernel.sessions.session import RemoteSession

SECOND_PRESS_S = 3.0  # between two presses of somebody who sees that nothing happens
SAME_PRESS_S = 0.1  # between two that are one: a front end may send both an interrupt and a signal
LINK_GRACE_S = 5.0  # that a cell that was stopped waits for the link
END_GRACE_S = 2.0  # that a cell has to end after a second press

HINT = (
    "The cell on {name} has been told twice to stop and goes on. %restart, in a cell of its own, ends the Python there "
    "and keeps the connection; the variables are lost then."
)
KEPT = "link to {name} lost, reconnecting… The cell is stopped when it is back; press stop again to wait no longer."


class InterruptPolicy:
    """Counts the presses for each request, and decides what each of them does.

    Attributes:
        watched: The types of the messages that it wants to know of: none.
    """

    watched: frozenset[str] = frozenset()

    def __init__(self, cells: RunningCells) -> None:
        self._cells = cells
        # of each session the last press: whose, with what waited behind it, and when
        self._last: WeakKeyDictionary[RemoteSession, tuple[list[str], float]] = WeakKeyDictionary()
        self._hinted = ""

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop in which it decides."""
        return self._cells.loop

    def press(self, session: RemoteSession, msg_id: str) -> None:
        """Take a press of the stop button while that request waits for its reply. Any thread may call it."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.pressed, session, msg_id)

    @loop_only
    def pressed(self, session: RemoteSession, msg_id: str) -> None:
        """Do what the press means. The request may wait behind others."""
        now = time.monotonic()
        queue = [msg_id]
        if session.status is LinkStatus.UP:
            queue = session.requests.queue() or queue
            msg_id = queue[0]
        before, then = self._last.get(session, ([""], 0.0))
        if msg_id in before and now - then < SAME_PRESS_S:
            return
        again = before[0] == msg_id
        self._last[session] = queue, now
        if session.status is LinkStatus.UP:
            session.interrupt(msg_id)
            self._cells.stop_asking(msg_id)
            if again and now - then < SECOND_PRESS_S and self._hinted != msg_id:
                self._hinted = msg_id
                self._later(END_GRACE_S, self._hint, session, msg_id)
        elif session.status is LinkStatus.LOST:
            if not session.was_tried(msg_id):
                session.withdraw(msg_id, WithdrawnError(session.address))
            elif again:
                self._wait_no_longer(session, msg_id)
            else:
                session.interrupt(msg_id)
                self._wait_a_moment(session, msg_id)
        else:
            session.requests.fail(session.error or CommandError(f"The link to {session.name} is down."))

    def before(self, message: Message) -> None:
        """Take note of no message."""

    def changed(self, session: HostedSession, status: LinkStatus) -> None:
        """Take note of a link that was lost. On any thread."""
        if status is LinkStatus.LOST and self.loop is not None:
            self.loop.call_soon_threadsafe(self._lost, cast("RemoteSession", session))

    @loop_only
    def _lost(self, session: RemoteSession) -> None:
        """A press that was under way is kept, too: nobody knew yet that the link was down."""
        (msg_id, *_behind), _then = self._last.get(session, ([""], 0.0))
        waits = session.status is LinkStatus.LOST and session.requests.waits(msg_id)
        if waits and session.keeps_interrupt(msg_id):
            self._wait_a_moment(session, msg_id)

    def _wait_a_moment(self, session: RemoteSession, msg_id: str) -> None:
        session.requests.show_link(msg_id, KEPT.format(name=session.name))
        self._later(LINK_GRACE_S, self._wait_no_longer, session, msg_id)

    def _later(self, seconds: float, call: Callable[[RemoteSession, str], None], *args: Any) -> None:
        assert self.loop is not None
        self.loop.call_later(seconds, call, *args)

    def _hint(self, session: RemoteSession, msg_id: str) -> None:
        if session.requests.waits(msg_id):
            session.requests.warn(msg_id, HINT.format(name=session.name))

    def _wait_no_longer(self, session: RemoteSession, msg_id: str) -> None:
        if session.status is LinkStatus.LOST and session.requests.waits(msg_id):
            session.withdraw(msg_id, WaitingStoppedError(session.address, session.failure))
