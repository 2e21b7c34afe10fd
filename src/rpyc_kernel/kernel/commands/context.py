"""The `CommandContext`: the parts of the kernel that a command works with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rpyc_kernel.errors import CommandError
from rpyc_kernel.kernel.cells import NOTHING, Cell
from rpyc_kernel.kernel.commands.sentences import sentence

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Coroutine, Sequence

    from rpyc_kernel.hosts.target import Target
    from rpyc_kernel.kernel.outcomes import Connected, Disconnected, Hosts, Listing
    from rpyc_kernel.kernel.parallel import ParallelRuns, Runner
    from rpyc_kernel.kernel.ports import Carrying, CellOutput
    from rpyc_kernel.kernel.sessions.session import RemoteSession
    from rpyc_kernel.link.listing import SessionEntry

T = TypeVar("T")


class SessionSource(Protocol):
    """Finds sessions, connects to them and leaves them. Each method may raise a RpycKernelError."""

    @property
    def current(self) -> RemoteSession | None:
        """The session in which cells run, None while there is none."""

    async def resolve(self, cell: Cell) -> RemoteSession:
        """Return the session in which *cell* runs; connect if need be."""

    async def named(self, name: str) -> RemoteSession:
        """Return the notebook's session of that name, or at that address."""

    def machine(self, text: str) -> Target:
        """Return the machine that a command names: by what cells call it, a saved name, or an address."""

    async def use(self, name: str) -> RemoteSession:
        """Have cells run on another one of the notebook's machines from here on."""

    async def connect(
        self, address: str, changes: dict[str, Any], *, new: bool = False, registry: str | None = None
    ) -> Connected:
        """Have cells run at that address from here on."""

    async def disconnect(self, name: str | None, *, end: bool) -> Disconnected:
        """Leave a machine, by default the one where cells run, and with *end* end its session."""

    def hosts(self) -> Hosts:
        """Return the machines of the notebook."""

    async def list(self, address: str | None, usage: str) -> Listing:
        """List the sessions on a machine. *usage*: how the command is written, for where no machine is known."""

    def session_names(self) -> Sequence[str]:
        """Return the names of sessions that are known without dialling. It blocks, but not for long."""

    async def end(self, where: str, entry: SessionEntry) -> None:
        """End a session of the machine *where*."""

    async def attach(self, where: str, entry: SessionEntry, cell: Cell) -> RemoteSession:
        """Take over a session of the machine *where*; its output waits for `catch_up`."""

    async def catch_up(self, session: RemoteSession, cell: Cell) -> dict[str, Any]:
        """Show what a session gave out; return the content of the reply to what ran there."""


class RunCode(Protocol):
    """Runs code where cells run."""

    async def __call__(self, code: str, cell: Cell) -> dict[str, Any]:
        """Return the content of the ``execute_reply``. Raises a RpycKernelError."""


class SendRequest(Protocol):
    """Sends a request of a cell to where cells run."""

    async def __call__(self, msg_type: str, content: dict[str, Any], cell: Cell) -> dict[str, Any]:
        """Return the content of the reply; the stop button reaches the request. Raises a RpycKernelError."""


class AskUser(Protocol):
    """Asks the client of a cell for a line."""

    async def __call__(self, msg_id: str, prompt: str, *, password: bool) -> str:
        """Return the line, which nobody is to see if it is a password. To stop asking, the task is cancelled."""


@dataclass(frozen=True)
class CommandContext:
    """The cell in which a command stands, and what it may use of the kernel.

    Attributes:
        cell: The cell.
        output: Shows something in a cell.
        sessions: Connects to machines and lists their sessions.
        local_names: The variables of local cells.
        runner: Runs code in several sessions at once, and here.
        parallel: The notebook's cells on several machines.
    """

    cell: Cell
    output: CellOutput
    sessions: SessionSource
    local_names: dict[str, Any]
    _blocking: Carrying
    _run_code: RunCode
    _request: SendRequest
    _ask_user: AskUser
    runner: Runner
    parallel: ParallelRuns

    def on(self, session: RemoteSession) -> CommandContext:
        """Return the same, for a cell that runs in that session of the notebook's."""
        return replace(self, cell=replace(self.cell, machine=session.label))

    def show(self, value: object) -> None:
        """Print what a value says, before the command has ended: a text, or one of `kernel.outcomes`."""
        if text := sentence(value):
            self.output.say(text, self.cell.msg_id)

    async def blocking(self, work: Callable[[threading.Event], T]) -> T:
        """Call *work* on a thread, and return what it returns.

        Args:
            work: It gets an event, which the stop button sets.
        """
        return await self._blocking.blocking(work)

    async def carrying(self, work: Callable[[threading.Event], T]) -> T:
        """Do as `blocking` what may carry much: front ends are answered meanwhile."""
        return await self._blocking.carrying(work)

    async def ask_password(self, prompt: str) -> str | None:
        """Have the user type what nobody is to see, and no notebook and no history keeps.

        Returns:
            The line; None where the stop button was pressed instead.

        Raises:
            CommandError: The front end can't be asked.
        """
        if not self.cell.allow_stdin:
            raise CommandError("This front end can't be asked for anything; do it in a terminal instead.")
        return await self._ask(prompt, password=True)

    async def confirm(self, question: str, otherwise: str) -> bool:
        """Ask the user a question that is answered with y or n.

        Args:
            question: The question.
            otherwise: What to do where the front end can't be asked.

        Returns:
            Whether the answer was yes.

        Raises:
            CommandError: The front end can't be asked.
        """
        if not self.cell.allow_stdin:
            raise CommandError(f"{question} This front end can't be asked: {otherwise}.")
        answer = await self._ask(f"{question} [y/N] ", password=False)
        return (answer or "").strip().lower() in ("y", "yes")

    async def _ask(self, prompt: str, *, password: bool) -> str | None:
        asking = await self._until_stopped(self._ask_user(self.cell.msg_id, prompt, password=password))
        return None if asking.cancelled() else asking.result()

    async def wait(self, event: asyncio.Event) -> bool:
        """Wait for an event of the event loop; return whether it was set. The stop button ends the waiting."""
        return not (await self._until_stopped(event.wait())).cancelled()

    async def _until_stopped(self, waiting: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Return the task that waits, once it has ended; the stop button cancels it."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(waiting)

        def stop() -> None:
            loop.call_soon_threadsafe(task.cancel)

        with self._blocking.stoppable(stop):
            await asyncio.wait([task])
        return task

    async def request(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        """Send a request of ours to where cells run, and return the content of its reply.

        Raises:
            RpycKernelError: The machine can't be reached.
        """
        return await self._request(msg_type, content, self.cell)

    async def run_there(self, code: str) -> dict[str, Any]:
        """Run code where cells run; it can be stopped like a cell, and doesn't enter that Python's history.

        Returns:
            The content of its reply, which a command returns in turn.

        Raises:
            RpycKernelError: The machine can't be reached.
        """
        return await self._run_code(code, self.cell)

    def reply(self, value: object) -> dict[str, Any]:
        """Show what a command has returned, and return the content of the reply of its part of the cell."""
        if isinstance(value, dict):
            return value
        self.show(value)
        return dict(NOTHING)
