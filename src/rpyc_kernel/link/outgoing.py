"""What goes to the other machine, and in which order: interrupts, then questions, then requests. No I/O."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rpyc_kernel.errors import AgentError, ProtocolError, RemoteError, RpycKernelError
from rpyc_kernel.link.state import Submission

if TYPE_CHECKING:
    from rpyc_kernel.link.state import SessionState

TRIES = 3  # that a request is sent which is answered by an error


class Question(NamedTuple):
    """An operation of the session that somebody waits for."""

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
        """A new link has begun, and `SessionState` knows what has arrived on those before."""
        self._unanswered = False

    def ask(self, question: Question) -> None:
        """Send a question."""
        self._questions.append(question)

    def take(self) -> Item | Refusal | None:
        """What is to be sent now, or was given up, which is taken alone.

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
        if packet is submission.packet and times >= TRIES:
            self._state.refused(submission)
            self._refused = None, 0
            return Refusal(submission.parent, self._refusal)
        self._state.sent()
        self._unanswered = True
        return submission

    def answered(self, item: Interrupt | Submission, header: dict[str, Any]) -> None:
        """An interrupt or a request was answered."""
        if isinstance(item, Interrupt):
            self._state.interrupted(item.msg_id)
        else:
            self._unanswered = False
            self._state.accepted(int(header["accepted"]))

    def failed(self, item: Submission, error: Exception) -> None:
        """A request was not answered, or by an error."""
        if isinstance(error, (AgentError, ProtocolError, RemoteError)):
            before, times = self._refused
            self._refused = item.packet, times + 1 if before is item.packet else 1
            self._refusal = error

    def drop_questions(self) -> list[Question]:
        """Forget the questions that were not sent, and return them."""
        questions = list(self._questions)
        self._questions.clear()
        return questions
