"""When a waiting pull is answered. A plain object without I/O.

Two pulls are under way on one connection; the keeper sees one at a time. A message that somebody waits for (a reply, an
``input_request``) is given at once. All others go out in at most one answer a *pace*: so the other pull is still there
when something urgent comes, and a million prints don't become a million messages.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .outbox.journal import Journal

MIN_PACE_S, MAX_PACE_S = 0.02, 0.5  #: between two answers that nobody waits for


class Pull:
    """One pull that waits.

    Args:
        deadline: When it has to be answered, in seconds of the session's clock.
        max_bytes: Bytes of messages that one answer is to have, about.
        rtt: The round trip of the link, in seconds.
    """

    def __init__(self, deadline: float, max_bytes: int, rtt: float) -> None:
        self.deadline = deadline
        self.max_bytes = max_bytes
        self.rtt = rtt
        self.pace = min(max(rtt, MIN_PACE_S), MAX_PACE_S)


def due(pull: Pull, journal: Journal, last_plain: float, now: float, measuring: bool = False) -> float:
    """The time at which the pull is to be answered as things are; at or before ``now`` means at once.

    The acknowledgement of a picture comes with the next pull but one, and the server reads that only when this pull has
    its answer. Where an acknowledgement is waited for, the answer is given at once, though it may be empty.

    Args:
        pull: The pull.
        journal: The messages.
        last_plain: When the last answer went out that nobody waited for.
        now: The time.
        measuring: Whether the time until an acknowledgement is being taken.
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
