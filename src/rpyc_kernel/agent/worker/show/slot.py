"""A place in a cell where pictures follow each other, and the times at which they may."""

from __future__ import annotations

import threading
import time

from .fitting import Fitting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from .pictures import Drawing, Shown
    from .plot import Plot
    from .saving import Clip

EARLY_SHARE = 0.5  #: of the time between two pictures that one may come early; on average they come as they should
REST_SHARE = 0.5  #: of the work for a picture, until the next one is made


class PictureSlot:
    """Where the pictures of one id of one cell are shown.

    Attributes:
        number: The number of the cell's request.
        name: What is written below the pictures.
        clips: The videos that are made of them, by their paths.
        plot: What is shown instead of pictures.
        display_id: "" until something is shown.
        waiting: The newest picture, if it was not sent yet.
        spare: One of ours whose memory may be used again.
        reduced: The last one that was sent, if the link could not carry it as it is.
        due: The time at which the next is to be sent.
        rested: The time before which none may be sent.
        work: Seconds that the last one took.
        starved: How many of the last ones were made so slowly because the thread got no turn.
        inline: How many pictures the code that shows them makes itself, since the thread gets no turn.
        rests: Whether nobody sees the place just now.
        undrawn: The newest drawing, while nobody sees it.
        sending: Held by whoever makes and sends one, so that they stay in order.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = ""
        self.clips: Dict[str, Clip] = {}
        self.plot: Optional[Plot] = None
        self.display_id = ""
        self.waiting: Optional[Shown] = None
        self.spare: Any = None
        self.reduced: Optional[Shown] = None
        self.sent = 0  # how many
        self.cleared = 0  # how often
        self.inline = self.starved = 0
        self.failed = self.rests = False
        self.undrawn: Optional[Drawing] = None
        self.due = self.rested = self.interval = self.work = 0.0
        self.quality = 0
        self.fitting = Fitting()
        self.sending = threading.Lock()

    @property
    def turn(self) -> float:
        """The time from which on something may be sent.

        A camera of 45 pictures a second would else be seen with 23: each second one comes too early by a third. And of
        one of 60 with ``fps=60``, a picture that waits for its time would be replaced by one that comes a little early.
        """
        return max(self.due - EARLY_SHARE * self.interval, self.rested)

    def rest(self, started: float, work: float) -> None:
        """A picture was made from that time on, and took so many seconds of work."""
        self.work = work
        self.due = (self.due if self.due > started - self.interval else started) + self.interval
        self.rested = time.monotonic() + REST_SHARE * work
