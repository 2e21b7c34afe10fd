"""The notebook's cells: which of them run, what stops them, and whom the ``input()`` of one asks."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from rpyc_kernel.kernel.loop_only import loop_only
from rpyc_kernel.kernel.sessions.comm_table import CommOwner, CommTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.kernel.jupyter.iopub import Publisher
    from rpyc_kernel.kernel.ports import HostedSession
    from rpyc_kernel.link.protocol import LinkStatus

NOTHING: dict[str, Any] = {"status": "ok", "payload": [], "user_expressions": {}}
"""The content of the reply of a part of a cell that gives none of its own."""


@dataclass
class Cell:
    """One ``execute_request`` on its way: what its parts have in common, wherever each of them runs.

    Attributes:
        msg_id: The id of the request.
        count: Its number, of which a session that is taken over has a count of its own.
        shown: The number that the front end shows.
        silent: Whether it shows nothing.
        store_history: Whether it enters the history.
        allow_stdin: Whether its client can be asked for input.
        user_expressions: What is to be evaluated after it.
        machine: The machine that ``%%on`` names, "" for the one where cells run.
        text: All of it, as its front end knows it.
    """

    msg_id: str
    count: int
    shown: int
    silent: bool
    store_history: bool
    allow_stdin: bool
    user_expressions: dict[str, str] = field(default_factory=dict)
    machine: str = ""
    text: str = ""


class InterruptTargets:
    """Knows what runs, for the cell and beside it, and how each of these is stopped. No I/O.

    The event loop says what runs. The control thread, or a signal, interrupts.

    Attributes:
        interrupted: Whether the cell that runs was interrupted, since it was taken.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._of_cell: list[Callable[[], None]] = []
        self._beside: list[Callable[[], None]] = []  # the oldest first

    def __bool__(self) -> bool:
        """Tell whether anything runs."""
        return bool(self._of_cell or self._beside)

    @contextmanager
    def cell(self) -> Iterator[None]:
        """Within it a cell runs, which can be interrupted before its code runs anywhere."""
        self.interrupted = False
        with self.stoppable(lambda: None):
            yield

    @contextmanager
    def stoppable(self, stop: Callable[[], None], *, beside: bool = False) -> Iterator[None]:
        """Within it an interrupt calls *stop*.

        An interrupt that came before, in the same cell, calls it at once: the cell was stopped, whatever it did then.
        Of what runs *beside* the cells, an interrupt stops the oldest alone, and nothing while a cell runs.
        """
        stops = self._beside if beside else self._of_cell
        stops.append(stop)
        try:
            if self.interrupted and not beside:
                stop()
            yield
        finally:
            stops.remove(stop)

    def interrupt(self) -> None:
        """Stop what runs for the cell, else the oldest of what runs beside the cells."""
        self.interrupted = bool(self._of_cell)  # first of all: what begins now looks at this
        for stop in [*self._of_cell] or self._beside[:1]:
            stop()


class AskFrontEnd(Protocol):
    """Asks the client *ident* of the request *parent* for a line."""

    async def __call__(self, prompt: str, *, password: bool, parent: dict[str, Any], ident: Any) -> str:
        """Return the line. To stop asking, the task is cancelled."""


class Watcher(Protocol):
    """Wants to know what comes from sessions, and how their links are."""

    @property
    def watched(self) -> frozenset[str] | None:
        """The types of the messages that it wants to know of, None for all."""

    def before(self, message: Message) -> None:
        """Take note of a message that is about to be shown. On the link's thread."""

    def changed(self, session: HostedSession, status: LinkStatus) -> None:
        """Take note of a link that has changed. On any thread."""


class DebuggerEvents(Protocol):
    """Takes note of what happens to the cells that are debugged on other machines. On the link's thread."""

    def event(self, session: Any, content: dict[str, Any]) -> None:
        """Take the content of a ``debug_event``."""

    def python_ended(self, session: HostedSession) -> None:
        """Take note of the end of a Python: nothing of it is stopped any more."""


