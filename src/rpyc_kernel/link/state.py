"""The state of a link: the session's requests and messages, and its two connections. No I/O, no threads."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import AgentError, ProtocolError, RemoteError, RpycKernelError
from rpyc_kernel.link.actions import Abort, Deliver, Dial, Role, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rpyc_kernel.link.actions import Action
    from rpyc_kernel.transport.address import Address

MAX_TRIES = 3  # to send a request that is answered by an error, and to get a message that can't be read
PULL_BYTES = 256 << 10  # of one answer: what a stock server writes fastest

T = TypeVar("T")


class SequenceError(Exception):
    """The keeper's numbers don't match the client's: a message was lost, which must never happen."""


class Submission(NamedTuple):
    """A request on its way to the keeper, or a part of one."""

    number: int  # from 1
    type: str  # its msg_type
    parent: str  # its msg_id
    packet: bytes
    more: dict[str, Any]  # further fields for the keeper


class SessionState:
    """Knows the numbers of a session's requests and messages, and keeps the requests that the keeper doesn't have yet.

    Attributes:
        received: The number of the last message that has come.
        backlog: The number of the last message that was waiting when the link began.
        epoch: The link's number; every attach raises it, and the keeper tells older clients so.
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
        """Return the oldest request that was not yet sent on this link."""
        return self._pending[self._sent] if self._sent < len(self._pending) else None

    def sent(self) -> None:
        """Note that `next_unsent` was sent."""
        self._sent += 1
        self._tried = max(self._tried, self._sent)

    def accepted(self, number: int) -> None:
        """Forget the requests up to *number*: the keeper has them."""
        while self._pending and self._pending[0].number <= number:
            self._pending.popleft()
            self._sent = max(0, self._sent - 1)
            self._tried = max(0, self._tried - 1)

    def was_tried(self, parent: str) -> bool:
        """Tell whether a request with that ``msg_id`` may have reached the keeper; if not, it certainly hasn't run."""
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
        kept = [
            each
            for index, each in enumerate(self._pending)
            if index < self._sent or each.parent != parent or "part" not in each.more
        ]
        if len(kept) == len(self._pending):
            return False
        self._renumber(kept)
        self._tried = self._sent
        return True

    def refused(self, submission: Submission) -> bool:
        """Give up a request that the keeper refuses, with all its parts, and renumber the later requests.

        Returns:
            Whether the request was still pending.
        """
        kept = [each for each in self._pending if not _same(each, submission)]
        there = len(kept) < len(self._pending)
        self._renumber(kept)
        self._sent = self._tried = 0  # the sender waits for each answer, so the rest is unsent
        return there

    def _renumber(self, pending: Iterable[Submission], first: int = 0) -> None:
        """Let these requests be the pending ones, numbered from *first*, or from the oldest one's number."""
        first = first or (self._pending[0].number if self._pending else self._next)
        self._pending = deque(each._replace(number=number) for number, each in enumerate(pending, first))
        self._next = first + len(self._pending)

    # --- interrupts

    def interrupt(self, parent: str) -> None:
        """Ask for an interrupt of the request with that ``msg_id``."""
        if parent not in self._interrupts:
            self._interrupts.append(parent)

    def next_interrupt(self) -> str | None:
        """Return the oldest interrupt whose request the keeper has accepted; only then it can't hit another request."""
        pending = {each.parent for each in self._pending}
        return next((parent for parent in self._interrupts if parent not in pending), None)

    def keeps_interrupt(self, parent: str) -> bool:
        """Tell whether an interrupt of the request with that ``msg_id`` has not arrived yet, as far as is known."""
        return parent in self._interrupts

    def interrupted(self, parent: str) -> None:
        """Forget an interrupt that was delivered, or came too late."""
        if parent in self._interrupts:
            self._interrupts.remove(parent)

    # --- links and messages

    def attached(self, epoch: int, accepted: int, acknowledged: int = 0, last: int = 0) -> None:
        """Begin a new link; requests that the keeper doesn't have are sent again.

        Args:
            epoch: The number of the link.
            accepted: The number of the last request that the keeper has.
            acknowledged: The number of the last message that the keeper has forgotten, as some client received it.
            last: The number of the newest message that waits there.

        Raises:
            SequenceError: The epoch is not new, or messages were forgotten that this client never received.
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
        self._renumber(self._pending, accepted + 1)

    def skip(self) -> bool:
        """Skip the next message, which can't be read; returns whether one is waiting."""
        there = self.received < self.backlog
        self.received += there
        return there

    def arrived(self, first: int, packets: Sequence[memoryview]) -> Sequence[memoryview]:
        """Select the new messages among those numbered from *first*.

        Raises:
            SequenceError: A message is missing before *first*.
        """
        if first > self.received + 1:
            raise SequenceError(f"message {first} came after {self.received}")
        new = packets[max(0, self.received + 1 - first) :]
        self.received = max(self.received, first + len(packets) - 1)
        return new


