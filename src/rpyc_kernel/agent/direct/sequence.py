"""The order of a live connection's frames, which travel by two ways at once. A plain object without I/O.

The session's messages arrive, each once and in order, whatever becomes of the link. A shortcut (`shortcut`) is faster,
and what is on it is lost with it. So all frames are numbered, whichever way they go. The sender keeps a frame that went
by the shortcut until the other end has acknowledged it, and sends it again in a message where the shortcut is lost. The
receiver gives out the number that is next, whichever way it comes, and drops what it has had.

An interrupt may come between any two steps. Each step leaves the numbers right, and a frame that was not finished is
sent again under its number; the other end drops it if it has it.
"""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Deque, Dict, List, Optional, Tuple

MAX_KEPT_FRAMES = 32  #: that went by a shortcut and aren't acknowledged
OVERHEAD_BYTES = 200  #: of memory that a frame takes beside its content


class Sequence:
    """The numbers of the frames of one end, out and in. One thread at a time uses each direction.

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
        self._last: Tuple[int, Optional[bytes]] = (0, None)  # the last frame's number; the frame until it is sent
        self._kept: Deque[Tuple[int, bytes]] = deque()

    # --- out

    @property
    def has_room(self) -> bool:
        """Whether a frame may go by a shortcut before more is acknowledged."""
        return len(self._kept) < MAX_KEPT_FRAMES

    def number(self, frame: bytes, keep: bool) -> int:
        """Number a frame that is sent next.

        Args:
            frame: The frame.
            keep: Whether it is to be kept until it is acknowledged, not only until it is `sent`.
        """
        number = self._last[0] + 1
        self._last = number, frame
        if keep:
            self._kept.append((number, frame))
        return number

    def sent(self) -> None:
        """Note that the last frame was sent."""
        self._last = self._last[0], None

    def acknowledge(self, number: int) -> None:
        """Forget the frames up to that number: the other end has them.

        Raises:
            ValueError: No frame of that number was sent.
        """
        if number > self._last[0]:
            raise ValueError("an acknowledgement of what was never sent")
        kept = self._kept
        while kept and kept[0][0] <= number:
            kept.popleft()

    def unacknowledged(self, unfinished: bool) -> List[Tuple[int, bytes]]:
        """Return what has to be sent again, in messages, with its numbers: what was kept.

        Args:
            unfinished: Whether the last frame was interrupted before it was `sent`: then it is sent again, too.
        """
        kept = list(self._kept)
        number, frame = self._last
        if unfinished and frame is not None and (not kept or kept[-1][0] != number):
            kept.append((number, frame))
        return kept

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
        if number > self.received and number not in self._come:
            if self._held_bytes > self._limit:
                raise ValueError("more than %d MiB that nobody has asked for, or waits for" % (self._limit >> 20))
            self._held_bytes += len(frame) + OVERHEAD_BYTES
            self._come[number] = frame, request
        while self.received + 1 in self._come:
            self.received += 1

    @property
    def ready(self) -> bool:
        """Whether the next frame is there."""
        return self._taken < self.received

    def take(self) -> Tuple[bytes, int]:
        """Take the next frame, which has to be there. Returns it with its request, as `arrived` got them."""
        number = self._taken + 1
        frame, request = self._come[number]
        self._taken = number
        self._held_bytes -= len(frame) + OVERHEAD_BYTES
        del self._come[number]
        return frame, request
