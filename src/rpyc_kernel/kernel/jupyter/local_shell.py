"""The IPython of local cells: errors with the cell's own lines alone, and how a cell that awaits is stopped."""

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

    :ivar stopped: whether the stop button has cancelled the cell that awaits
    :cvar presses: how often the stop button has raised KeyboardInterrupt
    """

    stopped = False
    presses = 0

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for module, name in _PROGRAMS:
            if hasattr(module, name):
                setattr(module, name, _stoppable(getattr(module, name)))

    async def run_cell_async(self, *args: Any, **options: Any) -> Any:
        """Run a cell; where it was stopped while it awaits something, that raises KeyboardInterrupt."""
        self.stopped = False
        return await _Stoppable(self, super().run_cell_async(*args, **options))

    def runs_code(self, frame: FrameType | None) -> bool:
        """Whether that frame belongs to a cell's code, or to what that has called; IPython reports what it raises."""
        run: CodeType = ZMQInteractiveShell.run_code.__code__
        while frame is not None and frame.f_code is not run:
            frame = frame.f_back
        return frame is not None

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **options: Any) -> None:
        """Show an exception, wherever it was raised: in a cell's code, or where its value was to be displayed."""
        error = (exc_tuple or sys.exc_info())[1]
        if isinstance(error, KeyboardInterrupt):
            _drop_own(error.__traceback__)
        lines = None if options.get("exception_only") else _render(exc_tuple or sys.exc_info())
        if lines is None:
            super().showtraceback(exc_tuple, *args, **options)
        else:
            kind, error, _tb = self._get_exc_info(exc_tuple)  # which keeps it for `%debug`
            self._showtraceback(kind, error, lines)


class _Stoppable:
    """Awaits a cell's coroutine, and throws KeyboardInterrupt into it where the stop button has cancelled its task."""

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
                if self._shell.stopped:
                    self._shell.stopped = False
                    error = KeyboardInterrupt()
                    task = asyncio.current_task()
                    if task is not None:
                        task.uncancel()
            except BaseException as thrown:  # noqa: BLE001 - whatever is thrown into the task is the cell's
                error = thrown


#: IPython's functions that run programs, the last one from IPython 9 on
_PROGRAMS = (
    (zmqshell, "system"),
    (interactiveshell, "getoutput"),
    (interactiveshell, "get_output_error_code"),
)


def _stoppable(run: Callable[..., Any]) -> Callable[..., Any]:
    """A function that runs a program, and raises the interrupt that has ended it; IPython keeps it from the cell."""

    @functools.wraps(run)
    def stoppable(*args: Any, **options: Any) -> Any:
        before = LocalShell.presses
        try:
            result = run(*args, **options)
        except Exception:
            if LocalShell.presses == before:
                raise
            result = None  # an interrupt that comes as the program starts is an UnboundLocalError of IPython's
        if LocalShell.presses != before:
            raise KeyboardInterrupt
        return result

    return stoppable


def _drop_own(tb: TracebackType | None) -> None:
    """Leave out of a traceback what this module and the handler of SIGINT have in it."""
    while tb is not None:
        while tb.tb_next is not None and _is_own(tb.tb_next.tb_frame):
            tb.tb_next = tb.tb_next.tb_next
        tb = tb.tb_next


def _is_own(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("rpyc_kernel.kernel.")


def _render(exc_info: Any) -> list[str] | None:
    """The lines of an exception that came through RPyC or through this package; None of any other."""
    _kind, error, tb = exc_info
    own = getattr(error, "_render_traceback_", None)  # of one that came from another machine
    if own is not None and isinstance(error, SyntaxError):  # of which IPython doesn't ask for it
        return own()  # type: ignore[no-any-return]
    if own is None and (isinstance(error, RpycKernelError) or "rpyc" in sys.modules):
        from rpyc_kernel.live import tracebacks  # noqa: PLC0415 - it imports rpyc

        tracebacks.advise(error)
        if tracebacks.has_internals(tb):
            return tracebacks.render(error)
    return None
