"""How a worker is brought to its end: it is asked, told to hurry, sent SIGTERM and SIGKILL. A plain object without I/O.

Asked, it interrupts the cell that runs, awaits threads, runs exit functions and closes files, as any Python does at its
end. When the time for that is used up, it runs at least the exit functions, whatever its main thread does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..session import Worker

ORDERLY_END_S = 5.0  #: for an orderly end
HURRY_S = 1.0  #: for the exit functions alone
TERMINATE_S = 2.0  #: for a SIGTERM handler


class WorkerEnding:
    """The end of one worker.

    :param last: the number of the last request that is this worker's
    :ivar due: the time of the next step
    :ivar late: whether it needed more time than it had
    """

    def __init__(self, worker: Worker, last: int, now: float, seconds: float) -> None:
        self.last = last
        self.late = False
        self._steps = [(worker.hurry, HURRY_S), (worker.terminate, TERMINATE_S), (worker.kill, TERMINATE_S)]
        self.due = now + seconds
        worker.leave()

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