def _same(one: Submission, other: Submission) -> bool:
    """Tell whether both are the same request, or parts of it."""
    if "part" in one.more and "part" in other.more:
        return bool(one.more["part"][0] == other.more["part"][0])
    return one.packet is other.packet


# --- requests: interrupts go first, then questions


class Question(NamedTuple):
    """Somebody waits for an operation of the session."""

    number: int
    op: str
    header: dict[str, Any]


class Interrupt(NamedTuple):
    """The request with that ``msg_id`` is to be interrupted."""

    msg_id: str


class Refusal(NamedTuple):
    """The request with that ``msg_id`` was given up, since it was answered by errors, of which *error* is the last."""

    msg_id: str
    error: RpycKernelError | None


Item: TypeAlias = Question | Interrupt | Submission


class OutgoingRequests:
    """Decides what the sender sends next. It sends one thing at a time."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._questions: deque[Question] = deque()
        self._unanswered = False  # whether a request was sent on this link that was not answered, or not yet
        self._refused: tuple[bytes | None, int] = None, 0  # the packet that was answered by an error, and how often
        self._refusal: RpycKernelError | None = None  # the error

    def begin_link(self) -> None:
        """Begin with a new link; `SessionState` knows what has arrived on those before."""
        self._unanswered = False

    def ask(self, question: Question) -> None:
        """Send a question."""
        self._questions.append(question)

    def take(self) -> Item | Refusal | None:
        """Take what is to be sent now, or what was given up.

        A request whose answer was lost holds those behind it back until the next link.
        """
        msg_id = self._state.next_interrupt()
        if msg_id is not None:
            return Interrupt(msg_id)
        if self._questions:
            return self._questions.popleft()
        submission = None if self._unanswered else self._state.next_unsent()
        if submission is None:
            return None
        packet, times = self._refused
        if packet is submission.packet and times >= MAX_TRIES:
            self._state.refused(submission)
            self._refused = None, 0
            return Refusal(submission.parent, self._refusal)
        self._state.sent()
        self._unanswered = True
        return submission

    def answered(self, item: Interrupt | Submission, header: dict[str, Any]) -> None:
        """Take note of the answer to an interrupt or a request."""
        if isinstance(item, Interrupt):
            self._state.interrupted(item.msg_id)
        else:
            self._unanswered = False
            self._state.accepted(int(header["accepted"]))

    def failed(self, item: Submission, error: Exception) -> None:
        """Take note of a request that was not answered, or by an error."""
        if isinstance(error, (AgentError, ProtocolError, RemoteError)):
            before, times = self._refused
            self._refused = item.packet, times + 1 if before is item.packet else 1
            self._refusal = error

    def drop_questions(self) -> list[Question]:
        """Forget the questions that were not sent, and return them."""
        questions = list(self._questions)
        self._questions.clear()
        return questions


# --- messages: each comes once, and is backlog or isn't


class Incoming:
    """Reads the answers to pulls.

    Attributes:
        delivered: The number of the last message that was given out.
    """

    def __init__(self, state: SessionState) -> None:
        self.delivered = 0
        self._state = state
        self._parts = wire.Parts()
        self._parent = ""  # the msg_id that the last packet belongs to
        self._catching_up = False  # whether what comes had been waiting, or came while such was shown
        self._unreadable = (0, 0)  # the number of the last message then, and how many answers were wrong since

    def begin_link(self) -> None:
        """Begin with a new link; `SessionState` knows what waits there."""
        self.delivered = self._state.received
        self._catching_up = self._state.backlog > self._state.received

    @property
    def behind(self) -> int:
        """The number of messages of the backlog that have not been given out yet."""
        return max(0, self._state.backlog - self.delivered)

    @property
    def max_bytes(self) -> int:
        """The number of bytes to ask for: one message where an answer was wrong, to know which message it is."""
        number, times = self._unreadable
        return 1 if times and number == self._state.received else PULL_BYTES

    def arrived(self, first: int, packets: list[memoryview]) -> Iterator[Deliver]:
        """Read the answer to a pull: packets, of which the first one has the number *first*."""
        new = self._state.arrived(first, packets)
        for number, packet in enumerate(new, self._state.received - len(new) + 1):
            yield Deliver(self._read(packet), self._catching_up, number)
        if self._state.received >= self._state.backlog and sum(map(len, packets)) < PULL_BYTES:
            self._catching_up = False

    def unreadable(self, reason: str) -> Deliver | None:
        """Take note of an answer to a pull that could not be read. After `MAX_TRIES` of them, skip the next message.

        Returns:
            What is shown in the place of the message that is skipped, if one is.

        Raises:
            LookupError: There is no message that could be the reason.
        """
        number, times = self._unreadable
        times = times + 1 if number == self._state.received else 1
        if times >= MAX_TRIES and (times > MAX_TRIES or not self._state.skip()):
            raise LookupError
        self._unreadable = self._state.received, times
        if times < MAX_TRIES:
            return None
        shown = _replacement("", self._parent, f"a message could not be taken ({reason})")
        return Deliver(shown, self._catching_up, self._state.received)

    def _read(self, packet: memoryview) -> list[wire.Message]:
        """Read the next packet, or put a message together that travels in parts.

        Returns:
            The message; none for a part that isn't the last one; for an unreadable message what is shown in its place.

        Raises:
            WireError: The packet is no message.
        """
        kind, parent = wire.about(packet)
        self._parent = parent or self._parent
        try:
            if not wire.is_part(packet):
                message = wire.Message.decode(packet)
                message.sealed = wire.is_sealed(packet)
            else:
                header, buffers = wire.unpack(packet)
                whole = self._parts.take(header["part"], buffers[0])
                if whole is None:
                    return []
                message = wire.Message.decode(whole)
        except wire.WireError as error:
            if not kind:
                raise
            return _replacement(kind, parent, str(error))
        if message.type == "session_info":  # a new Python: the parts that the one before had sent have no end
            self._parts.clear()
        return [message]


def _replacement(kind: str, parent: str, reason: str) -> list[wire.Message]:
    failed = {"ename": "MessageError", "evalue": reason, "traceback": [reason]}
    if kind.endswith("_reply"):
        reply = wire.Message(kind, {**failed, "status": "error"}, parent)
        return [wire.Message("error", failed, parent), reply] if kind == "execute_reply" else [reply]
    return [wire.Message("stream", {"name": "stderr", "text": f"[nothing is shown here: {reason}]\n"}, parent)]


def end_of(message: wire.Message) -> dict[str, Any] | None:
    """Return how a Python has ended, None where the keeper itself doesn't say so."""
    if not message.sealed:
        return None
    end = message.content if message.type == "worker_died" else message.content.get("end")
    return end if isinstance(end, dict) else None


