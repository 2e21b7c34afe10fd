"""How fast the link to the kernel is. A plain object without I/O; times are of any clock that only goes forward.

Only pictures are measured: the acknowledgement of anything else may wait until something follows.
"""

from __future__ import annotations

MIN_MEASURED_BYTES = 4096  #: less tells of the round trip alone
MIN_DURATION_S = 0.0005  #: a transfer is taken to last at least so long
MEASURE_INTERVAL_S = 0.5
AHEAD_S = 0.1  #: when a picture follows others, those under way may take so long


class LinkSpeed:
    """Takes the time until a picture is acknowledged.

    Attributes:
        bytes_per_second: The speed; 0 until a picture was measured.
        waits_for: The number of the message whose acknowledgement it waits for; 0: none.
    """

    def __init__(self) -> None:
        self.bytes_per_second = 0
        self.waits_for = 0
        self._size = 0
        self._due = 0.0  # when it would come by a link of infinite speed
        self._measured = 0.0  # when the last one came

    @property
    def ahead(self) -> int:
        """How many bytes may be under way when another picture is given out: they arrive in `AHEAD_S`."""
        return int(self.bytes_per_second * AHEAD_S)

    def left(self, number: int, size: int, rtt: float, now: float) -> None:
        """Messages up to that number were given out, and with them ``size`` bytes are under way."""
        known = self.bytes_per_second and now - self._measured <= MEASURE_INTERVAL_S
        if not self.waits_for and size >= MIN_MEASURED_BYTES and not known:
            self.waits_for, self._size, self._due = number, size, now + rtt

    def arrived(self, number: int, now: float) -> None:
        """Messages up to that number were acknowledged."""
        if not 0 < self.waits_for <= number:
            return
        self.waits_for, self._measured = 0, now
        measured = int(self._size / max(now - self._due, MIN_DURATION_S))
        # a kernel that was busy once makes the link look slow; nothing makes it look faster than it is
        self.bytes_per_second = max(measured, (measured + self.bytes_per_second) // 2)
