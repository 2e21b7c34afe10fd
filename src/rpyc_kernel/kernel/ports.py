"""The parts of the kernel ask each other by narrow Protocols, so that none of them holds the kernel itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rpyc_kernel.kernel.sessions.comm_table import CommOwner, CommTable

if TYPE_CHECKING:
    import asyncio
    import threading
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.link.direct import DirectConnections
    from rpyc_kernel.link.protocol import LinkStatus

T = TypeVar("T")


class CellOutput(Protocol):
    """Shows something in a cell, which its ``msg_id`` names. Any thread may call it."""

    def say(self, text: str, msg_id: str, name: str = "stdout") -> None:
        """Print a line of ours on the stream of that *name*."""

    def write(self, text: str, msg_id: str, name: str = "stdout") -> None:
        """Print a text of ours, as it is, on the stream of that *name*."""

    def error(self, ename: str, evalue: str, msg_id: str) -> dict[str, Any]:
        """Publish an error of ours, a sentence without a traceback; return the content of the reply to go with it."""

    def publish(self, message: Message, until: threading.Event, *, backlog: bool = False) -> None:
        """Publish a message of another machine. It may wait for a slow front end; *until* ends the waiting."""

    def line(self, msg_id: str, text: str) -> None:
        """Say how a link is, in the cell's one quiet line, which is updated in place."""

    def has_line(self, msg_id: str) -> bool:
        """Tell whether the cell has such a line."""


class CellStream:
    """A cell's stdout, for what writes to a file: a front end shows stderr as if something were wrong.

    Attributes:
        encoding: What a writer may count on.
    """

    encoding = "utf-8"

    def __init__(self, output: CellOutput, msg_id: str) -> None:
        self._output = output
        self._msg_id = msg_id

    def write(self, text: str) -> None:
        """Print a text in the cell."""
        if text:
            self._output.write(text, self._msg_id)

    def flush(self) -> None:
        """Do nothing: what is written is shown at once."""


class Blocking(Protocol):
    """Waits without blocking the event loop, so that the stop button ends the waiting."""

    async def blocking(self, work: Callable[[threading.Event], T]) -> T:
        """Call *work* on a thread of its own. The stop button sets the event that *work* gets."""

    def stoppable(self, stop: Callable[[], None]) -> AbstractContextManager[None]:
        """Return a context within which the stop button calls *stop*, on the control channel's thread."""

    async def pause(self, seconds: float, address: str) -> None:
        """Wait before that address is dialled again. Raises DialCancelledError if the stop button is pressed."""


class Carrying(Blocking, Protocol):
    """Waits for what may carry much, too."""

    async def carrying(self, work: Callable[[threading.Event], T]) -> T:
        """Do as `blocking`; completion and other questions of front ends don't wait for its end."""


class Notebook(Protocol):
    """The notebook and its kernel's options, for those who decide about sessions.

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


class HasLoop(Protocol):
    """Has the event loop.

    Attributes:
        loop: The kernel's event loop, None before the kernel has started.
    """

    loop: asyncio.AbstractEventLoop | None


class RegistryWatcher(Protocol):
    """Wants to know which session cells run in, and which machine is connected to. Any thread may call it."""

    def dialling(self, name: str) -> None:
        """Take note of the machine that is connected to just now; "" when that has come to an end."""

    def moved(self) -> None:
        """Take note that cells run in another session from now on, or in none."""


class HostedSession(CommOwner, Protocol):
    """A session, as the notebook that has it sees it.

    Attributes:
        direct: Its direct connections.
    """

    direct: DirectConnections

    @property
    def has_waiting_connection(self) -> bool:
        """Whether a live connection waits for an answer."""

    @property
    def foreign_cells(self) -> list[str]:
        """The cells of other notebooks that had no reply yet when the session was taken over, in their order."""

    def shown_by(self, msg_id: str) -> str:
        """Return the cell that shows what belongs to a request."""

    def answer(self, question: Message, content: dict[str, Any]) -> None:
        """Answer an ``input_request``."""


class SessionHost(Protocol):
    """The notebook that has a session.

    Attributes:
        loop: The kernel's event loop, None before the kernel has started.
        comms: The comms of all sessions.
    """

    loop: asyncio.AbstractEventLoop | None
    comms: CommTable

    @property
    def output(self) -> CellOutput:
        """The output that shows what comes from the session."""

    def runs(self, msg_id: str) -> bool:
        """Tell whether that cell of this notebook runs."""

    def arrived_until_now(self) -> int:
        """Return the number of the last shell message that has come. In the event loop."""

    def ask(self, session: HostedSession, message: Message) -> None:
        """Have a question of ``input()`` answered. In the event loop."""

    def found_widgets(self, session: CommOwner) -> None:
        """Have front ends told of the widgets of a session that was taken over. In the event loop."""

    def before(self, message: Message) -> None:
        """Get ready to show a message that has come. On the link's thread."""

    def changed(self, session: HostedSession, status: LinkStatus) -> None:
        """Take note of a link that has changed. On any thread."""

    def debug_event(self, session: HostedSession, content: dict[str, Any]) -> None:
        """Take note of what the debugger there tells. On the link's thread."""

    def python_ended(self, session: HostedSession) -> None:
        """Take note of the end of a Python there. On the link's thread."""
