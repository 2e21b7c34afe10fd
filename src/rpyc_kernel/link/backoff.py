"""Delays and timeouts of what is tried again after it has failed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_DELAY_S = 0.1
OFTEN_S = 0.8  # between attempts in the first `SOON_S`: most links are back by then, and whoever waits sees it at once
SOON_S = 30.0
LAST_DELAY_S = 10.0

FIRST_TIMEOUT_S = 2.0  # of the first attempts: one that hangs must not hide that the link is back
LAST_TIMEOUT_S = 10.0
TIMEOUT_GROWTH = 1.5


def delays(
    first: float = FIRST_DELAY_S, often: float = OFTEN_S, soon: float = SOON_S, last: float = LAST_DELAY_S
) -> Iterator[float]:
    """Yield the seconds before each attempt: none, then doubling up to *often*, after *soon* to *last*; jittered."""
    yield 0.0
    delay, waited = first, 0.0
    while True:
        yield delay * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret
        waited += delay
        delay = min(delay * 2, often if waited < soon else last)


class Backoff:
    """The attempts to reconnect.

    Attributes:
        timeout: Seconds that the next attempt may take.
        hurry: Whether the attempt that is under way is to be followed by another one at once.
    """

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin: the link is lost."""
        self.timeout = FIRST_TIMEOUT_S
        self.hurry = True

    def delay(self) -> float:
        """Return the seconds until the next attempt."""
        if self.hurry:
            self.hurry, self._delays = False, delays()
        return next(self._delays)

    def failed(self) -> None:
        """Let the next attempt take longer: one has failed."""
        self.timeout = min(self.timeout * TIMEOUT_GROWTH, LAST_TIMEOUT_S)