class RunningCells:
    """The cells that run: who asked for each. It is the `SessionHost` of sessions, and lives in the event loop.

    Attributes:
        loop: The kernel's event loop, set when the kernel starts.
        output: Shows something in a cell.
        arrived_until_now: Returns the number of the last shell message that has come.
        comms: The comms of all sessions.
        found_widgets: Called with a session that was taken over and has widgets which front ends don't know.
        debugger: Is told what the debuggers on other machines tell.
    """

    loop: asyncio.AbstractEventLoop | None = None
    found_widgets: Callable[[CommOwner], None]

    def __init__(self, output: Publisher, ask_front_end: AskFrontEnd, arrived_until_now: Callable[[], int]) -> None:
        self.output = output
        self.comms = CommTable()
        self.arrived_until_now = arrived_until_now
        self._ask_front_end = ask_front_end
        self.debugger: DebuggerEvents | None = None
        self._watchers: tuple[Watcher, ...] = ()
        self._clients: dict[str, tuple[dict[str, Any], Any]] = {}  # request and identity of who sent a cell
        self._asking = asyncio.Lock()
        self._questions: dict[Any, asyncio.Task[None]] = {}
        self._refusals: dict[str, str] = {}  # why a cell may not ask, by its msg_id

    @loop_only
    def begin(self, msg_id: str, parent: dict[str, Any], ident: Any) -> None:
        """Take note of a cell that begins: its client may be asked for input."""
        self._clients[msg_id] = (parent, ident)

    @loop_only
    def end(self, msg_id: str) -> None:
        """Take note of a cell that has ended: what it asked needs no answer any more."""
        self._clients.pop(msg_id, None)
        self._refusals.pop(msg_id, None)
        self.output.end(msg_id)
        self.stop_asking(msg_id)

    def runs(self, msg_id: str) -> bool:
        """Tell whether that cell runs."""
        return msg_id in self._clients

    # --- questions of input()

    @loop_only
    def refuse_questions(self, msg_id: str, reason: str) -> None:
        """Answer each question of a cell with an error that gives that *reason*, a part of a sentence; with "" ask."""
        self._refusals[msg_id] = reason

    @loop_only
    def ask(self, session: HostedSession, message: Message) -> None:
        """Have a question of ``input()`` answered by the client whose cell shows it."""
        serial = message.content.get("serial")
        serial = serial if isinstance(serial, int) else None
        key = message.parent, session.shown_by(message.parent), session, serial
        if key not in self._questions:  # it may come twice to whoever takes a session over: with the backlog, and again
            self._questions[key] = asyncio.get_running_loop().create_task(self._answer(session, message))

    async def _answer(self, session: HostedSession, message: Message) -> None:
        if refusal := self._refusals.get(message.parent):
            session.answer(message, {"error": refusal})
            return
        client = self._clients.get(session.shown_by(message.parent))
        if client is None:  # a thread of a cell that has ended
            session.answer(message, {"error": "its cell has ended, so nobody can be asked"})
            return
        prompt, password = str(message.content.get("prompt", "")), bool(message.content.get("password"))
        async with self._asking:  # one question at a time, since an answer doesn't say which it is for
            value = await self._ask_front_end(prompt, password=password, parent=client[0], ident=client[1])
        session.answer(message, {"value": value})

    @loop_only
    async def ask_user(self, msg_id: str, prompt: str, *, password: bool) -> str:
        """Have the client of a cell that runs type a line for a command. To stop asking, the task is cancelled."""
        parent, ident = self._clients[msg_id]
        async with self._asking:
            return await self._ask_front_end(prompt, password=password, parent=parent, ident=ident)

    @loop_only
    def stop_asking(self, msg_id: str) -> None:
        """Wait no longer for answers to a cell that has ended or was interrupted."""
        for key in [key for key in self._questions if msg_id in key[:2]]:
            self._questions.pop(key).cancel()

    # --- watchers

    def watch(self, watcher: Watcher) -> None:
        """Tell the watcher of messages and links from now on."""
        self._watchers = (*self._watchers, watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Tell the watcher nothing any more."""
        self._watchers = tuple(each for each in self._watchers if each is not watcher)

    def before(self, message: Message) -> None:
        """Tell the watchers of a message that is about to be shown. On the link's thread."""
        for watcher in self._watchers:
            if watcher.watched is None or message.type in watcher.watched:
                watcher.before(message)

    def debug_event(self, session: HostedSession, content: dict[str, Any]) -> None:
        """Tell the debugger what another machine's tells. On the link's thread."""
        if self.debugger is not None:
            self.debugger.event(session, content)

    def python_ended(self, session: HostedSession) -> None:
        """Tell the debugger of the end of a Python there. On the link's thread."""
        if self.debugger is not None:
            self.debugger.python_ended(session)

    def changed(self, session: HostedSession, status: LinkStatus) -> None:
        """Tell the watchers of a link that has changed. On any thread."""
        for watcher in self._watchers:
            watcher.changed(session, status)
