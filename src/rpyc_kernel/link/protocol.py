"""Everything that a link decides. No I/O, no threads, no clock: events come in, actions go out.

The owner reports what happens by the methods, does the actions that `LinkProtocol.take_actions` gives, and calls
`LinkProtocol.tick` when a connection's time (`LinkProtocol.due`) has come. Times are seconds of any clock that never
goes back. An event of a connection that was given up meanwhile is ignored, so that events may come late.
"""

from __future__ import annotations

import itertools
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import (
    AgentError,
    LinkLost,
    NotTakenError,
    OneShotError,
    ProtocolError,
    RemoteError,
    RpycKernelError,
    SessionError,
    TakenOverError,
    WithdrawnError,
)
from rpyc_kernel.link.actions import (
    Abort,
    Action,
    AllowFrames,
    Answer,
    Deliver,
    Dial,
    Fail,
    LinkStatus,
    Refuse,
    Role,
    Send,
    StatusChanged,
)
from rpyc_kernel.link.backoff import delays
from rpyc_kernel.link.message_reader import MessageReader
from rpyc_kernel.link.session_state import SequenceError, SessionState, Submission

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rpyc_kernel.transport.address import Address

__all__ = ["HEARTBEAT", "MALFORMED", "LinkProtocol", "LinkStatus"]

HEARTBEAT = 15.0  # seconds of silence, after which the link counts as dead
DIAL_TIMEOUT_S = 10.0  # of one attempt
FIRST_TIMEOUT_S = 2.0  # of the first attempts to reconnect: one that hangs must not hide that the link is back
TIMEOUT_GROWTH = 1.5
HELLO_TIMEOUT_S = 60.0  # until the agent has answered; a small board compiles it in that time
SPAWN_TIMEOUT_S = 90.0
ROUND_TRIPS = 20  # that an attempt to reconnect lasts at the least
REDIAL_S = 0.1  # until the sender's connection is dialled again
PULLS = 2  # under way at once
PULL_BYTES = 256 << 10  # of one answer: what a stock server writes fastest
PULL_WAIT_S = 5.0  # that a pull waits when there is nothing to give; its empty answer is the heartbeat
POLL_INTERVAL_S, MAX_POLL_INTERVAL_S, POLL_GROWTH = 0.005, 0.2, 1.3  # between pulls from a server with few threads
TRIES = 3  # a request that is answered by an error, or a message that can't be read, is sent or asked for so often
SLACK = 16 << 20  # bytes of an answer beside its longest message

# what reading an answer raises that isn't what it should be
MALFORMED = (SequenceError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError)


class _Question(NamedTuple):
    """An operation that somebody waits for."""

    number: int
    op: str
    header: dict[str, Any]


