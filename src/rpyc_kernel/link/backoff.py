"""How long to wait between attempts to reconnect."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = 0.1  # seconds
OFTEN = 0.8  # between attempts in the first `SOON`: most links are back by then, and whoever waits sees it at once
SOON = 30.0
LAST = 10.0


def delays(first: float = FIRST, often: float = OFTEN, soon: float = SOON, last: float = LAST) -> Iterator[float]:
    """Seconds before each attempt: none, then doubling up to *often*, after *soon* up to *last*, jittered by a half."""
    yield 0.0
    delay, waited = first, 0.0
    while True:
        yield delay * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret
        waited += delay
        delay = min(delay * 2, often if waited < soon else last)
