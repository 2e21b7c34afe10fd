"""A session on another machine, as the kernel has it: connected, or reconnecting for as long as it takes.

The threads that carry its messages are in `threads`, what must be carried in `protocol`.
"""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import deque
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import (
    DialCancelledError,
    LinkLost,
    OneShotError,
    ProtocolError,
    RpycKernelError,
    SessionError,
    TakenOverError,
    TooLongError,
    WithdrawnError,
)
from rpyc_kernel.link.backoff import delays
from rpyc_kernel.link.protocol import LinkStatus, SessionState
from rpyc_kernel.link.threads import DIAL_TIMEOUT, MALFORMED, Puller, Sender
from rpyc_kernel.transport.broker_client import HELLO_TIMEOUT, Broker, open_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.transport.address import Address

FIRST_TIMEOUT = 2.0  # of the first attempts to reconnect: one that hangs must not hide that the link is back
SPAWN_TIMEOUT = 90.0
HEARTBEAT = 15.0  # seconds of silence, after which the link counts as dead
SLACK = 16 << 20  # bytes of an answer beside its longest message
COUNTING = ("silent", "store_history", "execution_count", "deaths")  # what the keeper must know of a cell


@dataclass
class Question:
    """An operation that the sender carries beside the requests, and where its answer goes."""

    op: str
    header: dict[str, Any]
    answer: Future[tuple[dict[str, Any], list[memoryview]]] = field(default_factory=Future)


