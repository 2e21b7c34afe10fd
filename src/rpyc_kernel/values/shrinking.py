"""Whether blocks are compressed: on a slow link, and only while a sample of them shrinks."""

from __future__ import annotations

SLOW_BYTES_PER_S = 10e6  # a board compresses about as fast
REST_BLOCKS = 16  # that follow one which did not shrink, until the next is tried


class Shrinking:
    """Decides for each block of a transfer. Without I/O."""

    def __init__(self) -> None:
        self._rest = 0
        self._sent = 0
        self._began: float | None = None

    def wanted(self, now: float) -> bool:
        """Tell whether the next block is to be tried. *now*: seconds of the monotonic clock."""
        if self._began is None or self._sent == 0 or self._sent / max(now - self._began, 1e-6) > SLOW_BYTES_PER_S:
            return False
        if self._rest:
            self._rest -= 1
            return False
        return True

    def begin(self, now: float) -> None:
        """Note when the first block is asked for; later calls change nothing."""
        self._began = now if self._began is None else self._began

    def carried(self, size: int, *, tried: bool, shrunk: bool) -> None:
        """Note a block that has travelled, as so many bytes."""
        self._sent += size
        if tried and not shrunk:
            self._rest = REST_BLOCKS
