"""A function that a session's code has registered for a safe stop."""

from __future__ import annotations

import functools
import sys
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

MAX_ERROR_CHARACTERS = 300


class Overrun(BaseException):
    """The time of a function is over; no ``except Exception`` of its own takes this."""


class RegisteredStop:
    """A function that was registered. It may be called as before; `cancel` takes it back.

    As a context manager it is taken back at the end of the ``with`` block.

    Attributes:
        id: Its number, which no other one of this worker has.
        kind: ``interrupt``, ``disconnect`` or ``death``.
        function: The function.
        after: Seconds of silence, of ``disconnect``.
        deadline: Seconds that it may take.
    """

    def __init__(
        self,
        remove: Callable[[RegisteredStop], None],
        registered: Callable[[], bool],
        id: int,
        kind: str,
        function: Callable[[], Any],
        after: float,
        deadline: float,
    ) -> None:
        functools.update_wrapper(self, function, updated=())
        self._remove = remove
        self._registered = registered
        self.id = id
        self.kind = kind
        self.function = function
        self.after = after
        self.deadline = deadline

    @property
    def name(self) -> str:
        """The function's name, for people."""
        name = getattr(self.function, "__qualname__", None) or getattr(self.function, "__name__", None)
        return str(name or type(self.function).__name__)

    def __call__(self) -> Any:
        return self.function()

    def cancel(self) -> None:
        """Take it back: it isn't called any more."""
        self._remove(self)

    def __enter__(self) -> RegisteredStop:  # noqa: PYI034 - Python 3.7 knows no Self
        return self

    def __exit__(self, *exc: object) -> None:
        self.cancel()

    def __repr__(self) -> str:
        after = ", after=%g" % self.after if self.kind == "disconnect" else ""
        return "<on_%s(%s%s)%s>" % (self.kind, self.name, after, "" if self._registered() else ", cancelled")


def call(stop: RegisteredStop) -> str:
    """Call it; returns what has failed, a clause."""
    try:
        stop.function()
    except Overrun as error:
        return str(error)
    except BaseException as error:
        traceback.print_exc()
        text = "".join(traceback.format_exception_only(type(error), error)).strip()
        return "It failed: " + text[:MAX_ERROR_CHARACTERS]
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:  # the user's own one
                pass
    return ""
