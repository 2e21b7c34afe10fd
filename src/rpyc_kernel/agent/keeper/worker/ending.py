"""How a worker is brought to its end: it is asked, told to hurry, sent SIGTERM and SIGKILL. A plain object without I/O.

Asked, it interrupts the cell that runs, awaits threads, runs exit functions and closes files, as any Python does at its
end. When the time for that is used up, it runs at least the exit functions, whatever its main thread does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .process import Child

SECONDS = 5.0  #: for an orderly end
HURRY_SECONDS = 1.0  #: for the exit functions alone
TERM_SECONDS = 2.0  #: for a SIGTERM handler


class Farewell:
    """The end of one worker.

    :param last: the number of the last request that is this worker's
    :ivar due: the time of the next step
    :ivar late: whether it needed more time than it had
    """

    def __init__(self, child: Child, last: int, now: float, seconds: float) -> None:
        self._child = child
        self.last = last
        self.seconds = seconds
        self.late = False
        self._steps = [(child.hurry, HURRY_SECONDS), (child.terminate, TERM_SECONDS), (child.kill, TERM_SECONDS)]
        self.due = now + seconds
        child.leave()

    def step(self, now: float) -> None:
        """The time of a step is used up: take the next one."""
        self.late = True
        step, seconds = self._steps[0]
        if len(self._steps) > 1:
            del self._steps[0]
        self.due = now + seconds
        step()

    def at_once(self, now: float) -> None:
        """Somebody doesn't want to wait."""
        del self._steps[:-1]
        self.step(now)
