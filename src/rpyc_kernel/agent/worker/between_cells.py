"""Something short that the main thread does between cells for another thread, which waits only so long for it."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable


class BetweenCells:
    """Work for the main thread. Whoever wants it done may give it up, and then it is never done.

    Args:
        work: Does it; raises nothing.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._done = threading.Event()
        self._given_up = False
        self._lock = threading.Lock()  # guards the line above, and the work

    def do(self) -> None:
        """Do it, unless nobody waits any more. On the main thread."""
        with self._lock:
            if not self._given_up:
                self._work()
                self._done.set()

    def wait(self, timeout: float) -> bool:
        """Return whether it was done within so many seconds. Otherwise it is given up."""
        if self._done.wait(timeout):
            return True
        with self._lock:
            self._given_up = not self._done.is_set()
            return not self._given_up
