"""The event loop of the main thread: it goes on whatever the user's code does to it.

Cells run in it as tasks, one after the other, and all in one `contextvars.Context`, as do callbacks of comms. The
user's code may stop or close the loop, replace it or its policy, patch it (nest_asyncio), and end with an exception
that asyncio lets through (SystemExit and KeyboardInterrupt in a task or callback, whatever a signal handler raises).
"""

from __future__ import annotations

import os
import sys
from contextvars import copy_context
from time import monotonic

from .request_context import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any, Callable, Coroutine, Optional

    Caught = Callable[[BaseException, Any], None]

MAX_FAILURES = 1000  #: times in a row that a loop may end at once, until another one is made
AT_ONCE_S = 0.005  #: seconds
MACHINERY = ("asyncio", "selectors", "nest_asyncio", "nest_asyncio2", "contextvars")  #: no code of the user's


class MainLoop:
    """Runs callbacks and coroutines on the main thread until it is told to end.

    Args:
        caught: Called with an exception that no cell has received, and the `asyncio.Handle` that raised it, or None.

    Attributes:
        loop: None as long as nobody needs one.
        context: The context of cells and of callbacks of comms.
        failed: Why there can be no event loop on this machine.
        borrowed: Whether the loop counts as the running one, though a cell runs outside of it.
    """

    def __init__(self, caught: Caught) -> None:
        self.loop: Optional[asyncio.AbstractEventLoop] = None
        self.context = copy_context()
        self.failed: Optional[BaseException] = None
        self.borrowed = False
        self._caught = caught
        self._called = False

    def borrow(self) -> None:
        """Let the code that runs now find the loop running, where none runs.

        So tasks can be made in it, as in a cell that runs in the loop; they begin after `give_back`.
        """
        try:
            import asyncio

            if asyncio._get_running_loop() is not None:
                return
            if self.loop is None or self.loop.is_closed():
                self._make()
        except Exception:  # `run` tells why
            return
        asyncio._set_running_loop(self.loop)
        self.borrowed = True

    def give_back(self) -> None:
        """Take the loop back: the cell that has borrowed it has ended."""
        if self.borrowed:
            self.borrowed = False
            sys.modules["asyncio"]._set_running_loop(None)

    def call(self, function: Callable[..., None], *args: Any) -> bool:
        """Have the loop call a function soon; from any thread. False if there is no loop that would."""
        try:
            self.loop.call_soon_threadsafe(function, *args)  # type: ignore[union-attr]
        except (AttributeError, RuntimeError):  # there is none, or it is closed; `run` makes another
            return False
        return True

    def call_in_context(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a function in the context of cells; in a copy if that is in use, since a cell runs a nested loop."""
        entered = []

        def enter() -> None:
            entered.append(True)
            function(*args)

        try:
            self.context.run(enter)
        except RuntimeError:
            if entered:
                raise
            self.context.copy().run(function, *args)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine in the loop, as a task in the context of cells. No factory of the user's makes it."""
        from asyncio import tasks

        if sys.version_info >= (3, 11):
            return tasks.Task(coroutine, loop=self.loop, context=self.context)
        task: Any = self.context.run(tasks._PyTask, coroutine, loop=self.loop)
        self.context = task._context  # a copy
        return task

    def run(self, turn: Callable[[], None], ended: Callable[[], bool], replaced: Callable[[], None]) -> None:
        """Run the loop.

        Args:
            turn: Called in the loop whenever it begins to run.
            ended: Whether to return, asked when the loop has stopped.
            replaced: Called when tasks of an earlier loop will never go on.
        """
        failures = 0
        while not ended():
            if self.loop is None or self.loop.is_closed() or failures >= MAX_FAILURES:
                another = self.loop is not None
                try:
                    self._make()
                except Exception as error:  # asyncio is missing, or a module of the user's has its name
                    self.loop, self.failed = None, error
                if another:
                    replaced()
                if self.loop is None:
                    return
                failures = 0
            began, self._called = monotonic(), False
            try:
                self.loop.call_soon(self._begin, turn)
                self.loop.run_forever()
            except BaseException as error:
                handle = _failed_handle(error)
                self._called |= handle is not None
                self._caught(error, handle)
            if monotonic() - began > AT_ONCE_S:
                failures = 0
            else:
                failures += 1 if self._called else MAX_FAILURES // 5

    def stop(self) -> None:
        """Let `run` ask whether it has ended; called in the loop."""
        if self.loop is not None:
            self.loop.stop()

    def _begin(self, turn: Callable[[], None]) -> None:
        self._called = True
        turn()

    def _make(self) -> None:
        """Take the loop that the user's code has made, or else make one of asyncio's own, whatever the policy."""
        import asyncio

        loop = _current_loop(asyncio)
        if loop is None or loop is self.loop:
            try:
                loop = asyncio.new_event_loop()
            except Exception:
                loop = None
        if loop is None or not _usable(loop):
            loop = asyncio.SelectorEventLoop() if os.name == "posix" else asyncio.ProactorEventLoop()  # type: ignore[attr-defined]
        self.loop = loop
        try:
            asyncio.set_event_loop(loop)
        except Exception:  # a policy that can't have it: within cells the running loop is found anyway
            pass


def _current_loop(asyncio: Any) -> Any:
    """The loop that ``asyncio.get_event_loop`` would give now, without making one."""
    policy = getattr(asyncio.events, "_event_loop_policy", None)
    loop = getattr(getattr(policy, "_local", None), "_loop", None)
    return loop if loop is not None and _usable(loop) and not loop.is_closed() else None


def _usable(loop: Any) -> bool:
    """Whether cells can run in a loop: it is one of asyncio's own, and doesn't run."""
    return type(loop).__module__.startswith("asyncio.") and not loop.is_running()


def _failed_handle(error: BaseException) -> Any:
    """The `asyncio.Handle` whose callback has raised an exception out of the loop; None if it wasn't raised there."""
    trace = error.__traceback__
    while trace is not None:
        caller = trace.tb_frame.f_locals.get("self")
        if trace.tb_frame.f_code.co_name == "_run" and hasattr(caller, "_context"):
            return caller  # the first: what follows may have been raised before, in a task that this one awaited
        trace = trace.tb_next
    return None


def request_of(handle: Any) -> int:
    """The number of the request that a handle belongs to; 0 if none is known."""
    return handle._context.get(current, 0) if handle is not None else 0


def task_of(handle: Any) -> Any:
    """The task of which a handle was a step; None if it was none."""
    task = getattr(getattr(handle, "_callback", None), "__self__", None)
    return task if hasattr(task, "_log_traceback") else None
