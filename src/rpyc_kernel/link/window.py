"""How much of a transfer is under way at once: enough to fill the link, and little enough to hold up nobody.

The time from a block's request to its answer is the link's round trip and the queue before it, which this keeps short
(as LEDBAT does, RFC 6817): the window grows while blocks come soon, and shrinks when they queue.
"""

from __future__ import annotations

from collections import deque

MIN_BYTES = 16 << 10
MAX_BYTES = 16 << 20
MAX_BLOCK_BYTES = 4 << 20
FIRST_BYTES = 256 << 10
BLOCKS = 4  # in a window
MAX_QUEUE_S = 0.06  # that a block may wait for others


class Window:
    """Decides about the size of blocks and how many of them are under way. Without I/O.

    Attributes:
        size: Bytes that may be under way.
    """

    def __init__(self) -> None:
        self.size = float(FIRST_BYTES)
        self._sent: deque[tuple[int, float]] = deque()
        self._under_way = 0
        self._was_full = False  # the link has queued blocks before: the window grows slowly from then on
        self._shortest = float("inf")  # seconds from a request to its answer

    @property
    def block(self) -> int:
        """The bytes of the next block."""
        return int(min(max(self.size / BLOCKS, MIN_BYTES), MAX_BLOCK_BYTES))

    @property
    def open(self) -> bool:
        """Whether another block may be sent."""
        return not self._sent or self._under_way + self.block <= self.size

    @property
    def waiting(self) -> int:
        """The number of blocks under way."""
        return len(self._sent)

    def sent(self, size: int, now: float) -> None:
        """Note a block that is asked for, or sent. *now*: seconds of the monotonic clock."""
        self._sent.append((size, now))
        self._under_way += size

    def answered(self, now: float) -> int:
        """Note the answer to the oldest block, and return its size in bytes."""
        size, since = self._sent.popleft()
        self._under_way -= size
        delay = now - since
        self._shortest = min(self._shortest, delay)
        if delay < self._shortest + MAX_QUEUE_S:
            self.size = min(self.size + size * (size / self.size if self._was_full else 1), MAX_BYTES)
        else:
            self.size, self._was_full = max(self.size * 0.85, MIN_BYTES), True
        return size
