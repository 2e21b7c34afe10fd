"""What comes from the other machine: each message once, and whether it is backlog. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpyc_kernel.link.actions import Deliver
from rpyc_kernel.link.message_reader import MessageReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpyc_kernel.agent import wire
    from rpyc_kernel.link.state import SessionState

TRIES = 3  # that a message is asked for which can't be read
PULL_BYTES = 256 << 10  # of one answer: what a stock server writes fastest


class Incoming:
    """Reads the answers to pulls.

    Attributes:
        delivered: The number of the last message that was given out.
    """

    def __init__(self, state: SessionState) -> None:
        self.delivered = 0
        self._state = state
        self._reader = MessageReader()
        self._catching_up = False  # whether what comes had been waiting, or came while such was shown
        self._unreadable = (0, 0)  # the number of the last message then, and how many answers were wrong since

    def begin_link(self) -> None:
        """A new link has begun, and `SessionState` knows what waits there."""
        self.delivered = self._state.received
        self._catching_up = self._state.backlog > self._state.received

    @property
    def behind(self) -> int:
        """How many messages of the backlog have not been given out yet."""
        return max(0, self._state.backlog - self.delivered)

    @property
    def max_bytes(self) -> int:
        """How many bytes to ask for; one message alone where an answer was wrong, to know which message it is."""
        number, times = self._unreadable
        return 1 if times and number == self._state.received else PULL_BYTES

    def arrived(self, first: int, packets: list[memoryview]) -> Iterator[Deliver]:
        """A pull was answered by *packets*, of which *first* is the number of the first one."""
        new = self._state.arrived(first, packets)
        for number, packet in enumerate(new, self._state.received - len(new) + 1):
            yield Deliver(self._reader.read(packet), self._catching_up, number)
        if self._state.received >= self._state.backlog and sum(map(len, packets)) < PULL_BYTES:
            self._catching_up = False

    def unreadable(self, reason: str) -> Deliver | None:
        """The answer to a pull could not be taken. When that was so `TRIES` times, the next message is skipped.

        Returns:
            What is shown in the place of the message that is skipped, if one is.

        Raises:
            LookupError: There is no message that could be the reason.
        """
        number, times = self._unreadable
        times = times + 1 if number == self._state.received else 1
        if times >= TRIES and (times > TRIES or not self._state.skip()):
            raise LookupError
        self._unreadable = self._state.received, times
        if times < TRIES:
            return None
        shown = self._reader.missing(f"a message could not be taken ({reason})")
        return Deliver(shown, self._catching_up, self._state.received)


def end_of(message: wire.Message) -> dict[str, Any] | None:
    """Return how a Python has ended, None where the keeper itself doesn't say so."""
    if not message.sealed:
        return None
    end = message.content if message.type == "worker_died" else message.content.get("end")
    return end if isinstance(end, dict) else None
