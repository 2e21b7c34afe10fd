"""The order of a live connection's frames, which travel by two ways at once. A plain object without I/O.

The session's messages arrive, each once and in order, whatever becomes of the link. A shortcut (`shortcut`) is faster,
and what is on it is lost with it. So all frames are numbered, whichever way they go. The sender keeps a frame that went
by the shortcut until the other end has acknowledged it, and sends it again in a message where the shortcut is lost. The
receiver gives out the number that is next, whichever way it comes, and drops what it has had.
"""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Deque, Dict, List, Tuple

MAX_KEPT_BYTES = 256 << 10  #: of frames that went by a shortcut and aren't acknowledged
OVERHEAD_BYTES = 200  #: of memory that a frame takes beside its content


class Sequence:
    """The numbers of the frames of one end, out and in.

    Args:
        limit: Bytes that may have come and not been taken.

    Attributes:
        received: Up to this number every frame has come: what an acknowledgement says.
    """

    def __init__(self, limit: int) -> None:
        self.received = 0
        self._limit = limit
        self._held_bytes = 0
        self._taken = 0
        self._come: Dict[int, Tuple[bytes, int]] = {}  # and not taken; some perhaps before their turn
        self._sent = 0
        self._kept: Deque[Tuple[int, bytes]] = deque()
        self._kept_bytes = 0

    # --- out

    def number(self) -> int:
        """Number a frame that goes in messages."""
        self._sent += 1
        return self._sent

    def has_room(self, size: int) -> bool:
        """Tell whether a frame of that many bytes may go by a shortcut before more is acknowledged."""
        return self._kept_bytes + size <= MAX_KEPT_BYTES

    def keep(self, frame: bytes) -> int:
        """Number a frame that goes by a shortcut, and keep it until it is acknowledged."""
        number = self._sent + 1
        self._kept.append((number, frame))
        self._kept_bytes += len(frame)
        self._sent = number
        return number

    def acknowledge(self, number: int) -> None:
        """Forget the frames up to that number: the other end has them.

        Raises:
            ValueError: No frame of that number was sent.
        """
        if number > self._sent:
            raise ValueError("an acknowledgement of what was never sent")
        kept = self._kept
        while kept and kept[0][0] <= number:
            self._kept_bytes -= len(kept.popleft()[1])

    def unacknowledged(self) -> List[Tuple[int, bytes]]:
        """Return the frames that have to go in messages, with their numbers, where a shortcut is lost."""
        return list(self._kept)

    # --- in

    def arrived(self, number: int, frame: bytes, request: int = 0) -> None:
        """Take a frame that has come, unless it has come before.

        Args:
            number: The frame's number.
            frame: The frame.
            request: The number of the session's request that has brought it; 0 for a shortcut.

        Raises:
            ValueError: That is too much.
        """
        if number <= self.received or number in self._come:
            return
        if self._held_bytes > self._limit:
            raise ValueError("more than %d MiB that nobody has asked for, or waits for" % (self._limit >> 20))
        self._come[number] = frame, request
        self._held_bytes += len(frame) + OVERHEAD_BYTES
        while self.received + 1 in self._come:
            self.received += 1

    @property
    def ready(self) -> bool:
        """Whether the next frame is there."""
        return self._taken < self.received

    def take(self) -> Tuple[bytes, int]:
        """Take the next frame, which has to be there. Returns it with its request, as `arrived` got them."""
        frame, request = self._come.pop(self._taken + 1)
        self._taken += 1
        self._held_bytes -= len(frame) + OVERHEAD_BYTES
        return frame, request