class _Connection:
    """What is known of one connection: *asked* has each question without an answer, and what it was about."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.due: float | None = None  # when to dial again, or to ask again
        self.forget()

    def forget(self) -> None:
        """It is no more."""
        self.number = 0
        self.ready = False  # whether it was dialled
        self.asked: deque[tuple[str, _Question | Submission | str | None]] = deque()


class LinkProtocol:
    """One session's link.

    Args:
        address: The RPyC server to dial.
        session: The session's id.
        heartbeat: Seconds of silence, after which the link counts as dead.
        holder: Who has the session here, for people.
        title: What people call the session.

    Attributes:
        status: The state of the link.
        error: What has brought the link into this state, if that was an error.
        failure: Why the last attempt to reconnect failed, a sentence.
        hello: What the agent said of its server and itself when the link was opened.
        attached: What the keeper said when the present link began.
        rtt: Seconds of the shortest round trip on the present link.
        delivered: The number of the last message that was given out.
        state: The numbers of requests and messages.
    """

    def __init__(
        self, address: Address, session: str, *, heartbeat: float = HEARTBEAT, holder: str = "", title: str = ""
    ) -> None:
        self.address = address
        self.session = session
        self.heartbeat = heartbeat
        self.title = title
        self.status = LinkStatus.NEW
        self.error: RpycKernelError | None = None
        self.failure = ""
        self.hello: dict[str, Any] = {}
        self.attached: dict[str, Any] = {}
        self.rtt = 0.0
        self.delivered = 0
        self.state = SessionState()
        self._holder = holder
        self._client = uuid.uuid4().hex
        self._attempts = itertools.count(1)
        self._numbers = itertools.count(1)  # of connections and questions
        self._actions: list[Action] = []
        self._puller, self._sender = _Connection(Role.PULLER), _Connection(Role.SENDER)
        self._opening = 0  # the number of the question that `open` is
        self._config: dict[str, Any] | None = None
        self._keep: float | None = None
        self._record: dict[str, Any] | None = None  # where the other machine has no place to keep it
        # messages
        self._reader = MessageReader()
        self._catching_up = False  # whether what comes is backlog
        self._unreadable = (0, 0)  # the number of the last message then, and how many answers were wrong since
        self._pooled = False  # whether a waiting pull would hold one of the server's few threads
        self._poll_interval = POLL_INTERVAL_S
        # requests
        self._questions: deque[_Question] = deque()
        self._unanswered = False  # whether a request was sent on this link whose answer was lost
        self._refusals: tuple[bytes | None, int] = None, 0  # the packet that was answered by an error, and how often
        self._refusal: RpycKernelError | None = None
        self._sender_failures = 0  # to dial it, in a row
        # reconnecting
        self._hurry = False
        self._dial_timeout = FIRST_TIMEOUT_S
        self._delays = delays()

    def take_actions(self) -> list[Action]:
        """What is to be done, oldest first. Each action is given once."""
        actions, self._actions = self._actions, []
        return actions

    def due(self, role: Role) -> float | None:
        """When `tick` has something to do for that connection, if nothing happens until then."""
        return self._connection(role).due

    @property
    def behind(self) -> int:
        """How many messages of the backlog have not been given out yet."""
        return max(0, self.state.backlog - self.delivered)

    # --- what the user of the link wants

    def open(self, config: dict[str, Any] | None, keep: float | None = None) -> int:
        """Connect and start a session with that *config*, or take over the one there is (None).

        Args:
            config: See ``agent.keeper.main.main``.
            keep: Seconds that a session which is taken over outlives its link from now on; None: as before.

        Returns:
            The number under which `Answer` or `Fail` tells the outcome. After `Fail` the link is closed.
        """
        self._opening = next(self._numbers)
        self._config, self._keep = config, keep
        self._dial(self._puller, DIAL_TIMEOUT_S, HELLO_TIMEOUT_S)
        return self._opening

    def submit(self, msg_type: str, msg_id: str, packets: Iterable[tuple[bytes, dict[str, Any]]]) -> None:
        """Send a request, in one packet or in parts, each with what else the keeper is told. It runs once."""
        for packet, more in packets:
            self.state.submit(msg_type, msg_id, packet, **more)
        self._request_came()

    def interrupt(self, msg_id: str) -> None:
        """Interrupt that request, now or when the link is back; give up one of which a part was not sent yet."""
        if self.status is LinkStatus.UP and self.state.take_back(msg_id):
            self._do(Refuse(msg_id, WithdrawnError(self.address, lost=False)))
        else:
            self.state.interrupt(msg_id)
            self._request_came()

    def withdraw(self, msg_id: str) -> None:
        """While the link is down: don't send that request any more."""
        if self.status is LinkStatus.LOST:
            self.state.withdraw(msg_id)

    def ask(self, op: str, header: dict[str, Any]) -> int:
        """Ask for an operation of the session; it fails when the link is lost.

        Returns:
            The number under which `Answer` or `Fail` tells the outcome.

        Raises:
            RpycKernelError: The link is not up.
        """
        if self.status is not LinkStatus.UP:
            raise self.error or LinkLost(self.address, "it is not back yet")
        question = _Question(next(self._numbers), op, header)
        self._questions.append(question)
        self._request_came()
        return question.number

    def hurry(self) -> None:
        """If the link is down, try again at once: somebody waits for it."""
        if self.status is LinkStatus.LOST and self._puller.number:
            self._hurry = True  # after the attempt that is under way
        elif self.status is LinkStatus.LOST:
            self._dial_again(0.0)
            self._redial()

    def move(self, address: Address) -> None:
        """Reach the session another way from now on: by another server on that machine."""
        self.address = address
        if self.status in (LinkStatus.UP, LinkStatus.LOST) and self._puller.number:
            self._do(Abort(Role.PULLER, self._puller.number, "it goes another way now"))
        self.hurry()

    def close(self) -> None:
        """Stop."""
        self._close(LinkLost(self.address, "it was closed"), None)

    # --- what happens to the connections

    def connected(self, role: Role, number: int, hello: dict[str, Any]) -> None:
        """A connection was dialled, and the agent has said *hello*."""
        connection = self._connection(role)
        if number != connection.number:
            return
        connection.ready = True
        if role is Role.SENDER:
            self._sender_failures = 0
            self._feed_sender()
            return
        self._pooled = bool(hello.get("pooled"))
        if not self._opening:
            self._attach()
            return
        self.hello = hello
        if hello.get("server") == "OneShotServer":
            self._end(OneShotError(self.address, *self.address.server))
            return
        self._dial(self._sender, DIAL_TIMEOUT_S, HELLO_TIMEOUT_S)  # meanwhile
        if self._config is None:
            self._attach()
        else:
            self._send(self._puller, "spawn", dict(self._config, session=self.session), timeout=SPAWN_TIMEOUT_S)

    def answered(
        self, role: Role, number: int, header: dict[str, Any], buffers: list[memoryview], took: float, now: float
    ) -> None:
        """The oldest question on a connection was answered, *took* seconds after it was sent."""
        connection = self._connection(role)
        if number != connection.number:
            return
        op, about = connection.asked.popleft()
        try:
            if isinstance(about, _Question):
                self._do(Answer(about.number, header, buffers))
            elif op == "pull":
                self._pulled(header, buffers, now)
            elif op == "attach":
                self._attached(header, took)
            elif op == "spawn":
                self._record = header.get("record")
                self._attach()
            elif op == "submit":
                self._unanswered = False
                self.rtt = min(self.rtt, took)  # the attach had more to do than to answer
                self.state.accepted(int(header["accepted"]))
            elif isinstance(about, str):
                self.state.interrupted(about)
        except MALFORMED as error:
            self._end(error)
        self._feed_sender()

    def refused(self, role: Role, number: int, error: AgentError, now: float) -> None:
        """The agent's answer to the oldest question on a connection is that it won't."""
        connection = self._connection(role)
        if number != connection.number:
            return
        question = connection.asked[0][1]
        if isinstance(question, _Question):  # the link is as good as before
            connection.asked.popleft()
            self._do(Fail(question.number, error))
            self._feed_sender()
        else:
            self._do(Abort(role, number, str(error)))
            self.failed(role, number, error, now)

    def failed(self, role: Role, number: int, error: Exception, now: float) -> None:
        """A connection has broken, could not be dialled, or gave what isn't as it should be; it is closed."""
        connection = self._connection(role)
        if number != connection.number:
            return
        ready, asked = connection.ready, [about for _op, about in connection.asked]
        connection.forget()
        if role is Role.SENDER:
            self._sender_failed(error, now, ready, asked)
        elif isinstance(error, (SessionError, *MALFORMED)) or self._opening:
            self._end(error)
        elif self.status is LinkStatus.LOST:
            self._attempt_failed(error, now)
        else:
            self._puller_failed(self._as_ours(error), now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._puller.due is not None and self._puller.due <= now:
            if self.status is LinkStatus.LOST:
                self._redial()
            else:
                self._pull()
        if self._sender.due is not None and self._sender.due <= now:
            self._sender.due = None
            self._feed_sender()

    # --- reconnecting

    def _redial(self) -> None:
        hello_timeout = min(HELLO_TIMEOUT_S, self.heartbeat * self._dial_timeout / FIRST_TIMEOUT_S)
        self._dial(self._puller, max(self._dial_timeout, ROUND_TRIPS * self.rtt), hello_timeout)

    def _attach(self) -> None:
        """Begin a link. The number of the attempt lets the keeper ignore one that comes late."""
        request = {"acked": self.state.received, "client": self._client, "attempt": next(self._attempts)}
        request.update(version=wire.VERSION, holder=self._holder, take=bool(self._opening))
        if self._opening and self._keep is not None:
            request["keep"] = self._keep
        self._send(self._puller, "attach", self._with_session(request), timeout=min(self.heartbeat, HEARTBEAT))

    def _attached(self, header: dict[str, Any], took: float) -> None:
        self.rtt = took
        if not header.get("parts"):  # a session of an older version, whose messages come whole
            self._do(AllowFrames(Role.PULLER, self._puller.number, wire.MAX_MESSAGE + SLACK))
        self.attached = header
        self.state.attached(*[int(header.get(name, 0)) for name in ("epoch", "accepted", "acknowledged", "last")])
        self.delivered = self.state.received
        self._catching_up = self.state.backlog > self.state.received
        self._unanswered = False
        self._set_status(LinkStatus.UP)
        if self._opening:
            self._do(Answer(self._opening, header, []))
            self._opening = 0
        self._pull()

    def _attempt_failed(self, error: Exception, now: float) -> None:
        self.failure = str(error).split(". ")[0].rstrip(".") + "."
        self._dial_timeout = min(self._dial_timeout * TIMEOUT_GROWTH, DIAL_TIMEOUT_S)
        if self._hurry:
            self._dial_again(now)
        else:
            self._puller.due = now + next(self._delays)

    def _dial_again(self, now: float) -> None:
        self._hurry, self._delays = False, delays()
        self._puller.due = now + next(self._delays)

    def _lose(self, error: RpycKernelError, now: float) -> None:
        """The link broke, as the puller's connection tells: the sender's has gone the same way."""
        self._fail_questions(error)
        self._drop(self._sender, str(error))
        self._set_status(LinkStatus.LOST, error)
        self._dial_timeout = FIRST_TIMEOUT_S
        self._dial_again(now)

    # --- messages

    def _pull(self) -> None:
        wait = 0.0 if self._pooled else min(PULL_WAIT_S, self.heartbeat / 3)
        self._puller.due = None
        while len(self._puller.asked) < (1 if self._pooled else PULLS):
            received = self.state.received
            alone = self._unreadable[1] and self._unreadable[0] == received  # to know which message it is
            request = {"acked": received, "rtt": self.rtt, "max_bytes": 1 if alone else PULL_BYTES, "wait": wait}
            self._send(self._puller, "pull", self._with_session(request))

    def _pulled(self, header: dict[str, Any], packets: list[memoryview], now: float) -> None:
        new = self.state.arrived(int(header["first"]), packets)
        for number, packet in enumerate(new, self.state.received - len(new) + 1):
            self._do(Deliver(self._reader.read(packet), self._catching_up, number))
        if self.state.received >= self.state.backlog and sum(map(len, packets)) < PULL_BYTES:
            self._catching_up = False
        urgent = bool(packets) or self.state.next_unsent() is not None
        self._poll_interval = POLL_INTERVAL_S if urgent else min(self._poll_interval * POLL_GROWTH, MAX_POLL_INTERVAL_S)
        if self._pooled and not urgent:
            self._puller.due = now + self._poll_interval
        else:
            self._pull()

    def _puller_failed(self, error: RpycKernelError, now: float) -> None:
        if isinstance(error, (ProtocolError, RemoteError)):
            before, times = self._unreadable
            times = times + 1 if before == self.state.received else 1
            self._unreadable = self.state.received, times
            if times >= TRIES and (times > TRIES or not self.state.skip()):  # then it isn't the message
                self._end(error)
                return
            if times == TRIES:  # it is not asked for any more
                self._unreadable = self.state.received, TRIES
                shown = self._reader.missing(f"a message could not be taken ({error})")
                self._do(Deliver(shown, self._catching_up, self.state.received))
                self._do(Refuse("", NotTakenError(self.address, error)))
        self._lose(error, now)

    # --- requests

    def _request_came(self) -> None:
        if self.status is LinkStatus.UP and self._puller.due is not None:
            self._puller.due, self._poll_interval = 0.0, POLL_INTERVAL_S
        self._feed_sender()

    def _feed_sender(self) -> None:
        """If the link is up and the sender has nothing to do, let it do what is next."""
        sender = self._sender
        if self.status is not LinkStatus.UP or sender.due is not None:
            return
        if not sender.number:
            self._dial(sender, DIAL_TIMEOUT_S, HELLO_TIMEOUT_S)
        elif not sender.ready or sender.asked:
            return
        elif (msg_id := self.state.next_interrupt()) is not None:
            self._send(sender, "interrupt", self._with_session({"parent": msg_id}), about=msg_id)
        elif self._questions:
            question = self._questions.popleft()
            self._send(sender, question.op, self._with_session(question.header), about=question)
        elif not self._unanswered:
            self._send_request()

    def _send_request(self) -> None:
        while (submission := self.state.next_unsent()) is not None:
            packet, times = self._refusals
            if packet is not submission.packet or times < TRIES:
                break
            self.state.refused(submission)
            self._refusals = None, 0
            self._do(Refuse(submission.parent, NotTakenError(self.address, self._refusal)))
        else:
            return
        self.state.sent()
        self._unanswered = True
        request = {"n": submission.number, "type": submission.type, "parent": submission.parent, **submission.more}
        self._send(self._sender, "submit", self._with_session(request), [submission.packet], about=submission)

    def _sender_failed(
        self, error: Exception, now: float, ready: bool, asked: Sequence[_Question | Submission | str | None]
    ) -> None:
        for about in asked:
            if isinstance(about, _Question):
                self._do(Fail(about.number, self._as_ours(error)))
            elif isinstance(about, Submission) and isinstance(error, (AgentError, ProtocolError, RemoteError)):
                before, times = self._refusals
                self._refusals = about.packet, times + 1 if before is about.packet else 1
                self._refusal = error
        if ready and isinstance(error, (SessionError, *MALFORMED)):
            self._end(error)
            return
        self._sender.due = now + REDIAL_S
        if self.status is LinkStatus.UP:
            self._sender_failures += not ready
            if ready or self._sender_failures * REDIAL_S > self.heartbeat:  # one way only is no link
                self._do(Abort(Role.PULLER, self._puller.number, str(error)))

    def _fail_questions(self, error: RpycKernelError) -> None:
        asked = [about for _op, about in self._sender.asked if isinstance(about, _Question)]
        for question in [*asked, *self._questions]:
            self._do(Fail(question.number, error))
        self._questions.clear()

    # --- the end

    def _end(self, error: Exception) -> None:
        """The session is not ours any more, or the other side is not what it should be."""
        ours = self._as_ours(error)
        if isinstance(ours, TakenOverError):
            ours = TakenOverError(self.address, ours.by, ours.at, self.title or self.session[:8])
        self._close(ours, None if self._opening else ours)

    def _close(self, failure: RpycKernelError, error: RpycKernelError | None) -> None:
        self._set_status(LinkStatus.CLOSED, error)
        self._fail_questions(failure)
        if self._opening:
            self._do(Fail(self._opening, failure))
            self._opening = 0
        for connection in (self._puller, self._sender):
            self._drop(connection, "it was closed")

    # --- small ones

    def _as_ours(self, error: Exception) -> RpycKernelError:
        if isinstance(error, RpycKernelError):
            return error
        return ProtocolError(self.address, f"{type(error).__name__}: {error}")

    def _connection(self, role: Role) -> _Connection:
        return self._puller if role is Role.PULLER else self._sender

    def _do(self, action: Action) -> None:
        self._actions.append(action)

    def _dial(self, connection: _Connection, timeout: float, hello_timeout: float) -> None:
        connection.number, connection.due = next(self._numbers), None
        self._do(Dial(connection.role, connection.number, self.address, timeout, hello_timeout))

    def _drop(self, connection: _Connection, reason: str) -> None:
        connection.due = None
        if connection.number:
            self._do(Abort(connection.role, connection.number, reason))
            connection.forget()

    def _send(
        self,
        connection: _Connection,
        op: str,
        header: dict[str, Any],
        buffers: Sequence[wire.Bytes] = (),
        timeout: float | None = None,
        about: _Question | Submission | str | None = None,
    ) -> None:
        connection.asked.append((op, about))
        timeout = self.heartbeat if timeout is None else timeout
        self._do(Send(connection.role, connection.number, op, header, buffers, timeout))

    def _with_session(self, request: dict[str, Any]) -> dict[str, Any]:
        """A request to the session's keeper, on this link."""
        request = dict(request, session=self.session, epoch=self.state.epoch)
        return dict(request, record=self._record) if self._record else request

    def _set_status(self, status: LinkStatus, error: RpycKernelError | None = None) -> None:
        if self.status not in (status, LinkStatus.CLOSED):
            self.status, self.error = status, error
            self._do(StatusChanged(status, error))
