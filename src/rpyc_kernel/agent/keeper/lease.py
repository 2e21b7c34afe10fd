"""The lease of a session: one client has it at a time, by one link at a time. A plain object without I/O.

Every attach raises the *epoch* (a fencing token). A link with an older epoch is told that it is stale, and who has
taken the session over, unless its own client has with a newer link.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    Json = Dict[str, Any]

MAX_CLIENTS = 64  #: whose last attempt is known; and takeovers
MAX_HOLDER_CHARACTERS = 200


class Stale(Exception):
    """A newer link is there, or this one may not take its place.

    Attributes:
        answer: The answer for this link.
    """

    def __init__(self, **more: Any) -> None:
        text = "another kernel holds this session" if more else "another link of this kernel has followed"
        self.answer: Json = dict(error="stale", text=text, **more)


class Lease:
    """Knows which link is served.

    Args:
        now: The time.

    Attributes:
        epoch: The epoch of the link that is served; 0 until the first.
        client: The client of that link, "" if it didn't say.
        holder: A text for people that says who that is.
        since: When that client took the session.
    """

    def __init__(self, now: float) -> None:
        self.epoch = 0
        self.client = ""
        self.holder = ""
        self.since = now
        self._attempts: Dict[str, int] = {}  # by client: the number of its last link
        self._takeovers: List[Tuple[int, str]] = []  # epochs from which on a client had it

    def attach(self, client: str, attempt: int, holder: str, take: bool, now: float) -> bool:
        """Begin a link: the epoch rises.

        Args:
            client: The name of its client, "" if it doesn't say.
            attempt: The number of this link among those of its client.
            holder: A text for people that says who the client is.
            take: Whether it may take the session from another client.
            now: The time.

        Returns:
            Whether it took the session from another client.

        Raises:
            Stale: Another client has the session, or a later attempt of this client has come before this one.
        """
        if client and attempt <= self._attempts.get(client, attempt - 1):
            raise Stale if client == self.client else self._stale(now)
        if self.client not in ("", client) and not take:
            raise self._stale(now)
        if client:
            self._attempts.pop(client, None)
            self._attempts[client] = attempt  # as the newest
            if len(self._attempts) > MAX_CLIENTS:
                del self._attempts[next(iter(self._attempts))]
        self.epoch += 1
        self.holder = holder[:MAX_HOLDER_CHARACTERS]
        if client == self.client and self._takeovers:
            return False
        taken = self.client != ""
        self.client, self.since = client, now
        self._takeovers.append((self.epoch, client))
        del self._takeovers[:-MAX_CLIENTS]
        return taken

    def check(self, epoch: int, now: float) -> None:
        """Let the present link pass.

        Raises:
            Stale: Another link is served.
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
