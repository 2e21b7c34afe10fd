"""What a command gets to do its work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rpyc_kernel.kernel.cell import NOTHING, Cell
from rpyc_kernel.kernel.commands.sentences import sentence

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from rpyc_kernel.kernel.ports import Blocking, Output, SessionSource

T = TypeVar("T")


class RunCode(Protocol):
    """Runs code where cells run."""

    async def __call__(self, code: str, cell: Cell) -> dict[str, Any]:
        """Return the content of the ``execute_reply``. Raises a RpycKernelError."""


@dataclass(frozen=True)
class CommandContext:
    """The cell in which a command stands, and what it may use of the kernel.

    Attributes:
        cell: The cell.
        output: Shows something in a cell.
        sessions: Connects to machines and lists their sessions.
    """

    cell: Cell
    output: Output
    sessions: SessionSource
    _blocking: Blocking
    _run_code: RunCode

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
