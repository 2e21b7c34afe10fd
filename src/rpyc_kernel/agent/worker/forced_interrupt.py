"""Ends code that catches KeyboardInterrupt and goes on, once the user presses again; ``finally`` and ``with`` clean up.

A trace function (`sys.settrace`) sees each line of the functions that were running. Where a line runs while the last
interrupt is no longer being handled, some ``except`` has swallowed that interrupt, and another one is raised right
there: mostly outside of the ``try`` that would swallow it again.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable, List, Optional

MAX_SWALLOWED = 5  #: interrupts; after so many one is raised wherever the code is, also in its handlers


class ForcedInterrupt:
    """Watches the code of one request on the main thread.

    Args:
        make_error: Makes the exception that is raised.

    Attributes:
        error: The interrupt that was raised last.
    """

    def __init__(self, make_error: Callable[[], BaseException]) -> None:
        self._make_error = make_error
        self.error: Optional[BaseException] = None
        self._watched: List[FrameType] = []
        self._raised = 0

    def watch(self, frames: List[FrameType]) -> None:
        """Trace these frames, which are running now; frames that a debugger has traced are traced no more."""
        self._watched = frames
        frame: Optional[FrameType] = frames[0] if frames else None
        while frame is not None:
            frame.f_trace = None
            frame = frame.f_back
        self._trace()
        sys.setprofile(self._trace_again)

    def end(self) -> None:
        """The request has ended: trace nothing."""
        self._watched = []
        self.error = None
        sys.setprofile(None)
        sys.settrace(None)

    def _trace(self) -> None:
        for frame in self._watched:
            frame.f_trace = self._line
        sys.settrace(_ignore)

    def _trace_again(self, _frame: FrameType, _event: str, _arg: Any) -> None:
        """Python ends the tracing when a trace function raises something, ours or a debugger's."""
        if sys.gettrace() is not _ignore:
            self._trace()

    def _line(self, frame: FrameType, event: str, _arg: Any) -> Any:
        if event == "line" and frame in self._watched and self._is_swallowed():
            self._raised += 1
            self.error = self._make_error()
            raise self.error
        return self._line

    def _is_swallowed(self) -> bool:
        if self._raised >= MAX_SWALLOWED:
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
    """The trace function of the thread: functions that begin now are not traced."""
