"""How far a transfer is: counted by those that carry it, told to people a few times a second."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from rpyc_kernel.link.listing import duration, size

if TYPE_CHECKING:
    from collections.abc import Callable

TELL_INTERVAL_S = 0.25
FIRST_TELL_S = 1.0  # what takes no longer needs no words
RATE_SPAN_S = 5.0  # over which the rate is measured


class Progress:
    """How far a transfer is.

    Args:
        tell: Gets a line for people, from `FIRST_TELL_S` seconds on.
        clock: Gives seconds.

    Attributes:
        files: So many are done.
        bytes: So many are done, of those that had to travel.
        total_files: So many there are.
        total_bytes: So many there are.
    """

    def __init__(self, tell: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.files = self.bytes = self.total_files = self.total_bytes = 0
        self._tell = tell
        self._clock = clock
        self._began = self._told = clock()
        self._samples: deque[tuple[float, int]] = deque([(self._began, 0)])

    @property
    def seconds(self) -> float:
        """The seconds since it began."""
        return self._clock() - self._began

    def expect(self, files: int, count: int) -> None:
        """Note what there is to do."""
        self.total_files += files
        self.total_bytes += count

    def moved(self, count: int, files: int = 0) -> None:
        """Note what was done."""
        self.bytes += count
        self.files += files
        now = self._clock()
        if self._tell is None or now - self._told < TELL_INTERVAL_S or now - self._began < FIRST_TELL_S:
            return
        self._told = now
        self._samples.append((now, self.bytes))
        while now - self._samples[0][0] > RATE_SPAN_S:
            self._samples.popleft()
        self._tell(self.line())

    def line(self) -> str:
        """Return how far it is: ``3 of 20 files, 12 of 80 MB, 4.1 MB/s, 17 s left``."""
        since, before = self._samples[0]
        now = self._clock()
        parts = [f"{self.files} of {self.total_files} files"] if self.total_files > 1 else []
        parts.append(f"{size(self.bytes)} of {size(self.total_bytes)}")
        if now > since and self.bytes > before:
            rate = (self.bytes - before) / (now - since)
            left = max(self.total_bytes - self.bytes, 0) / rate
            parts += [f"{size(rate)}/s", f"{duration(left)} left"]
        return ", ".join(parts)
