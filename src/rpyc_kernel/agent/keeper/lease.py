"""Who holds the session: one client at a time, by one link at a time. A plain object without I/O.

Every attach raises the *epoch*. Whoever comes with an older one is told that it is stale, and also by whom the session
was taken over, if that wasn't itself by a newer link.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    Json = Dict[str, Any]

REMEMBERED = 64  #: clients, and takeovers
MAX_HOLDER = 200  #: characters of the text that says who holds it


class Stale(Exception):
    """The link that asks was followed by another one, or may not follow the one there is.

    :ivar answer: what it is told
    """

    def __init__(self, **more: Any) -> None:
        text = "another kernel holds this session" if more else "another link of this kernel has followed"
        self.answer: Json = dict(error="stale", text=text, **more)


class Lease:
    """Whose session it is.

    :ivar epoch: of the link that is served; 0 until the first
    :ivar client: whose link that is, "" if it didn't say
    :ivar holder: the same for people
    :ivar since: the time of the clock that `attach` is given, at which that client took the session
    """

    def __init__(self, now: float) -> None:
        self.epoch = 0
        self.client = ""
        self.holder = ""
        self.since = now
        self._attempts: Dict[str, int] = {}  # of each client, the how many-th link was its last
        self._takeovers: List[Tuple[int, str]] = []  # the epoch from which on a client had it

    def attach(self, client: str, attempt: int, holder: str, take: bool, now: float) -> bool:
        """A link begins, and the epoch rises; returns whether it took the session from another client.

        :param take: whether it may
        :raises Stale: another client has the session, or this attempt was delayed and a later one has come before it
        """
        if client and attempt <= self._attempts.get(client, attempt - 1):
            raise Stale if client == self.client else self._stale(now)
        if self.client not in ("", client) and not take:
            raise self._stale(now)
        if client:
            self._attempts.pop(client, None)
            self._attempts[client] = attempt  # as the newest
            if len(self._attempts) > REMEMBERED:
                del self._attempts[next(iter(self._attempts))]
        self.epoch += 1
        self.holder = holder[:MAX_HOLDER]
        if client == self.client and self._takeovers:
            return False
        taken = self.client != ""
        self.client, self.since = client, now
        self._takeovers.append((self.epoch, client))
        del self._takeovers[:-REMEMBERED]
        return taken

    def check(self, epoch: int, now: float) -> None:
        """Let the present link pass.

        :raises Stale: it is another one
        """
        if epoch != self.epoch or not epoch:
            raise Stale if self._client_of(epoch) == self.client else self._stale(now)

    def _client_of(self, epoch: int) -> object:
        for first, client in reversed(self._takeovers):
            if first <= epoch <= self.epoch:
                return client
        return None  # so long ago that it must have been another

    def _stale(self, now: float) -> Stale:
        return Stale(by=self.holder, ago=now - self.since)
