"""The name ``remote`` in local cells: RPyC's classic connection to the session in which the notebook's cells run."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Protocol

from rpyc_kernel.link.protocol import LinkStatus

if TYPE_CHECKING:
    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.kernel.cells import Cell, RunningCells
    from rpyc_kernel.kernel.ports import Blocking, HostedSession
    from rpyc_kernel.kernel.sessions.session import RemoteSession
    from rpyc_kernel.live.connection import LiveConnection
    from rpyc_kernel.live.remote import Remote

NAME = "remote"
_MENTIONED = re.compile(rf"\b{NAME}\b")
HINT = (
    "More than {trips:,} round trips to {name} in this cell: each item and each attribute of something that lies there "
    'is one. remote.value("expression") brings a copy in a single one.'
)


class LocalNames(Protocol):
    """The shell of local cells, as far as it is needed here."""

    user_ns: dict[str, Any]


class CurrentSession(Protocol):
    """Knows the session in which cells run."""

    @property
    def current(self) -> RemoteSession | None:
        """The session in which cells run, None while there is none."""

    async def resolve(self, cell: Cell) -> RemoteSession:
        """Return the session in which *cell* runs; connect if need be. Raises the RpycKernelError for which not."""


class RemoteVariable:
    """Puts the connection into the local namespace of cells that mention it, unless the user has named something so."""

    def __init__(self, shell: LocalNames, sessions: CurrentSession, blocking: Blocking, cells: RunningCells) -> None:
        self._shell = shell
        self._sessions = sessions
        self._blocking = blocking
        self._cells = cells
        self._output = cells.output
        self._given: Remote | None = None
        self._session: RemoteSession | None = None
        self._cell: Cell | None = None  # that runs and has it

    async def give(self, code: str, cell: Cell) -> None:
        """Name the connection before a local cell runs; connect if need be. Raises the RpycKernelError for which not.

        Args:
            code: The code of the cell.
            cell: The cell.
        """
        names = self._shell.user_ns
        taken = names.get(NAME)
        if taken is not None and taken is not self._given:
            return
        if _MENTIONED.search(code):
            session = await self._sessions.resolve(cell)
            if not session.has_python:
                await self._blocking.blocking(session.wait_for_python)
        else:  # a function may use it by that name; the others have nothing to do with what became of the session
            current = self._sessions.current
            if taken is None or current is None or current.closed or not current.has_python:
                return
            session = current
        remote = session.remote
        remote.parent = cell.msg_id
        remote.trips = 0
        remote.on_many = lambda used: self._hint(used, session, cell)
        names[NAME] = self._given = remote
        self._session, self._cell = session, cell
        self._cells.watch(self)

    def take_back(self) -> None:
        """Take note of the end of a local cell. The name stays, as threads of that cell may use it."""
        if self._given is not None:
            self._given.flush()
        if self._cell is not None:
            self._cell = None
            self._cells.unwatch(self)

    watched = None

    def before(self, message: Message) -> None:
        """Show what the cell has printed here so far, before what has come for it. On the link's thread."""
        cell = self._cell
        if cell is not None and message.parent == cell.msg_id:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()

    def changed(self, session: HostedSession, status: LinkStatus) -> None:
        """Say that a link is lost, or is back, in the local cell that waits for it. On any thread."""
        cell = self._cell
        if cell is None or session is not self._session:
            return
        if status is LinkStatus.LOST and session.has_waiting_connection:
            self._output.line(cell.msg_id, f"link to {session.name} lost, reconnecting…")
        elif status is LinkStatus.UP and self._output.has_line(cell.msg_id):
            self._output.line(cell.msg_id, f"link to {session.name} was lost, and is back")

    def _hint(self, used: LiveConnection, session: RemoteSession, cell: Cell) -> None:
        self._output.say(HINT.format(trips=used.trips - 1, name=session.name), cell.msg_id, "stderr")
