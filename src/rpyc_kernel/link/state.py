"""The client's half of a session: received, sent and unacknowledged messages. No I/O, no threads."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class SequenceError(Exception):
    """The keeper's numbers don't match the client's: a message was lost, which must never happen."""


@dataclass(frozen=True)
class Submission:
    """A request on its way to the keeper, or a part of one.

    Attributes:
        number: its sequence number, from 1.
        type: its ``msg_type``.
        parent: its ``msg_id``.
        packet: the packed message.
        more: further fields for the keeper.
    """

    number: int
    type: str
    parent: str
    packet: bytes
    more: dict[str, Any] = field(default_factory=dict)


class SessionState:
    """The cursor, the epoch and the unacknowledged requests of a session.

    Attributes:
        received: the sequence number of the last received message.
        backlog: the number of the last message that was waiting when the link began.
        epoch: the link's number; every attach raises it, and the keeper tells older clients so.
    """

    def __init__(self) -> None:
        self.received = 0
        self.backlog = 0
        self.epoch = 0
        self._next = 1
        self._pending: deque[Submission] = deque()  # requests that were neither accepted nor given up
        self._sent = 0  # the number of pending requests that were sent on this link
        self._tried = 0  # the number of pending requests that were sent on any link
        self._interrupts: deque[str] = deque()

    # --- requests

    def submit(self, msg_type: str, parent: str, packet: bytes, **more: Any) -> Submission:
        """Number a request, or a part of one."""
        submission = Submission(self._next, msg_type, parent, packet, more)
        self._next += 1
        self._pending.append(submission)
        return submission

    def next_unsent(self) -> Submission | None:
        """The oldest request that was not yet sent on this link."""
        return self._pending[self._sent] if self._sent < len(self._pending) else None

    def sent(self) -> None:
        """Note that `next_unsent` was sent."""
        self._sent += 1
        self._tried = max(self._tried, self._sent)

    def accepted(self, number: int) -> None:
        """Forget the requests up to ``number``: the keeper has them."""
        while self._pending and self._pending[0].number <= number:
            self._pending.popleft()
            self._sent = max(0, self._sent - 1)
            self._tried = max(0, self._tried - 1)

    def was_tried(self, parent: str) -> bool:
        """Whether a request with that ``msg_id`` may have reached the keeper; if not, it certainly hasn't run."""
        untried = list(self._pending)[self._tried :]
        return all(each.parent != parent for each in untried)

    def withdraw(self, parent: str) -> None:
        """While no link is up: take back the unaccepted requests with that ``msg_id``."""
        kept = [(index, each) for index, each in enumerate(self._pending) if each.parent != parent]
        self._tried = sum(index < self._tried for index, _each in kept)
        self._sent = min(self._sent, self._tried)
        self._pending = deque(each for _index, each in kept)

    def take_back(self, parent: str) -> bool:
        """While a link is up: take back the unsent parts of the request with that ``msg_id``.

        Returns:
            Whether there were any. If so, the request will not run, and the keeper forgets its other parts.
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
        """Give up a request that the keeper refuses, with all its parts, and renumber the later requests.

        Returns:
            Whether the request was still pending.
        """
        before, first = len(self._pending), self._pending[0].number if self._pending else self._next
        self._pending = deque(each for each in self._pending if not _same(each, submission))
        self._sent = self._tried = 0  # the sender waits for each answer, so the rest is unsent
        self._pending = deque(replace(each, number=number) for number, each in enumerate(self._pending, first))
        self._next = first + len(self._pending)
        return len(self._pending) < before

    # --- interrupts

    def interrupt(self, parent: str) -> None:
        """Ask for an interrupt of the request with that ``msg_id``."""
        if parent not in self._interrupts:
            self._interrupts.append(parent)

    def next_interrupt(self) -> str | None:
        """The oldest interrupt whose request the keeper has accepted; only then it can't hit another request."""
        pending = {each.parent for each in self._pending}
        return next((parent for parent in self._interrupts if parent not in pending), None)

    def interrupted(self, parent: str) -> None:
        """Forget an interrupt that was delivered, or came too late."""
        if parent in self._interrupts:
            self._interrupts.remove(parent)

    # --- links and messages

    def attached(self, epoch: int, accepted: int, acknowledged: int = 0, last: int = 0) -> None:
        """Begin a new link; requests that the keeper doesn't have are sent again.

        Args:
            epoch: the number of the link.
            accepted: the number of the last request that the keeper has.
            acknowledged: the number of the last message that the keeper has forgotten, as some client received it.
            last: the number of the newest message that waits there.

        Raises:
            SequenceError: the epoch is not new, or messages were forgotten that this client never received.
        """
        if epoch <= self.epoch:
            raise SequenceError(f"epoch {epoch} after {self.epoch}")
        if self.epoch and acknowledged > self.received:
            raise SequenceError(f"messages up to {acknowledged} are gone, and {self.received} was the last that came")
        self.received = max(self.received, acknowledged)
        self.backlog = last
        if self.epoch:  # on the first link, the keeper's requests came from another kernel
            self.accepted(accepted)
        self.epoch = epoch
        self._sent = 0
        numbered = [replace(each, number=number) for number, each in enumerate(self._pending, accepted + 1)]
        self._pending = deque(numbered)
        self._next = accepted + 1 + len(numbered)

    def skip(self) -> bool:
        """Skip the next message, which can't be read; returns whether one is waiting."""
        there = self.received < self.backlog
        self.received += there
        return there

    def arrived(self, first: int, packets: Sequence[memoryview]) -> Sequence[memoryview]:
        """Select the new messages among those numbered from ``first``.

        Raises:
            SequenceError: a message is missing before ``first``.
        """
        if first > self.received + 1:
            raise SequenceError(f"message {first} came after {self.received}")
        new = packets[max(0, self.received + 1 - first) :]
        self.received = max(self.received, first + len(packets) - 1)
        return new


def _same(one: Submission, other: Submission) -> bool:
    """Whether both are the same request, or parts of it."""
    if "part" in one.more and "part" in other.more:
        return bool(one.more["part"][0] == other.more["part"][0])
    return one.packet is other.packet
