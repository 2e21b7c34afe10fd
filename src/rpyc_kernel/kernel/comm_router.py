"""Comm messages of front ends go to the session whose comm it is, and pages get back the widgets of all sessions."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import NotTakenError, RpycKernelError, TooLongError
from rpyc_kernel.kernel.page.widgets import PageWidgets
from rpyc_kernel.kernel.sessions.widget_states import CONTROL, REQUEST, WidgetStates, ask_here, ask_session
from rpyc_kernel.link.protocol import LinkStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from rpyc_kernel.kernel.cells import RunningCells
    from rpyc_kernel.kernel.sessions.comm_table import CommOwner
    from rpyc_kernel.kernel.sessions.registry import SessionRegistry
    from rpyc_kernel.kernel.sessions.session import RemoteSession

STATES_TIMEOUT_S = 3.0  # a page gives up after 4, and asks each widget for itself

LEFT = 'This widget belongs to a session on {name} that this notebook has left; %connect "{name}" leads back to it.'
DROPPED = "The link to {name} is lost: this click was not carried there, since nobody knows when it would arrive."

log = logging.getLogger(__name__)


class CommRouter:
    """Carries comm messages between front ends and sessions. It lives in the event loop.

    Args:
        cells: The notebook, with its `CommTable`.
        sessions: Its sessions.
        request: Sends a request that the stop button reaches.
        local_targets: The targets that are registered in this process.
    """

    def __init__(
        self,
        cells: RunningCells,
        sessions: SessionRegistry,
        request: Callable[[RemoteSession, Message], Awaitable[dict[str, Any]]],
        local_targets: Callable[[], dict[str, Any]],
    ) -> None:
        self._cells = cells
        self._comms = cells.comms
        self._output = cells.output
        self._sessions = sessions
        self._request = request
        self._local_targets = local_targets
        self._controls: set[str] = set()  # the comms by which pages ask for all widgets
        self._told: set[str] = set()  # the ids of sessions of which it was said that they were left
        self._tasks: set[asyncio.Task[None]] = set()
        self._page = PageWidgets(cells.output, cells.comms)
        cells.watch(self._page)
        cells.found_widgets = self.found_widgets

    async def carry(self, parent: dict[str, Any]) -> bool:
        """Carry a comm message of a front end to where its comm is. Return whether there is somebody to take it."""
        content, msg_type = parent["content"], parent["header"]["msg_type"]
        comm_id, msg_id = str(content.get("comm_id")), self._output.remember(parent)
        if content.get("target_name") == CONTROL or comm_id in self._controls:
            await self._control(msg_type, comm_id, content.get("data"), msg_id)
            return True
        session: Any = self._comms.session_of(comm_id)
        if session is None and self._tell_loss(comm_id, msg_id):
            return True
        session = session or self._sessions.current
        if session is None or session.closed:
            return session is not None and self._tell_left(session, msg_id)
        buffers = [bytes(buffer) for buffer in parent.get("buffers", ())]
        message = Message(msg_type, content, msg_id, parent.get("metadata"), buffers)
        if session.status is LinkStatus.UP:
            self._comms.note(session, msg_type, content)
            await self._send(self._request(session, message), message)
        elif _is_click(message):
            self._output.say(DROPPED.format(name=session.name), msg_id, "stderr")
        else:  # nobody waits for the link here: the next cell may be a local one
            self._comms.note(session, msg_type, content)
            self._begin(self._send(session.request(message), message))
        return True

    async def _send(self, sent: Awaitable[dict[str, Any]], message: Message) -> None:
        try:
            await sent
        except (TooLongError, NotTakenError) as error:
            self._output.say(str(error), message.parent, "stderr")
        except RpycKernelError as error:
            log.info("a %s was not delivered: %s", message.type, error)

    def _tell_loss(self, comm_id: str, msg_id: str) -> bool:
        """Say once why a comm's Python is gone; return whether it is."""
        loss = self._comms.loss_of(comm_id)
        if loss is not None and not loss.told:
            loss.told = True
            self._output.say(loss.sentence, msg_id, "stderr")
        return loss is not None

    def _tell_left(self, session: CommOwner, msg_id: str) -> bool:
        if session.id not in self._told:
            self._told.add(session.id)
            self._output.say(LEFT.format(name=session.name), msg_id, "stderr")
        return True

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- pages that ask for all widgets

    async def _control(self, msg_type: str, comm_id: str, data: object, msg_id: str) -> None:
        """Answer a page for all Pythons at once: it knows of one, and asks once."""
        self._page.asked = True
        if msg_type == "comm_open":
            self._controls.add(comm_id)
        elif msg_type == "comm_close":
            self._controls.discard(comm_id)
        elif isinstance(data, dict) and data.get("method") == REQUEST["method"]:
            try:
                async with asyncio.timeout(STATES_TIMEOUT_S):
                    states = await self._all_states()
            except (TimeoutError, RpycKernelError):
                states = None
            if states is None:  # the page asks each widget for itself at once, and waits for a cell that runs
                self._output.send("comm_close", {"comm_id": comm_id, "data": {}}, msg_id)
            else:
                content = {"comm_id": comm_id, "data": states.data}
                self._output.send("comm_msg", content, msg_id, None, states.buffers)

    async def _all_states(self) -> WidgetStates | None:
        found = WidgetStates()
        local = self._local_targets().get(CONTROL)
        holders = self._comms.holders_of_widgets()
        if any(session.status is not LinkStatus.UP for session in holders):
            return None
        parts = await asyncio.gather(*(ask_session(session, self._comms) for session in holders))
        for part in (*parts, ask_here(local) if local is not None else WidgetStates()):
            if part is None:
                return None
            found.add(part)
        return found

    def found_widgets(self, session: CommOwner) -> None:
        """Have pages get to know the widgets of a session that was taken over."""
        self._begin(self._show_found(session))

    async def _show_found(self, session: CommOwner) -> None:
        try:
            states = await ask_session(session, self._comms)
        except RpycKernelError as error:
            log.info("the widgets of %s can't be told: %s", session.name, error)
            return
        if states is None:
            return
        for comm_id in self._comms.not_shown(session):
            if comm_id in states.states:
                opening = states.opening(comm_id)
                self._comms.note(session, opening.type, opening.content)
                self._output.send(opening.type, opening.content, "", opening.metadata, opening.buffers)


def _is_click(message: Message) -> bool:
    data = message.content.get("data") if message.type == "comm_msg" else None
    return isinstance(data, dict) and data.get("method") == "custom"
