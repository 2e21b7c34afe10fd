"""The name ``remote`` in local cells: RPyC's classic connection to the machine where the notebook's cells run."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING

from rpyc_kernel.errors import AgentError, DialCancelledError
from rpyc_kernel.kernel.sessions.session import LOOK, READY_TIMEOUT
from rpyc_kernel.link.protocol import LinkStatus

if TYPE_CHECKING:
    import threading

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.kernel.cell import Cell
    from rpyc_kernel.kernel.kernel import RpycKernel
    from rpyc_kernel.kernel.sessions.session import Machine
    from rpyc_kernel.kernel.sessions.status_lines import LinkLines
    from rpyc_kernel.live.connection import LiveConnection
    from rpyc_kernel.live.remote import Remote

NAME = "remote"
_MENTIONED = re.compile(rf"\b{NAME}\b")
HINT = (
    "More than {trips:,} round trips to {name} in this cell: each item and each attribute of something that lies there "
    'is one. remote.value("expression") brings a copy in a single one.'
)


class RemoteName:
    """Puts the connection into the local namespace of cells that mention it, unless the user has named something so."""

    def __init__(self, kernel: RpycKernel, lines: LinkLines) -> None:
        self._kernel = kernel
        self._lines = lines
        self._given: Remote | None = None
        self._machine: Machine | None = None
        self._cell: Cell | None = None  # that runs and has it

    async def give(self, code: str, cell: Cell) -> None:
        """Before a local cell runs: connect if need be. Raises the RpycKernelError for which that can't be."""
        names = self._kernel.shell.user_ns
        taken = names.get(NAME)
        if taken is not None and taken is not self._given:
            return
        if _MENTIONED.search(code):
            machine = await self._kernel.whereabouts.reach(cell)
            if not machine.channels.begun(0):
                await self._kernel.blocking(lambda cancel: _wait(machine, cancel))
        else:  # a function may use it by that name; the others have nothing to do with what became of the session
            current = self._kernel.machines.current
            if taken is None or current is None or not current.usable:
                return
            machine = current
        remote = machine.remote
        remote.parent = cell.msg_id
        remote.trips = 0
        remote.on_many = lambda used: self._hint(used, machine, cell)
        names[NAME] = self._given = remote
        self._machine, self._cell = machine, cell

    def take_back(self) -> None:
        """The local cell has ended. The name stays, as threads of that cell may use it."""
        if self._given is not None:
            self._given.flush()
        self._cell = None

    def before(self, message: Message) -> None:
        """Something has come (on a link's thread): what its cell has printed here so far is shown first."""
        cell = self._cell
        if cell is not None and message.parent == cell.msg_id:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()

    def on_status(self, machine: Machine, status: LinkStatus) -> None:
        """A link has changed (on any thread): a local cell that waits for it says so, in its one quiet line."""
        cell = self._cell
        if cell is None or machine is not self._machine:
            return
        if status is LinkStatus.LOST and machine.channels.waiting:
            self._lines.show(cell.msg_id, f"link to {machine.name} lost, reconnecting…")
        elif status is LinkStatus.UP and self._lines.has(cell.msg_id):
            self._lines.show(cell.msg_id, f"link to {machine.name} was lost, and is back")

    def _hint(self, used: LiveConnection, machine: Machine, cell: Cell) -> None:
        self._kernel.say(HINT.format(trips=used.trips - 1, name=machine.name), cell, "stderr")


def _wait(machine: Machine, cancel: threading.Event) -> None:
    """Until a Python runs there. Raises AgentError, or DialCancelledError where stop is pressed."""
    give_up = time.monotonic() + READY_TIMEOUT
    while not machine.channels.begun(LOOK) and machine.link.status is not LinkStatus.CLOSED:
        if cancel.is_set():
            raise DialCancelledError(machine.name)
        if machine.link.status is LinkStatus.UP and time.monotonic() > give_up:
            raise AgentError(f"No Python has begun on {machine.name} within {READY_TIMEOUT:g} s.")