# --- connections


class ConnectionState(Generic[T]):
    """Knows what a connection is asked; one connection follows the other.

    Args:
        role: What the connection is for.
        numbers: Where each new connection gets its number from.
        do: Gets the actions.

    Attributes:
        number: The number of the present connection; 0: there is none.
        ready: Whether it was dialled.
        asked: What was sent and has no answer, oldest first.
        due: When there is something to do, if nothing happens until then; a time of the owner's clock.
    """

    def __init__(self, role: Role, numbers: Iterator[int], do: Callable[[Action], None]) -> None:
        self.role = role
        self.due: float | None = None
        self._numbers = numbers
        self._do = do
        self.forget()

    def forget(self) -> None:
        """Forget the present connection, which is no more."""
        self.number = 0
        self.ready = False
        self.asked: deque[T] = deque()

    def dial(self, address: Address, timeout: float, hello_timeout: float) -> None:
        """Have a new one dialled."""
        self.number, self.due = next(self._numbers), None
        self._do(Dial(self.role, self.number, address, timeout, hello_timeout))

    def send(self, about: T, op: str, header: dict[str, Any], buffers: Sequence[wire.Bytes], timeout: float) -> None:
        """Ask for an operation; *about* is what `asked` is to know of it."""
        self.asked.append(about)
        self._do(Send(self.role, self.number, op, header, buffers, timeout))

    def abort(self, reason: str) -> None:
        """Break it off; its owner is told of that failure as of any other."""
        if self.number:
            self._do(Abort(self.role, self.number, reason))

    def drop(self, reason: str) -> None:
        """Break it off, and hear no more of it."""
        self.abort(reason)
        self.forget()
        self.due = None
