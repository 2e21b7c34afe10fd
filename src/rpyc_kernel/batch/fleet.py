"""One thing done on many machines at once: a thread for each, and how far each of them is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from rpyc_kernel.errors import DialCancelledError, RpycKernelError
from rpyc_kernel.hosts.target import Target
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rpyc_kernel.hosts.saved import SavedHost

MAX_THREADS = 128  # machines that are asked at once
POLL_INTERVAL_S = 0.1
MAX_TELLS_CHARACTERS = 300


class BoardState(Enum):
    """How far a machine is."""

    WAITS = "waits"
    RUNS = "runs"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass
class Board:
    """One machine of the fleet. Its own thread alone writes what it tells.

    Attributes:
        host: The machine.
        progress: How far it is.
        tells: The last that is known of it: a line of output, a result, or why it has failed.
    """

    host: SavedHost
    progress: BoardState = BoardState.WAITS
    tells: str = ""
    _begun: float = 0.0
    _seconds: float | None = None

    @property
    def name(self) -> str:
        """The name of the machine."""
        return self.host.name

    @property
    def target(self) -> Target:
        """Where it is. Raises AddressError."""
        return Target(*self.host.where, self.host.name)

    @property
    def seconds(self) -> float | None:
        """How long it took, or runs already; None before it has begun."""
        if self.progress is BoardState.WAITS:
            return None
        return time.monotonic() - self._begun if self._seconds is None else self._seconds

    def tell(self, text: str) -> None:
        """Take note of the last that is known of it."""
        if line := plain(text, MAX_TELLS_CHARACTERS):
            self.tells = line

    def run(self, work: Work, cancel: threading.Event) -> None:
        """Do the work on it, and take note of how that ended."""
        self._begun, self.progress = time.monotonic(), BoardState.RUNS
        try:
            good = work(self, cancel)
        except DialCancelledError:
            ended = BoardState.STOPPED
        except (RpycKernelError, OSError) as error:
            self.tell(str(error))
            ended = BoardState.STOPPED if cancel.is_set() else BoardState.FAILED
        except Exception as error:  # noqa: BLE001 - a bug of ours on one machine; the others go on
            self.tell(f"Something went wrong that should not have: {type(error).__name__}: {error}")
            ended = BoardState.FAILED
        else:
            ended = BoardState.DONE if good else BoardState.STOPPED if cancel.is_set() else BoardState.FAILED
        self._seconds = time.monotonic() - self._begun
        self.progress = ended


Work = Callable[[Board, threading.Event], bool]


@dataclass
class Fleet:
    """Machines on which the same is done.

    Attributes:
        boards: The machines, in the order of their file.
    """

    boards: list[Board] = field(default_factory=list)

    @classmethod
    def of(cls, hosts: Iterable[SavedHost]) -> Fleet:
        """Return a fleet of these machines."""
        return cls([Board(host) for host in hosts])

    def run(self, work: Work, changed: Callable[[], object], max_threads: int = MAX_THREADS) -> bool:
        """Do something on all of them at once. Ctrl-C stops it on all; what was begun there is ended.

        Args:
            work: Does it on one; returns whether it went well, or raises a RpycKernelError. It ends soon after its
                event was set.
            changed: Called some times a second, on this thread.
            max_threads: How many machines at once.

        Returns:
            Whether it went well on all of them.
        """
        cancel, room, ended = threading.Event(), threading.Semaphore(max_threads), threading.Semaphore(0)

        def run(board: Board) -> None:
            with room:
                if cancel.is_set():
                    board.progress = BoardState.STOPPED
                else:
                    board.run(work, cancel)
            ended.release()

        for board in self.boards:
            threading.Thread(target=run, args=(board,), name=f"fleet-{board.name}").start()
        left = len(self.boards)
        while left:
            try:  # no thread is joined: Ctrl-C in the midst of that has Python take the thread for one that has ended
                left -= ended.acquire(timeout=POLL_INTERVAL_S)
                changed()
            except KeyboardInterrupt:
                cancel.set()
        changed()
        return all(board.progress is BoardState.DONE for board in self.boards)
