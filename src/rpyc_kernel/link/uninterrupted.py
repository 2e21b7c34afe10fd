"""The stop button waits until what it may not tear is done."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

try:  # Python's own signal module looks for enums of what it gets and returns, which takes ten times as long
    from _signal import getsignal as _get_handler  # type: ignore[import-not-found]
    from _signal import signal as _set_handler
except ImportError:
    from signal import getsignal as _get_handler
    from signal import signal as _set_handler


class Uninterrupted:
    """A context in which SIGINT waits: its handler, which as a rule raises KeyboardInterrupt, is called at the end.

    Python calls handlers in the main thread, between any two of its steps; in other threads the context does nothing.
    Contexts may be nested.
    """

    __slots__ = ("_before", "_frame", "_handler", "_pressed")

    def __init__(self) -> None:
        self._before: Any = None  # what is to be called at the end, the `_press` of an outer context perhaps
        self._handler: Any = None  # what is called while this is suspended
        self._pressed = False
        self._frame: Any = None  # where SIGINT came

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            before = _get_handler(signal.SIGINT)
            if callable(before):  # else SIGINT ends the process, or nothing
                outer = getattr(before, "__self__", None)
                self._handler = outer._handler if isinstance(outer, Uninterrupted) else before
                self._before = before
                _set_handler(signal.SIGINT, self._press)
        return self

    def _press(self, _signum: int, frame: Any) -> None:
        self._pressed, self._frame = True, frame

    def __exit__(self, *_error: object) -> None:
        if self._before is not None:
            _set_handler(signal.SIGINT, self._before)
            self._call(self._before)

    def _call(self, handler: Any) -> None:
        if self._pressed:
            frame, self._pressed, self._frame = self._frame, False, None
            handler(signal.SIGINT, frame)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Return a context within this one, for a wait or the user's code: in it SIGINT doesn't wait."""
        if self._before is None:
            yield
            return
        try:
            _set_handler(signal.SIGINT, self._handler)
            self._call(self._handler)
            yield
        finally:
            handler = _set_handler(signal.SIGINT, self._press)
            if handler is not self._handler:  # the user's code has set another one
                self._before = self._handler = handler
