"""A question (`input`) in which the user has pressed stop, and which the code asks again: debuggers do so for ever."""

from __future__ import annotations

import threading

from .cell_frames import holds_debugger
from .request_context import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import List, Optional, Tuple

    from .cell_frames import Place
    from .interrupts import Interrupts


class Unmasked(BaseException):
    """A KeyboardInterrupt that no ``except KeyboardInterrupt`` catches. It looks like one."""


Unmasked.__name__ = Unmasked.__qualname__ = "KeyboardInterrupt"
Unmasked.__module__ = "builtins"


class StoppedQuestion:
    """The last question on the main thread that was stopped.

    After a debugger was stopped, the cells that wait are not aborted: ipykernel runs them, too.

    Args:
        interrupts: Forces the interrupt.
    """

    def __init__(self, interrupts: Interrupts) -> None:
        self.debugged = 0  #: the number of the last request in which a debugger was stopped
        self._interrupts = interrupts
        self._place: Optional[Tuple[int, List[Place]]] = None  # the number of its request, and where it was asked

    def ask(self, frame: Optional[FrameType]) -> None:
        """The code of that frame is about to ask the user something.

        Raises:
            Unmasked: It was interrupted in that question, and asks it again.
        """
        if self._place is not None and self._place_of(frame) == self._place:
            raise self._unmasked(frame)

    def stop(self, frame: Optional[FrameType]) -> None:
        """The code of that frame was interrupted in a question.

        Raises:
            Unmasked: A debugger has asked, which would swallow the interrupt.
        """
        self._place = self._place_of(frame)
        if self._place is not None and holds_debugger(frame):
            self.debugged = current.get()
            raise self._unmasked(frame)

    def _place_of(self, frame: Optional[FrameType]) -> Optional[Tuple[int, List[Place]]]:
        if threading.current_thread() is not threading.main_thread():
            return None
        return current.get(), self._interrupts.frames.places(frame)

    def _unmasked(self, frame: Optional[FrameType]) -> Unmasked:
        error = Unmasked()
        self._interrupts.force(current.get(), frame).error = error
        return error
