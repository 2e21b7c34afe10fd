"""Everything that a link decides. No I/O, no threads, no clock: events come in, actions go out.

The owner reports what happens by the methods, does the actions that `LinkProtocol.take_actions` gives, and calls
`LinkProtocol.tick` when a connection's time (`LinkProtocol.due`) has come. Times are seconds of any clock that never
goes back. Events of a connection that was given up meanwhile are ignored, so that they may come late.
"""

from __future__ import annotations

import itertools
import uuid
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import (
    LOCKED_OUT,
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
    Action,
    AllowFrames,
    Answer,
    Beat,
    Fail,
    LinkStatus,
    Refuse,
    Role,
    StatusChanged,
)
from rpyc_kernel.link.backoff import FIRST_TIMEOUT_S, Backoff
from rpyc_kernel.link.state import (
    ConnectionState,
    Incoming,
    Interrupt,
    Item,
    OutgoingRequests,
    Question,
    Refusal,
    SequenceError,
    SessionState,
    Submission,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rpyc_kernel.transport.address import Address

__all__ = ["DIAL_TIMEOUT_S", "HEARTBEAT_S", "MALFORMED", "LinkProtocol", "LinkStatus"]

HEARTBEAT_S = 15.0  # seconds of silence, after which the link counts as dead
DIAL_TIMEOUT_S = 10.0  # of one attempt
HELLO_TIMEOUT_S = 60.0  # until the agent has answered; a small board compiles it in that time
SPAWN_TIMEOUT_S = 90.0
MIN_ROUND_TRIPS = 20  # that an attempt to reconnect lasts
REDIAL_S = 0.1  # until the sender's connection is dialled again
MAX_PULLS = 2  # under way at once
PULL_WAIT_S = 5.0  # that a pull waits when there is nothing to give; its empty answer is the heartbeat
MIN_BEAT_S = 0.01  # between two heartbeats, whatever the session wants
MIN_POLL_S, MAX_POLL_S, POLL_GROWTH = 0.005, 0.2, 1.3  # between pulls from a server with few threads
ANSWER_SLACK_BYTES = 16 << 20  # bytes of an answer beside its longest message

# what reading an answer raises that isn't what it should be
MALFORMED = (SequenceError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError)


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
        beat: Seconds between two heartbeats that the session wants; 0: none.
        state: The numbers of requests and messages.
        incoming: What comes from there.
    """

    def __init__(
        self, address: Address, session: str, *, heartbeat: float = HEARTBEAT_S, holder: str = "", title: str = ""
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
        self.beat = 0.0
        self.state = SessionState()
        self.incoming = Incoming(self.state)
        self._outgoing = OutgoingRequests(self.state)
        self._holder = holder
        self._client = uuid.uuid4().hex
        self._attempts = itertools.count(1)
        self._numbers = itertools.count(1)  # of connections and questions
        self._actions: list[Action] = []
        self._puller: ConnectionState[str] = ConnectionState(Role.PULLER, self._numbers, self._do)
        self._sender: ConnectionState[Item] = ConnectionState(Role.SENDER, self._numbers, self._do)
        self._sender_failures = 0  # to dial it, in a row
        self._backoff = Backoff()
        self._opening = 0  # the number of the question that `open` is, while it has no answer
        self._config: dict[str, Any] | None = None
        self._keep: float | None = None
        self._record: dict[str, Any] | None = None  # where the other machine has no place to keep it
        self._polls = False  # since a waiting pull would hold one of the server's few threads
        self._poll_s = MIN_POLL_S

    def take_actions(self) -> list[Action]:
        """Return what is to be done, oldest first. Each action is given once."""
        actions = self._actions[:]
        self._actions.clear()
        return actions

    def due(self, role: Role) -> float | None:
        """Return when `tick` has something to do for that connection, if nothing happens until then."""
        return self._connection(role).due

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
        self._puller.dial(self.address, DIAL_TIMEOUT_S, HELLO_TIMEOUT_S)
        return self._opening

    def submit(self, msg_type: str, msg_id: str, packets: Iterable[tuple[bytes, dict[str, Any]]]) -> None:
        """Send a request, in one packet or in parts, each with what else the keeper is told. It runs once."""
        for packet, more in packets:
            self.state.submit(msg_type, msg_id, packet, **more)
        self._feed_sender()

    def interrupt(self, msg_id: str) -> None:
        """Interrupt that request, now or when the link is back; give up one of which a part was not sent yet."""
        if self.status is LinkStatus.UP and self.state.take_back(msg_id):
            self._do(Refuse(msg_id, WithdrawnError(self.address, lost=False)))
        else:
            self.state.interrupt(msg_id)
            self._feed_sender()

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
        question = Question(next(self._numbers), op, header)
        self._outgoing.ask(question)
        self._feed_sender()
        return question.number

    def hurry(self) -> None:
        """If the link is down, try again at once: somebody waits for it."""
        if self.status is LinkStatus.LOST:
            self._backoff.hurry = True
            if not self._puller.number:
                self._backoff.delay()
                self._redial()

    def move(self, address: Address) -> None:
        """Reach the session another way from now on: by another server on that machine."""
        self.address = address
        if self.status in (LinkStatus.UP, LinkStatus.LOST):
            self._puller.abort("it goes another way now")
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
        self._polls = bool(hello.get("pooled"))
        if not self._opening:
            self._attach()
            return
        self.hello = hello
        if hello.get("server") == "OneShotServer":
            self._end(OneShotError(self.address, *self.address.server))
            return
        self._sender.dial(self.address, DIAL_TIMEOUT_S, HELLO_TIMEOUT_S)  # meanwhile
        if self._config is None:
            self._attach()
        else:
            self._puller.send("spawn", "spawn", dict(self._config, session=self.session), (), SPAWN_TIMEOUT_S)

    def answered(
        self, role: Role, number: int, header: dict[str, Any], buffers: list[memoryview], took: float, now: float
    ) -> None:
        """The oldest question on a connection was answered, *took* seconds after it was sent."""
        if number != self._connection(role).number:
            return
        try:
            if role is Role.PULLER:
                self._puller_answered(self._puller.asked.popleft(), header, buffers, took, now)
            else:
                self._sender_answered(self._sender.asked.popleft(), header, buffers, took)
        except MALFORMED as error:
            self._end(error)
        self._feed_sender()

    def refused(self, role: Role, number: int, error: AgentError, now: float) -> None:
        """The agent's answer to the oldest question on a connection is that it won't."""
        connection = self._connection(role)
        if number != connection.number:
            return
        question = connection.asked[0]
        if isinstance(question, Question):  # the link is as good as before
            connection.asked.popleft()
            self._do(Fail(question.number, error))
            self._feed_sender()
        else:
            connection.abort(str(error))
            self.failed(role, number, error, now)

    def failed(self, role: Role, number: int, error: Exception, now: float) -> None:
        """A connection has broken, could not be dialled, or gave what isn't as it should be; it is closed."""
        connection = self._connection(role)
        if number != connection.number:
            return
        ready, asked = connection.ready, [*self._sender.asked] if role is Role.SENDER else []
        connection.forget()
        if role is Role.SENDER:
            self._sender_failed(error, now, ready, asked)
        elif isinstance(error, (SessionError, *MALFORMED)) or self._opening:
            self._end(error)
        elif self.status is LinkStatus.LOST:
            self.failure = str(error).split(". ")[0].rstrip(".") + "."
            if isinstance(error, LOCKED_OUT) and not isinstance(self.error, LOCKED_OUT):
                self.error = error
                self._do(StatusChanged(self.status, error))
            self._backoff.failed()
            self._puller.due = now + self._backoff.delay()
        else:
            self._puller_failed(self._ours(error), now)

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

    # --- the puller: links and messages

    def _puller_answered(
        self, op: str, header: dict[str, Any], buffers: list[memoryview], took: float, now: float
    ) -> None:
        if op == "spawn":
            self._record = header.get("record")
            self._attach()
        elif op == "attach":
            self._begin_link(header, took)
        else:
            for delivery in self.incoming.arrived(int(header["first"]), buffers):
                self._do(delivery)
            self._beat(header.get("beat"))
            self._pull_again(bool(buffers), now)

    def _attach(self) -> None:
        """Begin a link. The number of the attempt lets the keeper ignore one that comes late."""
        request = {"acked": self.state.received, "client": self._client, "attempt": next(self._attempts)}
        request.update(version=wire.VERSION, holder=self._holder, take=bool(self._opening))
        if self._opening and self._keep is not None:
            request["keep"] = self._keep
        self._puller.send("attach", "attach", self._with_session(request), (), min(self.heartbeat, HEARTBEAT_S))

    def _begin_link(self, header: dict[str, Any], took: float) -> None:
        self.rtt = took
        if not header.get("parts"):  # a session of an older version, whose messages come whole
            self._do(AllowFrames(Role.PULLER, self._puller.number, wire.MAX_MESSAGE + ANSWER_SLACK_BYTES))
        self.attached = header
        self.state.attached(*[int(header.get(name, 0)) for name in ("epoch", "accepted", "acknowledged", "last")])
        self.incoming.begin_link()
        self._outgoing.begin_link()
        self._set_status(LinkStatus.UP)
        if self._opening:
            self._do(Answer(self._opening, header, []))
            self._opening = 0
        self._pull()

    def _beat(self, interval: object) -> None:
        """Let heartbeats be sent while the session wants them."""
        seconds = float(interval) if isinstance(interval, int | float) and interval > 0 else 0.0
        seconds = min(max(seconds, MIN_BEAT_S), PULL_WAIT_S) if seconds else 0.0
        if seconds != self.beat:
            self.beat = seconds
            self._do(Beat(seconds))

    def heartbeat_request(self) -> dict[str, Any]:
        """Return what a heartbeat says: it counts if this client has the session."""
        return self._with_session({"client": self._client})

    def _pull(self) -> None:
        """Ask for messages."""
        wait = 0.0 if self._polls else min(PULL_WAIT_S, self.heartbeat / 3)
        self._puller.due = None
        while len(self._puller.asked) < (1 if self._polls else MAX_PULLS):
            request = {
                "acked": self.state.received,
                "rtt": self.rtt,
                "max_bytes": self.incoming.max_bytes,
                "wait": wait,
            }
            self._puller.send("pull", "pull", self._with_session(request), (), self.heartbeat)

    def _pull_again(self, came: bool, now: float) -> None:
        at_once = came or self.state.next_unsent() is not None
        self._poll_s = MIN_POLL_S if at_once else min(self._poll_s * POLL_GROWTH, MAX_POLL_S)
        if at_once or not self._polls:
            self._pull()
        else:
            self._puller.due = now + self._poll_s

    def _puller_failed(self, error: RpycKernelError, now: float) -> None:
        """The link is lost: the sender's connection has gone the same way."""
        if isinstance(error, (ProtocolError, RemoteError)):
            try:
                shown = self.incoming.unreadable(str(error))
            except LookupError:
                self._end(error)
                return
            if shown is not None:
                self._do(shown)
                self._do(Refuse("", NotTakenError(self.address, error)))
        self._fail_questions(error)
        self._sender.drop(str(error))
        self._set_status(LinkStatus.LOST, error)
        self._backoff.start()
        self._puller.due = now + self._backoff.delay()

    def _redial(self) -> None:
        hello_timeout = min(HELLO_TIMEOUT_S, self.heartbeat * self._backoff.timeout / FIRST_TIMEOUT_S)
        self._puller.dial(self.address, max(self._backoff.timeout, MIN_ROUND_TRIPS * self.rtt), hello_timeout)

    # --- the sender: requests, interrupts and questions

    def _feed_sender(self) -> None:
        """If the link is up and the sender has nothing to do, let it do what is next."""
        sender = self._sender
        if self.status is not LinkStatus.UP or sender.due is not None:
            return
        if not sender.number:
            sender.dial(self.address, DIAL_TIMEOUT_S, HELLO_TIMEOUT_S)
        if not sender.ready or sender.asked:
            return
        while isinstance(item := self._outgoing.take(), Refusal):
            self._do(Refuse(item.msg_id, NotTakenError(self.address, item.error)))
        if item is None:
            return
        if self._puller.due is not None:  # its answer is looked for soon
            self._puller.due, self._poll_s = 0.0, MIN_POLL_S
        buffers: Sequence[wire.Bytes] = ()
        if isinstance(item, Question):
            op, request = item.op, item.header
        elif isinstance(item, Interrupt):
            op, request = "interrupt", {"parent": item.msg_id}
        else:
            op, request = "submit", {"n": item.number, "type": item.type, "parent": item.parent, **item.more}
            buffers = [item.packet]
        sender.send(item, op, self._with_session(request), buffers, self.heartbeat)

    def _sender_answered(self, item: Item, header: dict[str, Any], buffers: list[memoryview], took: float) -> None:
        if isinstance(item, Question):
            self._do(Answer(item.number, header, buffers))
            return
        if isinstance(item, Submission):
            self.rtt = min(self.rtt, took)  # the attach had more to do than to answer
        self._outgoing.answered(item, header)

    def _sender_failed(self, error: Exception, now: float, ready: bool, asked: Iterable[Item]) -> None:
        for item in asked:
            if isinstance(item, Question):
                self._do(Fail(item.number, self._ours(error)))
            elif isinstance(item, Submission):
                self._outgoing.failed(item, error)
        if ready and isinstance(error, (SessionError, *MALFORMED)):
            self._end(error)
            return
        self._sender.due = now + REDIAL_S
        if self.status is LinkStatus.UP:
            self._sender_failures += not ready
            if ready or self._sender_failures * REDIAL_S > self.heartbeat:  # one way only is no link
                self._puller.abort(str(error))

    def _fail_questions(self, error: RpycKernelError) -> None:
        for item in (*self._sender.asked, *self._outgoing.drop_questions()):
            if isinstance(item, Question):
                self._do(Fail(item.number, error))

    # --- the end

    def _end(self, error: Exception) -> None:
        """The session is not ours any more, or the other side is not what it should be."""
        ours = self._ours(error)
        if isinstance(ours, TakenOverError):
            ours = TakenOverError(self.address, ours.by, ours.at, self.title or self.session[:8])
        self._close(ours, None if self._opening else ours)

    def _close(self, failure: RpycKernelError, error: RpycKernelError | None) -> None:
        self._set_status(LinkStatus.CLOSED, error)
        self._fail_questions(failure)
        if self._opening:
            self._do(Fail(self._opening, failure))
            self._opening = 0
        self._puller.drop("it was closed")
        self._sender.drop("it was closed")

    # --- small things

    def _connection(self, role: Role) -> ConnectionState[str] | ConnectionState[Item]:
        return self._puller if role is Role.PULLER else self._sender

    def _do(self, action: Action) -> None:
        self._actions.append(action)

    def _ours(self, error: Exception) -> RpycKernelError:
        if isinstance(error, RpycKernelError):
            return error
        return ProtocolError(self.address, f"{type(error).__name__}: {error}")

    def _set_status(self, status: LinkStatus, error: RpycKernelError | None = None) -> None:
        if self.status not in (status, LinkStatus.CLOSED):
            self.status, self.error = status, error
            self._do(StatusChanged(status, error))

    def _with_session(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request to the session's keeper, on this link."""
        request = dict(request, session=self.session, epoch=self.state.epoch)
        return dict(request, record=self._record) if self._record else request
