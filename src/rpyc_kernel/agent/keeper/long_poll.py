"""When a waiting pull is answered. A plain object without I/O.

Two pulls are under way on one connection, of which the keeper sees one at a time. What somebody waits for (a reply, an
``input_request``) is given at once; of everything else at most one answer goes out a *pace*, so that the other pull is
still there when something urgent comes, and that a million prints don't become a million messages.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .outbox.journal import Journal

MIN_PACE = 0.02  #: seconds between answers that nobody waits for
MAX_PACE = 0.5


class Pull:
    """One pull that waits. ``deadline`` and ``pace`` in seconds, ``max_bytes`` of messages at once."""

    def __init__(self, deadline: float, max_bytes: int, rtt: float) -> None:
        self.deadline = deadline
        self.max_bytes = max_bytes
        self.rtt = rtt
        self.pace = min(max(rtt, MIN_PACE), MAX_PACE)


def due(pull: Pull, journal: Journal, last_plain: float, now: float, measuring: bool = False) -> float:
    """The time at which the pull is to be answered as things are; at or before ``now`` means at once.

    The acknowledgement of a picture comes with the next pull but one, which the server reads only when this one has its
    answer. Where it is waited for, that is given at once, though it may be empty.

    :param last_plain: when the last answer went out that nobody waited for
    :param measuring: whether the time until an acknowledgement is being taken
    """
    if journal.urgent:
        return now
    if journal.picture_sent and (measuring or journal.held):
        return now
    if journal.held:
        return pull.deadline
    if journal.unsent_bytes >= pull.max_bytes:
        return now
    if journal.unsent:
        return min(last_plain + pull.pace, pull.deadline)
    return pull.deadline
