"""What the parts of the kernel ask of each other, as narrow Protocols, so that none of them holds the kernel itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio
    import threading
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.kernel.cell import Cell
    from rpyc_kernel.kernel.outcomes import Connected, Disconnected, Hosts, Listing
    from rpyc_kernel.kernel.sessions.session import RemoteSession
    from rpyc_kernel.link.listing import SessionEntry
    from rpyc_kernel.link.protocol import LinkStatus

T = TypeVar("T")


class Output(Protocol):
    """Shows something in a cell, which its ``msg_id`` names. Any thread may call it."""

    def say(self, text: str, msg_id: str, name: str = "stdout") -> None:
        """Print a line of ours on the stream of that *name*."""

    def error(self, ename: str, evalue: str, msg_id: str) -> dict[str, Any]:
        """Publish an error of ours, a sentence without a traceback; return the content of the reply to go with it."""

    def publish(self, message: Message, until: threading.Event, *, backlog: bool = False) -> None:
        """Publish a message of another machine. It may wait for a slow front end; *until* ends the waiting."""

    def line(self, msg_id: str, text: str) -> None:
        """Say how a link is, in the cell's one quiet line, which is updated in place."""

    def has_line(self, msg_id: str) -> bool:
        """Tell whether the cell has such a line."""


class Blocking(Protocol):
    """Waits without blocking the event loop, so that the stop button ends the waiting."""

    async def blocking(self, work: Callable[[threading.Event], T]) -> T:
        """Call *work* on a thread of its own. The stop button sets the event that *work* gets."""

    def stoppable(self, stop: Callable[[], None]) -> AbstractContextManager[None]:
        """Return a context within which the stop button calls *stop*, on the control channel's thread."""

    async def pause(self, seconds: float, address: str) -> None:
        """Wait before that address is dialled again. Raises DialCancelledError if the stop button is pressed."""


class Notebook(Protocol):
    """What decides about sessions has to know of the notebook and of its kernel's options.

    Attributes:
        count: The number of the next cell.
    """

    count: int

    @property
    def address(self) -> str:
        """The machine to connect to with the first cell, "" where none is configured."""

    @property
    def heartbeat(self) -> float:
        """Seconds without an answer after which a link counts as lost."""

    def session_config(self) -> dict[str, Any]:
        """Return how a session of this notebook begins, by the options of the kernel."""


class SessionHost(Protocol):
    """What a session needs of the notebook that has it.

    Attributes:
        loop: The kernel's event loop, None before the kernel has started.
    """

    loop: asyncio.AbstractEventLoop | None

    @property
    def output(self) -> Output:
        """Where the session shows what comes."""

    def runs(self, msg_id: str) -> bool:
        """Tell whether that cell of this notebook runs."""

    def arrived_until_now(self) -> int:
        """Return the number of the last shell message that has come. In the event loop."""

    def ask(self, session: RemoteSession, message: Message) -> None:
        """Have a question of ``input()`` answered. In the event loop."""

    def before(self, message: Message) -> None:
        """Get ready to show a message that has come. On the link's thread."""

    def changed(self, session: RemoteSession, status: LinkStatus) -> None:
        """Take note of a link that has changed. On any thread."""


class CurrentSession(Protocol):
    """Knows the session in which cells run."""

    @property
    def current(self) -> RemoteSession | None:
        """The session in which cells run, None while there is none."""

    async def resolve(self, cell: Cell) -> RemoteSession:
        """Return the session in which *cell* runs; connect if need be. Raises the RpycKernelError for which not."""


class SessionSource(CurrentSession, Protocol):
    """Connects to machines and lists their sessions, for commands. Each method may raise a RpycKernelError."""

    async def connect(
        self, address: str, changes: dict[str, Any], *, new: bool = False, registry: str | None = None
    ) -> Connected:
        """Have cells run at that address from here on."""

    async def disconnect(self, *, end: bool) -> Disconnected:
        """Leave the machine, and with *end* end its session."""

    def hosts(self) -> Hosts:
        """Return the machines of the notebook."""

    async def list(self, address: str | None, usage: str) -> Listing:
        """List the sessions on a machine. *usage*: how the command is written, for where no machine is known."""

    async def end(self, where: str, entry: SessionEntry) -> None:
        """End a session of the machine *where*."""

    async def attach(self, where: str, entry: SessionEntry, cell: Cell) -> RemoteSession:
        """Take over a session of the machine *where*; its output waits for `catch_up`."""

    async def catch_up(self, session: RemoteSession, cell: Cell) -> dict[str, Any]:
        """Show what a session gave out; return the content of the reply to what ran there."""
