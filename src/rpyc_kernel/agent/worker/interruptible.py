"""The code of one request as the event loop awaits it: an interrupt is thrown into it where it waits."""

from __future__ import annotations

from .request_context import Driven

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any, Coroutine, Generator, Optional

    from .interrupts import Interrupts


class Undelivered(Exception):
    """Carries an exception that is no Exception to who awaits the task which raised it: Python 3.7 doesn't."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Interruptible:
    """Awaits the coroutine of a request.

    Args:
        coroutine: Runs the request's code.
        task: The asyncio task in which it is awaited; None where there is no event loop.
        number: The number of the request.
        interrupts: Tells whether the request was interrupted.
    """

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        task: Optional[asyncio.Task[Any]],
        number: int,
        interrupts: Interrupts,
    ) -> None:
        self._coroutine = coroutine
        self._task = task
        self._number = number
        self._interrupts = interrupts
        self._interrupted = False
        self._abandoned = False

    def interrupt(self) -> None:
        """Throw KeyboardInterrupt into the coroutine where it waits; called in the event loop."""
        if not self._interrupted and self._task is not None:
            self._interrupted = True
            self._task.cancel()

    def abandon(self) -> None:
        """Close the coroutine, which never runs again, whatever it catches; called in the event loop."""
        self._abandoned = True
        self.interrupt()

    def __await__(self) -> Generator[Any, Any, Any]:
        error: Optional[BaseException] = None
        while True:
            if error is None and self._interrupts.take(self._number):
                error = self._interrupts.error()
            outer, Driven.number = Driven.number, self._number
            try:
                waited = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
            except StopIteration as stop:
                return stop.value
            finally:
                Driven.number = outer
            error = None
            try:
                yield waited
            except BaseException as thrown:
                error = thrown.error if isinstance(thrown, Undelivered) else thrown
                if self._interrupted:
                    self._interrupted = False
                    uncancel = getattr(self._task, "uncancel", None)
                    if uncancel:
                        uncancel()
                    error = self._interrupts.error()
                    if self._abandoned:
                        self._close()
                        raise error from None

    def _close(self) -> None:
        self._interrupts.mute = True  # the shell in it has nothing to report
        try:
            self._coroutine.close()
        except RuntimeError:  # it has swallowed that too
            pass
        finally:
            self._interrupts.mute = False
