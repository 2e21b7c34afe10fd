"""Ends code that swallows KeyboardInterrupt, once the user insists on it; ``finally`` and ``with`` still clean up.

A trace function (`sys.settrace`) sees each line of the functions that were running. Where a line runs while the last
interrupt is no longer being handled, some ``except`` has swallowed it, and another one is raised right there: mostly
outside of the ``try`` that would swallow it again.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable, List, Optional

SWALLOWED_AGAIN = 5  #: as many interrupts later, one is raised wherever the code is, also in its handlers


class Insistence:
    """Watches the code of one request on the main thread.

    :param make_error: makes the exception to be raised
    :ivar error: the interrupt that was raised last
    """

    def __init__(self, make_error: Callable[[], BaseException]) -> None:
        self._make_error = make_error
        self.error: Optional[BaseException] = None
        self._watched: List[FrameType] = []
        self._raised = 0

    def watch(self, frames: List[FrameType]) -> None:
        """Trace those frames, which are running now, and no others that a debugger may have traced."""
        self._watched = frames
        frame: Optional[FrameType] = frames[0] if frames else None
        while frame is not None:
            frame.f_trace = None
            frame = frame.f_back
        self._trace()
        sys.setprofile(self._trace_again)

    def end(self) -> None:
        """The request has ended."""
        self._watched = []
        self.error = None
        sys.setprofile(None)
        sys.settrace(None)

    def _trace(self) -> None:
        for frame in self._watched:
            frame.f_trace = self._line
        sys.settrace(_ignore)

    def _trace_again(self, _frame: FrameType, _event: str, _arg: Any) -> None:
        """Python ends the tracing when a trace function raises something, ours or that of a debugger."""
        if sys.gettrace() is not _ignore:
            self._trace()

    def _line(self, frame: FrameType, event: str, _arg: Any) -> Any:
        if event == "line" and frame in self._watched and self._is_swallowed():
            self._raised += 1
            self.error = self._make_error()
            raise self.error
        return self._line

    def _is_swallowed(self) -> bool:
        if self._raised >= SWALLOWED_AGAIN:
            return True
        handled = sys.exc_info()[1]
        seen = set()
        while handled is not None and id(handled) not in seen:
            if handled is self.error:
                return False
            seen.add(id(handled))
            handled = handled.__context__
        return True


def _ignore(_frame: FrameType, _event: str, _arg: Any) -> None:
    """As the trace function of a thread: functions that begin now are not traced."""
