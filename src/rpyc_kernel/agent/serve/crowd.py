"""Who is connected, and who has to go: the bounds on connections, without I/O and with times that it is given.

A connection is *new* until its client has proved who it is. There is room for `MAX_NEW` new ones. Where that is used
up, the one goes that has waited longest, of the address that has the most: so one machine that opens hundreds doesn't
keep the others out. A new one has to have proved itself in time, however slowly it sends.
"""

from __future__ import annotations

from collections import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Hashable, List, Optional

MAX_NEW = 64  #: a classroom that begins its lesson has about as many
MAX_PROVED = 256
PROOF_TIMEOUT_S = 15  #: in which a new one has to prove itself


class Crowd:
    """The connections.

    Args:
        max_new: How many may be new.
        max_proved: How many may have proved themselves.
        timeout: Seconds until a new one has to have done so.
    """

    def __init__(self, max_new: int = MAX_NEW, max_proved: int = MAX_PROVED, timeout: float = PROOF_TIMEOUT_S) -> None:
        self._max_new = max_new
        self._max_proved = max_proved
        self._timeout = timeout
        self._new: Dict[Hashable, _New] = {}  # the oldest first
        self._proved: Dict[Hashable, str] = {}

    def arrive(self, connection: Hashable, host: str, now: float) -> Optional[Hashable]:
        """A connection has come from that host. Returns the one that has to go for it, or None."""
        leaver = None
        if len(self._new) >= self._max_new:
            most = Counter(each.host for each in self._new.values()).most_common(1)[0][0]
            leaver = next(each for each, new in self._new.items() if new.host == most)
            del self._new[leaver]
        self._new[connection] = _New(host, now + self._timeout)
        return leaver

    def prove(self, connection: Hashable, client: str) -> bool:
        """A connection has proved to be that client's. Returns whether there is room for it, and it hadn't to go."""
        if self._new.pop(connection, None) is None or len(self._proved) >= self._max_proved:
            return False
        self._proved[connection] = client
        return True

    def leave(self, connection: Hashable) -> None:
        """A connection has ended."""
        self._new.pop(connection, None)
        self._proved.pop(connection, None)

    def overdue(self, now: float) -> List[Hashable]:
        """Take away and return the new ones whose time is over."""
        late = [each for each, new in self._new.items() if new.until <= now]
        for each in late:
            del self._new[each]
        return late

    def due(self) -> Optional[float]:
        """When the next of the new ones is overdue; None where there is none."""
        return min((each.until for each in self._new.values()), default=None)

    def of_client(self, client: str) -> List[Hashable]:
        """Return the connections that have proved to be that client's."""
        return [each for each, name in self._proved.items() if name == client]

    def everybody(self) -> List[Hashable]:
        """Return all connections."""
        return [*self._new, *self._proved]

    def counts(self) -> Dict[str, int]:
        """Return how many connections each client has."""
        return dict(Counter(self._proved.values()))


class _New:
    def __init__(self, host: str, until: float) -> None:
        self.host = host
        self.until = until
