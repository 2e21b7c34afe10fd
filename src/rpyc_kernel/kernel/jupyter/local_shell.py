"""The IPython of local cells: how it shows errors, and how it is interrupted."""

from __future__ import annotations

import asyncio
import functools
import sys
from typing import TYPE_CHECKING, Any

from ipykernel import zmqshell
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core import interactiveshell

from rpyc_kernel.errors import RpycKernelError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import CodeType, FrameType, TracebackType


class LocalShell(ZMQInteractiveShell):
    """The IPython of local cells.

    Attributes:
        cancelled: Whether an interrupt has cancelled the cell, which awaits something.
        interrupts: How often an interrupt has raised KeyboardInterrupt; an attribute of the class.
    """

    cancelled = False
    interrupts = 0

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for module, name in _PROGRAM_RUNNERS:
            if hasattr(module, name):
                setattr(module, name, _interruptible(getattr(module, name)))

    async def run_cell_async(self, *args: Any, **options: Any) -> Any:
        """Run a cell; what it awaits when it is interrupted raises KeyboardInterrupt."""
        self.cancelled = False
        return await _InterruptibleCell(self, super().run_cell_async(*args, **options))

    def runs_code(self, frame: FrameType | None) -> bool:
        """Return whether that frame belongs to a cell's code, or to what the cell has called.

        What is raised there is caught and shown by IPython.
        """
        run: CodeType = ZMQInteractiveShell.run_code.__code__
        while frame is not None and frame.f_code is not run:
            frame = frame.f_back
        return frame is not None

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **options: Any) -> None:
        """Show an exception, whether a cell's code has raised it or the display of its value."""
        error = (exc_tuple or sys.exc_info())[1]
        if isinstance(error, KeyboardInterrupt):
            _drop_own(error.__traceback__)
        lines = None if options.get("exception_only") else _render(exc_tuple or sys.exc_info())
        if lines is None:
            super().showtraceback(exc_tuple, *args, **options)
        else:
            kind, error, _tb = self._get_exc_info(exc_tuple)  # which keeps it for `%debug`
            self._showtraceback(kind, error, lines)


class _InterruptibleCell:
    """Awaits a cell's coroutine, and throws KeyboardInterrupt into it where an interrupt has cancelled its task."""

    def __init__(self, shell: LocalShell, coroutine: Any) -> None:
        self._shell = shell
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        error: BaseException | None = None
        while True:
            try:
                waited = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
            except StopIteration as stop:
                return stop.value
            error = None
            try:
                yield waited
            except asyncio.CancelledError as cancelled:
                error = cancelled
                if self._shell.cancelled:
                    self._shell.cancelled = False
                    error = KeyboardInterrupt()
                    task = asyncio.current_task()
                    if task is not None:
                        task.uncancel()
            except BaseException as thrown:  # noqa: BLE001 - whatever is thrown into the task is the cell's
                error = thrown


_PROGRAM_RUNNERS = (  # of IPython; the last one from version 9 on
    (zmqshell, "system"),
    (interactiveshell, "getoutput"),
    (interactiveshell, "get_output_error_code"),
)


def _interruptible(run: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs a program as *run* does, and raises the interrupt that has ended the program.

    IPython's own functions keep it from the cell.
    """

    @functools.wraps(run)
    def interruptible(*args: Any, **options: Any) -> Any:
        before = LocalShell.interrupts
        try:
            result = run(*args, **options)
        except Exception:
            if LocalShell.interrupts == before:
                raise
            result = None  # an interrupt that comes as the program starts is an UnboundLocalError of IPython's
        if LocalShell.interrupts != before:
            raise KeyboardInterrupt
        return result

    return interruptible


def _drop_own(tb: TracebackType | None) -> None:
    """Leave the frames of this module and of the handler of SIGINT out of a traceback."""
    while tb is not None:
        while tb.tb_next is not None and _is_own(tb.tb_next.tb_frame):
            tb.tb_next = tb.tb_next.tb_next
        tb = tb.tb_next


def _is_own(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("rpyc_kernel.kernel.")


def _render(exc_info: Any) -> list[str] | None:
    """Return the lines that show an exception which came through RPyC or this package; None for any other."""
    _kind, error, tb = exc_info
    own = getattr(error, "_render_traceback_", None)  # an exception of another machine has it
    if own is not None and isinstance(error, SyntaxError):  # IPython doesn't ask a SyntaxError for it
        return own()  # type: ignore[no-any-return]
    if own is None and (isinstance(error, RpycKernelError) or "rpyc" in sys.modules):
        from rpyc_kernel.live import tracebacks  # noqa: PLC0415 - it imports rpyc

        tracebacks.advise(error)
        if tracebacks.has_internals(tb):
            return tracebacks.render(error)
    return None
