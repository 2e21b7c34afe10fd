"""How fast the link to the kernel is. A plain object without I/O; times are of any clock that only goes forward.

It is measured with pictures alone: the acknowledgement of anything else may wait until something follows.
"""

from __future__ import annotations

LEAST = 4096  #: bytes of what is measured; less says something of the round trip alone
SHORTEST = 0.0005  #: seconds that anything takes
AGAIN = 0.5  #: seconds until it is measured again
AHEAD = 0.1  #: seconds that what is under way may take when another picture follows it


class LinkSpeed:
    """Looks how long a picture takes until it is acknowledged.

    :ivar bytes_per_second: 0 until something was measured
    """

    def __init__(self) -> None:
        self.bytes_per_second = 0
        self._last = 0  # the number of the message whose acknowledgement is waited for
        self._size = 0
        self._due = 0.0  # when that would come from a link that is infinitely fast
        self._measured = 0.0  # when one came

    @property
    def measuring(self) -> bool:
        """Whether an acknowledgement is waited for."""
        return self._last > 0

    @property
    def ahead(self) -> int:
        """Bytes that may be under way when another picture is given out: those that are there in a moment."""
        return int(self.bytes_per_second * AHEAD)

    def left(self, number: int, size: int, rtt: float, now: float) -> None:
        """Messages up to that number were given out, and with them ``size`` bytes are under way."""
        if not self._last and size >= LEAST and (not self.bytes_per_second or now - self._measured > AGAIN):
            self._last, self._size, self._due = number, size, now + rtt

    def arrived(self, number: int, now: float) -> None:
        """Messages up to that number were acknowledged."""
        if not 0 < self._last <= number:
            return
        self._last, self._measured = 0, now
        measured = int(self._size / max(now - self._due, SHORTEST))
        # a kernel that was busy once makes it look slow, nothing makes it look faster than it is
        self.bytes_per_second = max(measured, (measured + self.bytes_per_second) // 2)
