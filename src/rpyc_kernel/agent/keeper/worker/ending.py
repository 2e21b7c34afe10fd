"""How a worker is ended: it is asked, told to hurry, sent SIGTERM, and sent SIGKILL. A plain object without I/O.

A worker that is asked interrupts its cell, awaits threads, runs exit functions and closes files, as any Python does at
its end. When the time for that is used up, it runs at least the exit functions, whatever its main thread does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Endable(Protocol):
        """A worker's process, as far as its end goes: the steps to that, each more forceful than the one before."""

        def leave(self) -> None: ...
        def hurry(self) -> None: ...
        def terminate(self) -> None: ...
        def kill(self) -> None: ...


ORDERLY_END_S = 5.0  #: for an orderly end
HURRY_S = 1.0  #: for the exit functions alone
TERMINATE_S = 2.0  #: for a SIGTERM handler


class WorkerEnding:
    """The end of one worker.

    Args:
        worker: The worker, which is asked at once.
        last: The number of the last request for this worker.
        now: The time.
        seconds: For an orderly end.

    Attributes:
        due: The time of the next step.
        late: Whether the worker needed more time than it had.
    """

    def __init__(self, worker: Endable, last: int, now: float, seconds: float) -> None:
        self.last = last
        self.late = False
        self._steps = [(worker.hurry, HURRY_S), (worker.terminate, TERMINATE_S), (worker.kill, TERMINATE_S)]
        self.due = now + seconds
        worker.leave()

    def step(self, now: float) -> None:
        """Take the next step: the time of the one before is used up."""
        self.late = True
        step, seconds = self._steps[0]
        if len(self._steps) > 1:
            del self._steps[0]
        self.due = now + seconds
        step()

    def at_once(self, now: float) -> None:
        """Take the last step: somebody doesn't want to wait."""
        del self._steps[:-1]
        self.step(now)
