"""How long to wait between attempts to reconnect."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = 0.1  # seconds
LAST = 10.0


def delays(first: float = FIRST, last: float = LAST) -> Iterator[float]:
    """Seconds before each attempt: none, then doubling up to *last*, each jittered by a half."""
    yield 0.0
    delay = first
    while True:
        yield delay * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret
        delay = min(delay * 2, last)
