"""The client's half of a session: what was received, what was sent, what must be sent again. No I/O, no threads."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class SequenceError(Exception):
    """The keeper's numbers don't fit to ours: something was lost, which must never happen."""


@dataclass(frozen=True)
class Submission:
    """A request on its way to the keeper: its number, ``msg_type``, ``msg_id`` and packet."""

    number: int
    type: str
    parent: str
    packet: bytes


class SessionState:
    """Cursor, epoch, and what is unacknowledged.

    :ivar received: the sequence number of the last message that came
    :ivar epoch: of the link; every attach raises it, and an older client is told so
    """

    def __init__(self) -> None:
        self.received = 0
        self.epoch = 0
        self._next = 1
        self._pending: deque[Submission] = deque()  # neither accepted nor given up
        self._sent = 0  # how many of them were sent on this link

    def submit(self, msg_type: str, parent: str, packet: bytes) -> Submission:
        """Number a request."""
        submission = Submission(self._next, msg_type, parent, packet)
        self._next += 1
        self._pending.append(submission)
        return submission

    def next_unsent(self) -> Submission | None:
        """The oldest request that was not sent on this link."""
        return self._pending[self._sent] if self._sent < len(self._pending) else None

    def sent(self) -> None:
        """That one was sent."""
        self._sent += 1

    def accepted(self, number: int) -> None:
        """The keeper has everything up to ``number``."""
        while self._pending and self._pending[0].number <= number:
            self._pending.popleft()
            self._sent = max(0, self._sent - 1)

    def attached(self, epoch: int, accepted: int, acknowledged: int = 0) -> None:
        """A new link begins: what the keeper hasn't is sent again.

        :param acknowledged: up to where the keeper has forgotten its messages, which another client has got
        """
        if epoch <= self.epoch:
            raise SequenceError(f"epoch {epoch} after {self.epoch}")
        if self.epoch and acknowledged > self.received:
            raise SequenceError(f"messages up to {acknowledged} are gone, and {self.received} was the last that came")
        self.received = max(self.received, acknowledged)
        self.epoch = epoch
        self.accepted(accepted)
        self._sent = 0
        numbered = [replace(each, number=number) for number, each in enumerate(self._pending, accepted + 1)]
        self._pending = deque(numbered)
        self._next = accepted + 1 + len(numbered)

    def abandon(self) -> list[Submission]:
        """Give up what was not accepted; it will not run. Returns it."""
        abandoned = list(self._pending)
        self._pending.clear()
        self._sent = 0
        return abandoned

    def arrived(self, first: int, packets: Sequence[memoryview]) -> Sequence[memoryview]:
        """Of messages numbered from ``first``, those that are new. Raises SequenceError if some were left out."""
        if first > self.received + 1:
            raise SequenceError(f"message {first} came after {self.received}")
        new = packets[max(0, self.received + 1 - first) :]
        self.received = max(self.received, first + len(packets) - 1)
        return new
