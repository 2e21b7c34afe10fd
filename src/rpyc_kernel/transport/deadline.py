"""A deadline: how long to wait, and what ends the waiting early."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

MIN_HEARD_BYTES = 1024  # that have to travel for a silence to begin anew: who sends them one by one says nothing
POLL_INTERVAL_S = 0.05  # of the cancel event: no socket call can wait for it too
STOP_POLL_INTERVAL_S = 0.2  # of the stop button, on the user's thread where signals don't end a wait


class Deadline:
    """A moment at which waiting ends, and optionally an event that ends it before. Made once, passed down.

    Attributes:
        timeout: The seconds from its making to its end; None where it has no end.
        cancel: The event, if there is one.
    """

    clock = staticmethod(time.monotonic)  # a test replaces it

    def __init__(self, timeout: float | None, cancel: threading.Event | None = None) -> None:
        self.timeout = timeout
        self.cancel = cancel
        self._end = None if timeout is None else self.clock() + timeout

    def left(self) -> float | None:
        """Return the seconds that are left, never negative; None without an end."""
        return None if self._end is None else max(0.0, self._end - self.clock())

    def slice(self, longest: float | None = None) -> float | None:
        """Return the seconds to wait in one go: those that are left, and fewer where the cancel event must be seen.

        Args:
            longest: Seconds that are returned at most; without it, `POLL_INTERVAL_S` where there is a cancel event.
        """
        left = self.left()
        if longest is None:
            if self.cancel is None:
                return left
            longest = POLL_INTERVAL_S
        return longest if left is None else min(left, longest)

    @property
    def expired(self) -> bool:
        """Whether the time is over."""
        return self._end is not None and self.clock() >= self._end

    @property
    def cancelled(self) -> bool:
        """Whether somebody set the cancel event."""
        return self.cancel is not None and self.cancel.is_set()

    def heard(self, size: int) -> None:
        """Note that *size* bytes have come, or gone."""

    def part(self, seconds: float) -> Deadline:
        """Return a deadline of at most *seconds* from now, that ends with this one and is cancelled with it."""
        left = self.left()
        return Deadline(seconds if left is None else min(seconds, left), self.cancel)


class Silence(Deadline):
    """A deadline that begins anew whenever bytes come or go, however long the whole takes."""

    def __init__(self, timeout: float | None, cancel: threading.Event | None = None) -> None:
        super().__init__(timeout, cancel)
        self._heard = 0

    def heard(self, size: int) -> None:
        """Begin anew, once enough bytes have come or gone."""
        self._heard += size
        if self._heard >= MIN_HEARD_BYTES and self.timeout is not None:
            self._heard = 0
            self._end = self.clock() + self.timeout
