"""The client's half of a session: what was received, what was sent, what must be sent again. No I/O, no threads."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class SequenceError(Exception):
    """The keeper's numbers don't fit to ours: something was lost, which must never happen."""


@dataclass(frozen=True)
class Submission:
    """A request on its way to the keeper, or a part of one: its number, ``msg_type``, ``msg_id`` and packet.

    *more*: what else the keeper is told of it.
    """

    number: int
    type: str
    parent: str
    packet: bytes
    more: dict[str, Any] = field(default_factory=dict)


class SessionState:
    """The numbers of a session's messages and requests, and the requests that were not accepted yet.

    Attributes:
        received: The number of the last message that came.
        backlog: The number of the last message that had been waiting when the link began.
        epoch: The link's epoch. Every attach raises it, and an older client is told so.
    """

    def __init__(self) -> None:
        self.received = 0
        self.backlog = 0
        self.epoch = 0
        self._next = 1
        self._pending: deque[Submission] = deque()  # neither accepted nor given up
        self._sent = 0  # how many of them were sent on this link
        self._tried = 0  # how many of them were sent on any link
        self._interrupts: deque[str] = deque()

    # --- requests

    def submit(self, msg_type: str, parent: str, packet: bytes, **more: Any) -> Submission:
        """Number a request, or a part of one."""
        submission = Submission(self._next, msg_type, parent, packet, more)
        self._next += 1
        self._pending.append(submission)
        return submission

    def next_unsent(self) -> Submission | None:
        """The oldest request that was not sent on this link."""
        return self._pending[self._sent] if self._sent < len(self._pending) else None

    def sent(self) -> None:
        """That one was sent."""
        self._sent += 1
        self._tried = max(self._tried, self._sent)

    def accepted(self, number: int) -> None:
        """The keeper has everything up to ``number``."""
        while self._pending and self._pending[0].number <= number:
            self._pending.popleft()
            self._sent = max(0, self._sent - 1)
            self._tried = max(0, self._tried - 1)

    def was_tried(self, parent: str) -> bool:
        """Whether a request with that ``msg_id`` may have come over there: if not, it certainly hasn't run."""
        untried = list(self._pending)[self._tried :]
        return all(each.parent != parent for each in untried)

    def withdraw(self, parent: str) -> None:
        """Take back the requests with that ``msg_id`` that were not accepted, while no link is there."""
        kept = [(index, each) for index, each in enumerate(self._pending) if each.parent != parent]
        self._tried = sum(index < self._tried for index, _each in kept)
        self._sent = min(self._sent, self._tried)
        self._pending = deque(each for _index, each in kept)

    def take_back(self, parent: str) -> bool:
        """While a link is up: don't send the parts that are left of the request with that ``msg_id``.

        Returns whether there are some: it will not run then, and the keeper forgets the parts that it has.
        """
        first = self._pending[0].number if self._pending else self._next
        kept = [
            each
            for index, each in enumerate(self._pending)
            if index < self._sent or each.parent != parent or "part" not in each.more
        ]
        if len(kept) == len(self._pending):
            return False
        self._pending = deque(replace(each, number=number) for number, each in enumerate(kept, first))
        self._tried = self._sent
        self._next = first + len(kept)
        return True

    def refused(self, submission: Submission) -> bool:
        """The keeper doesn't take that one: give up all of its request, and number what follows anew.

        Returns whether it was not given up before.
        """
        before, first = len(self._pending), self._pending[0].number if self._pending else self._next
        self._pending = deque(each for each in self._pending if not _same(each, submission))
        self._sent = self._tried = 0  # of what is left: the sender waits for each answer
        self._pending = deque(replace(each, number=number) for number, each in enumerate(self._pending, first))
        self._next = first + len(self._pending)
        return len(self._pending) < before

    # --- interrupts

    def interrupt(self, parent: str) -> None:
        """The request with that ``msg_id`` is to be interrupted."""
        if parent not in self._interrupts:
            self._interrupts.append(parent)

    def next_interrupt(self) -> str | None:
        """The oldest interrupt that may be sent: its request must be over there, since it means no later one."""
        pending = {each.parent for each in self._pending}
        return next((parent for parent in self._interrupts if parent not in pending), None)

    def interrupted(self, parent: str) -> None:
        """That interrupt was delivered, or came too late."""
        if parent in self._interrupts:
            self._interrupts.remove(parent)

    # --- links and messages

    def attached(self, epoch: int, accepted: int, acknowledged: int = 0, last: int = 0) -> None:
        """Begin a new link: requests that the keeper has not accepted are sent again.

        Args:
            epoch: The new link's epoch.
            accepted: The number of the last request that the keeper has.
            acknowledged: The number of the last message that the keeper has forgotten, because a client has got it.
            last: The number of the newest message that waits there.

        Raises:
            SequenceError: The numbers don't follow those of the link before.
        """
        if epoch <= self.epoch:
            raise SequenceError(f"epoch {epoch} after {self.epoch}")
        if self.epoch and acknowledged > self.received:
            raise SequenceError(f"messages up to {acknowledged} are gone, and {self.received} was the last that came")
        self.received = max(self.received, acknowledged)
        self.backlog = last
        if self.epoch:  # else what the keeper has was another kernel's
            self.accepted(accepted)
        self.epoch = epoch
        self._sent = 0
        numbered = [replace(each, number=number) for number, each in enumerate(self._pending, accepted + 1)]
        self._pending = deque(numbered)
        self._next = accepted + 1 + len(numbered)

    def skip(self) -> bool:
        """Give up the next message, which can't be taken; returns whether there is one."""
        there = self.received < self.backlog
        self.received += there
        return there

    def arrived(self, first: int, packets: Sequence[memoryview]) -> Sequence[memoryview]:
        """Of messages numbered from ``first``, those that are new. Raises SequenceError if some were left out."""
        if first > self.received + 1:
            raise SequenceError(f"message {first} came after {self.received}")
        new = packets[max(0, self.received + 1 - first) :]
        self.received = max(self.received, first + len(packets) - 1)
        return new


def _same(one: Submission, other: Submission) -> bool:
    """Whether both are, or belong to, one request."""
    if "part" in one.more and "part" in other.more:
        return bool(one.more["part"][0] == other.more["part"][0])
    return one.packet is other.packet