class Link:
    """One session on one machine.

    *on_message* gets every message once and in order, on the puller's thread, and whether it belongs to the backlog:
    what had been waiting there, and what comes until that is shown. *on_status* gets each change of the status with
    the error behind it, if there is one, on any thread, in order. *on_refused* gets the ``msg_id`` of a request that
    was given up, since the other side doesn't take it or it was stopped, and the error, on any thread. None of them is
    called with the lock held. *heartbeat*: seconds of silence, after which the link counts as dead. *title* is what
    people call the session, *holder* who has it here.
    """

    def __init__(
        self,
        address: Address,
        on_message: Callable[[wire.Message, bool], None],
        on_status: Callable[[LinkStatus, RpycKernelError | None], None],
        session: str | None = None,
        *,
        on_refused: Callable[[str, RpycKernelError], None] = lambda _msg_id, _error: None,
        heartbeat: float = HEARTBEAT,
        holder: str = "",
        title: str = "",
    ) -> None:
        self.address = address
        self.session = session or uuid.uuid4().hex
        self.title = title
        self.status = LinkStatus.NEW
        self.error: RpycKernelError | None = None
        self.hello: dict[str, Any] = {}
        self.attached: dict[str, Any] = {}  # what the keeper said when this link began
        self.heartbeat = heartbeat
        self.rtt = 0.0  # seconds; of this connection the shortest that was seen
        self.on_message = on_message
        self._on_status = on_status
        self.on_refused = on_refused
        self._holder = holder
        # shared with the puller and the sender:
        self.changed = threading.Condition()  # guards everything below
        self.state = SessionState()
        self.questions: deque[Question] = deque()
        self.pulling: Broker | None = None
        self.sending: Broker | None = None
        self.cancel = threading.Event()  # the link is closed
        self.stop_dialling = threading.Event()  # that one, or the link is lost: of the sender's connection
        self._stop_attempt = threading.Event()
        self._news: deque[tuple[LinkStatus, RpycKernelError | None]] = deque()  # that `on_status` has not been told
        self._telling = False
        self._hurry = False
        self.failure = ""  # why the last attempt to reconnect failed
        self._client = uuid.uuid4().hex
        self._attempt_number = 0
        self._cut = itertools.count(1)  # an id for each request that is cut
        self._record: dict[str, Any] | None = None  # where the other machine has no place to keep it
        self._puller = Puller(self)
        self._sender = Sender(self)

    # --- for the kernel, from its own threads

    def open(self, config: dict[str, Any], cancel: threading.Event, *, attach: bool = False) -> None:
        """Connect, start a session (or with *attach* take over one that runs), and begin to carry messages.

        Blocks; *cancel* ends it. Raises a RpycKernelError, and then nothing has changed. *config*: see
        ``agent.keeper.main.main``.
        """
        broker = None
        try:
            broker = open_broker(self.address, timeout=DIAL_TIMEOUT, cancel=cancel)
            self._sender.start()  # which dials its own connection meanwhile
            broker.connection.cancel = cancel
            if broker.hello.get("server") == "OneShotServer":
                raise OneShotError(self.address, *self.address.server)
            if not attach:
                answer, _buffers = broker.call("spawn", dict(config, session=self.session), timeout=SPAWN_TIMEOUT)
                self._record = answer.get("record")
            self._attach(broker, take=True, keep=config.get("keep") if attach else None)
        except BaseException as error:
            if broker is not None:
                broker.close()
            self.close(end=False, timeout=1.0)
            if cancel.is_set():
                raise DialCancelledError(self.address) from error
            raise
        broker.connection.cancel = None
        self.hello = broker.hello
        with self._changing():
            self.pulling = broker
            self._set_status(LinkStatus.UP)
        self._puller.start()

    @property
    def behind(self) -> int:
        """How many messages of the backlog have not been given to *on_message* yet."""
        return max(0, self.state.backlog - self._puller.delivered)

    def submit(self, message: wire.Message) -> None:
        """Send a request. It runs once, even if the link breaks meanwhile. Raises TooLongError."""
        try:
            pieces = message.pieces()
        except wire.MessageTooLong as error:
            raise TooLongError(self.address, str(error)) from None
        size = sum(map(len, pieces))
        more: dict[str, Any] = {}
        if message.type == "execute_request":  # what the keeper has to know of it
            more["cell"] = {name: message.content.get(name) for name in COUNTING if name in message.content}
        if size <= wire.PART or not self.attached.get("parts"):
            packets = [(b"".join(pieces), more)]
        else:
            start, name = itertools.count(0, wire.PART), next(self._cut)
            packets = [(piece, {**more, "part": [name, next(start), size]}) for piece in wire.cut(pieces, wire.PART)]
        with self.changed:
            for packet, each in packets:
                self.state.submit(message.type, message.parent, packet, **each)
            self.changed.notify_all()

    def was_tried(self, parent: str) -> bool:
        """Whether the request with that ``msg_id`` may have come over there."""
        with self.changed:
            return self.state.was_tried(parent)

    def withdraw(self, parent: str) -> None:
        """While the link is down: what could not be sent of the request with that ``msg_id`` is not sent any more."""
        with self.changed:
            if self.status is LinkStatus.LOST:
                self.state.withdraw(parent)

    def interrupt(self, parent: str) -> None:
        """SIGINT for the request with that ``msg_id``, now or when the link is back.

        A long one of which a part has not been sent yet is given up instead: ``on_refused`` is told.
        """
        with self.changed:
            taken_back = self.status is LinkStatus.UP and self.state.take_back(parent)
            if not taken_back:
                self.state.interrupt(parent)
                self.changed.notify_all()
        if taken_back:
            self.on_refused(parent, WithdrawnError(self.address, lost=False))

    def ask(
        self, op: str, header: dict[str, Any], timeout: float | None = None
    ) -> tuple[dict[str, Any], list[memoryview]]:
        """Do an operation of the session and return the answer. Raises a RpycKernelError, LinkLost while it is down.

        *timeout*: seconds in which nothing comes or goes on the sender's connection; None: those of a heartbeat.
        """
        timeout = self.heartbeat if timeout is None else timeout
        question = Question(op, header)
        with self.changed:
            if self.status is not LinkStatus.UP:
                raise self.error or LinkLost(self.address, "it is not back yet")
            self.questions.append(question)
            self.changed.notify_all()
        while True:
            moved = self._sender.moved
            try:
                return question.answer.result(timeout)
            except TimeoutError:
                if moved == self._sender.moved:
                    raise LinkLost(self.address, f"no answer within {timeout:g} s") from None

    def hurry(self) -> None:
        """If the link is down, try again at once: somebody waits for it."""
        with self.changed:
            self._hurry = self.status is LinkStatus.LOST
            self.changed.notify_all()

    def wait_up(self, cancel: threading.Event, timeout: float = DIAL_TIMEOUT) -> None:
        """Wait until the link is up. Raises the error for which it isn't after that time. *cancel* ends it."""
        deadline = time.monotonic() + timeout
        while self.status is LinkStatus.LOST and time.monotonic() < deadline and not cancel.wait(0.05):
            pass
        if cancel.is_set():
            raise DialCancelledError(self.address)
        if self.status is not LinkStatus.UP:
            raise self.error or LinkLost(self.address, self.failure or "it is not back yet")

    def move(self, address: Address) -> None:
        """The session is to be reached another way from now on: by another server on that machine."""
        with self.changed:
            self.address = address
            self._stop_attempt.set()
            self.hurry()
            if self.status is LinkStatus.UP and self.pulling is not None:
                self.pulling.abort("it goes another way now")

    def close(self, *, end: bool, timeout: float = 3.0) -> bool:
        """Stop, and *end* the session too if *timeout* seconds are enough for that; returns whether it has ended."""
        ended = end and self.status is LinkStatus.UP and self._terminate(timeout)
        with self._changing():
            self._set_status(LinkStatus.CLOSED)
            self.cancel.set()
            self.stop_dialling.set()
            self._stop_attempt.set()
            self._fail_questions(LinkLost(self.address, "it was closed"))
            brokers = [broker for broker in (self.pulling, self.sending) if broker]
        for broker in brokers:
            broker.abort()
        for thread in (self._puller, self._sender):
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(timeout)
        for broker in brokers:
            broker.close()
        return ended

    def _terminate(self, timeout: float) -> bool:
        try:
            self.ask("terminate", {}, timeout)
        except RpycKernelError:
            return False
        return True

    # --- for the puller and the sender

    def with_session(self, request: dict[str, Any]) -> dict[str, Any]:
        """A request to the session's keeper, on this link."""
        request = dict(request, session=self.session, epoch=self.state.epoch)
        return dict(request, record=self._record) if self._record else request

    def lose(self, error: RpycKernelError) -> None:
        """The link broke, as the puller has noticed: the sender's connection has gone the same way."""
        with self._changing():
            self._fail_questions(error)
            self.stop_dialling.set()  # of a connection that has not come about yet
            if self.sending is not None:
                self.sending.abort(str(error))
                self.sending = None
            self._set_status(LinkStatus.LOST, error, only_from=LinkStatus.UP)

    def end(self, error: Exception) -> None:
        """The session is not ours any more, or the other side is not what it should be."""
        if not isinstance(error, RpycKernelError):
            error = ProtocolError(self.address, f"{type(error).__name__}: {error}")
        if isinstance(error, TakenOverError):
            error = TakenOverError(self.address, error.by, error.at, self.title or self.session[:8])
        with self._changing():
            self.cancel.set()
            self.stop_dialling.set()
            self._fail_questions(error)
            self._set_status(LinkStatus.CLOSED, error)

    def reconnect(self) -> Broker | None:
        """Try until the link is back or closed (None), however long that takes. On the puller's thread."""
        pauses, timeout = delays(), FIRST_TIMEOUT
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._hurry or self.status is not LinkStatus.LOST, next(pauses))
                if self.status is LinkStatus.CLOSED:
                    return None
                if self._hurry:
                    self._hurry, pauses = False, delays()
                    next(pauses)
                self._stop_attempt.clear()
            if self.status is not LinkStatus.LOST:
                continue
            try:
                broker = self._attempt(timeout)
            except (SessionError, *MALFORMED) as error:
                self.end(error)
                return None
            except RpycKernelError as error:
                self.failure = str(error).split(". ")[0].rstrip(".") + "."
                timeout = min(timeout * 1.5, DIAL_TIMEOUT)
                continue
            with self._changing():
                back = self.status is LinkStatus.LOST
                if back:
                    self.pulling = broker
                    self._set_status(LinkStatus.UP)
            if back:
                return broker
            broker.close()

    def _attempt(self, timeout: float) -> Broker:
        hello = min(HELLO_TIMEOUT, self.heartbeat * timeout / FIRST_TIMEOUT)
        timeout = max(timeout, 20 * self.rtt)
        broker = open_broker(self.address, timeout=timeout, cancel=self._stop_attempt, hello=hello)
        try:
            self._attach(broker, take=False)
        except BaseException:
            broker.close()
            raise
        return broker

    def _attach(self, broker: Broker, *, take: bool, keep: float | None = None) -> None:
        started = time.perf_counter()
        self._attempt_number += 1  # one that comes late must not replace a newer one
        request = {"acked": self.state.received, "client": self._client, "attempt": self._attempt_number}
        request.update(version=wire.VERSION, holder=self._holder, take=take)
        if keep is not None:
            request["keep"] = keep
        answer, _buffers = broker.call("attach", self.with_session(request), timeout=min(self.heartbeat, HEARTBEAT))
        self.rtt = time.perf_counter() - started
        if not answer.get("parts"):  # a session of an older version, whose messages come whole
            broker.connection.max_frame = wire.MAX_MESSAGE + SLACK
        numbers = [int(answer.get(name, 0)) for name in ("epoch", "accepted", "acknowledged", "last")]
        with self.changed:
            self.attached = answer
            self.state.attached(*numbers)
            self._puller.delivered = self.state.received
            self._puller.catching_up = self.state.backlog > self.state.received

    def _fail_questions(self, error: RpycKernelError) -> None:
        while self.questions:
            self.questions.popleft().answer.set_exception(error)

    def _set_status(
        self, status: LinkStatus, error: RpycKernelError | None = None, only_from: LinkStatus | None = None
    ) -> None:
        """Within `_changing`, which tells of it."""
        if self.status in (status, LinkStatus.CLOSED) or only_from not in (None, self.status):
            return
        self.status = status
        self.error = error
        self._news.append((status, error))
        self.changed.notify_all()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Within it the lock is held. Then ``on_status`` is told what has changed, in order, and without the lock."""
        try:
            with self.changed:
                yield
        finally:
            self._tell_news()

    def _tell_news(self) -> None:
        while True:
            with self.changed:
                if self._telling or not self._news:  # another thread, which tells just now, goes on with it
                    return
                self._telling = True
                news = self._news.popleft()
            try:
                self._on_status(*news)
            finally:
                with self.changed:
                    self._telling = False
