"""Two threads that carry a session's messages: one pulls, one submits, each on an RPyC connection of its own."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import (
    AgentError,
    DialCancelledError,
    DialError,
    LinkError,
    LinkLost,
    OneShotError,
    ProtocolError,
    RpycKernelError,
    SessionError,
)
from rpyc_kernel.link.backoff import delays
from rpyc_kernel.link.session import SequenceError, SessionState
from rpyc_kernel.transport.bootstrap import Broker, open_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.transport.address import Address

DIAL_TIMEOUT = 10.0  # seconds for one attempt
SPAWN_TIMEOUT = 90.0
WAIT = 5.0  # seconds that a pull waits when there is nothing to give; its empty answer is the heartbeat
HEARTBEAT = 15.0  # seconds without an answer, after which the link counts as dead
PATIENCE = 15.0  # seconds of attempts to reconnect, before those who wait are told
MAX_BYTES = 256 << 10  # of one pull's answer: what a stock server writes fastest
POLL_FIRST, POLL_LAST = 0.005, 0.2  # seconds between pulls from a server with few threads


# what reading an answer raises that isn't what it should be
MALFORMED = (SequenceError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError)


class LinkStatus(Enum):
    """What a link does just now."""

    UP = "connected"
    LOST = "reconnecting"
    DOWN = "not connected"
    CLOSED = "closed"


class Link:
    """One session on one machine.

    *on_message* gets every message once and in order, on the puller's thread. *on_status* gets each change of the
    status with the error behind it, if there is one, on any thread.
    """

    def __init__(
        self,
        address: Address,
        on_message: Callable[[wire.Message], None],
        on_status: Callable[[LinkStatus, RpycKernelError | None], None],
        session: str | None = None,
    ) -> None:
        self.address = address
        self.session = session or uuid.uuid4().hex
        self.status = LinkStatus.DOWN
        self.error: RpycKernelError | None = None
        self.hello: dict[str, Any] = {}
        self.rtt = 0.0  # seconds
        self._on_message = on_message
        self._on_status = on_status
        self._state = SessionState()
        self._changed = threading.Condition()  # guards everything below, and the state
        self._cancel = threading.Event()
        self._client = uuid.uuid4().hex
        self._attempt_number = 0
        self._interrupts: deque[str] = deque()
        self._record: dict[str, Any] | None = None  # where the other machine has no place to keep it
        self._pulling: Broker | None = None
        self._sending: Broker | None = None
        self._threads: list[threading.Thread] = []

    # --- for the kernel, from its own threads

    def open(self, config: dict[str, Any], cancel: threading.Event, *, attach: bool = False) -> None:
        """Connect, start a session (or with *attach* find ours again), and begin to carry messages.

        Blocks; *cancel* ends it. Raises a RpycKernelError, and then nothing has changed. *config*: see
        ``agent.keeper.main.main``.
        """
        broker = open_broker(self.address, timeout=DIAL_TIMEOUT, cancel=cancel)
        second = threading.Thread(target=self._dial_second, name="rpyc-kernel-second", daemon=True)
        second.start()  # meanwhile
        broker.connection.cancel = cancel
        try:
            if broker.hello.get("server") == "OneShotServer":
                raise OneShotError(self.address, self.address.host, self.address.port)
            if not attach:
                answer, _buffers = broker.call("spawn", dict(config, session=self.session), timeout=SPAWN_TIMEOUT)
                self._record = answer.get("record")
            self._attach(broker)
        except BaseException as error:
            broker.close()
            self._cancel.set()
            second.join(1.0)
            if self._sending is not None:
                self._sending.close()
            if cancel.is_set():
                raise DialCancelledError(self.address) from error
            raise
        broker.connection.cancel = None
        second.join()
        self.hello = broker.hello
        self._pulling = broker
        self._set_status(LinkStatus.UP)
        for work, name in ((self._pull_forever, "puller"), (self._send_forever, "sender")):
            thread = threading.Thread(target=work, name=f"rpyc-kernel-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _dial_second(self) -> None:
        """The sender's connection; where it fails, the sender tries again."""
        try:
            self._sending = open_broker(self.address, timeout=DIAL_TIMEOUT, cancel=self._cancel)
        except RpycKernelError:
            self._sending = None

    def submit(self, message: wire.Message) -> None:
        """Send a request. It runs once, even if the link breaks meanwhile."""
        packet = message.encode()
        with self._changed:
            self._state.submit(message.type, message.parent, packet)
            self._changed.notify_all()

    def interrupt(self, parent: str) -> None:
        """SIGINT for the request with that ``msg_id``."""
        with self._changed:
            self._interrupts.append(parent)
            self._changed.notify_all()

    def revive(self, cancel: threading.Event) -> None:
        """Wait until the link is up. Raises the error for which it isn't, after another attempt. *cancel* ends it."""
        with self._changed:
            if self.status is LinkStatus.DOWN:
                self._set_status(LinkStatus.LOST)
            while self.status is LinkStatus.LOST and not cancel.is_set():
                self._changed.wait(0.1)
            if self.status is not LinkStatus.UP:
                raise self.error or DialCancelledError(self.address)

    def close(self, *, end: bool, timeout: float = 3.0) -> None:
        """Stop, and *end* the session too if that can be done within *timeout* seconds."""
        if end and self.status is LinkStatus.UP:
            done = threading.Event()
            threading.Thread(target=self._terminate, args=(done,), daemon=True).start()
            done.wait(timeout)
        with self._changed:
            self._set_status(LinkStatus.CLOSED)
            self._cancel.set()
            brokers = [broker for broker in (self._pulling, self._sending) if broker]
        for broker in brokers:
            broker.abort()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout)
        for broker in brokers:
            broker.close()

    # --- the two threads

    def _pull_forever(self) -> None:
        broker = self._pulling
        while broker is not None:
            try:
                self._pull(broker)
            except SessionError as error:
                self._end(error)
            except (LinkError, AgentError) as error:
                self._lose(error)
            except MALFORMED as error:
                self._end(self._malformed(error))
            broker.close()
            broker = self._reconnect()

    def _pull(self, broker: Broker) -> None:
        if broker.hello.get("pooled"):
            self._poll(broker)
            return
        tickets: deque[int] = deque()
        while self.status is LinkStatus.UP:
            while len(tickets) < 2:
                tickets.append(broker.send("pull", self._pull_request(WAIT)))
            self._arrived(*broker.receive(tickets.popleft(), HEARTBEAT))

    def _poll(self, broker: Broker) -> None:
        """Pull without waiting over there: a waiting pull would hold one of that server's few threads."""
        delay = POLL_FIRST
        while self.status is LinkStatus.UP:
            header, packets = broker.call("pull", self._pull_request(0.0), timeout=HEARTBEAT)
            self._arrived(header, packets)
            delay = POLL_FIRST if packets else min(delay * 1.3, POLL_LAST)
            with self._changed:
                working = self._state.next_unsent() is not None or bool(self._interrupts)
                if working or (not packets and self._changed.wait(delay)):
                    delay = POLL_FIRST

    def _pull_request(self, wait: float) -> dict[str, Any]:
        state = self._state
        request = {"session": self.session, "epoch": state.epoch, "acked": state.received}
        return self._with_record(dict(request, rtt=self.rtt, max_bytes=MAX_BYTES, wait=wait))

    def _arrived(self, header: dict[str, Any], packets: list[memoryview]) -> None:
        for packet in self._state.arrived(int(header["first"]), packets):
            self._on_message(wire.Message.decode(packet))

    def _send_forever(self) -> None:
        while True:
            with self._changed:
                while self.status is not LinkStatus.CLOSED and not self._has_work():
                    self._changed.wait()
                if self.status is LinkStatus.CLOSED:
                    return
            try:
                if self._sending is None:
                    self._sending = open_broker(self.address, timeout=DIAL_TIMEOUT, cancel=self._cancel)
                self._send(self._sending)
            except SessionError as error:
                if not self._superseded():
                    self._end(error)
            except MALFORMED as error:
                self._end(self._malformed(error))
            except (DialError, LinkError, AgentError) as error:
                if self._sending is not None:
                    self._sending.close()
                    self._sending = None
                if self._pulling is not None:  # the puller reconnects; it decides what becomes of the link
                    self._pulling.abort(str(error))
                with self._changed:
                    self._changed.wait(0.1)

    def _has_work(self) -> bool:
        if self.status is not LinkStatus.UP:
            return False
        return self._sending is None or bool(self._interrupts) or self._state.next_unsent() is not None

    def _superseded(self) -> bool:
        """Whether a stale epoch was our own, from before a reconnection."""
        with self._changed:
            return self.status is LinkStatus.LOST

    def _send(self, broker: Broker) -> None:
        while True:
            with self._changed:
                if self.status is not LinkStatus.UP:
                    return
                interrupt = self._interrupts.popleft() if self._interrupts else None
                submission = None if interrupt is not None else self._state.next_unsent()
                request: dict[str, Any] = {"session": self.session, "epoch": self._state.epoch}
                if submission is not None:
                    self._state.sent()
            if interrupt is not None:
                broker.call("interrupt", self._with_record(dict(request, parent=interrupt)), timeout=HEARTBEAT)
            elif submission is not None:
                request.update(n=submission.number, type=submission.type, parent=submission.parent)
                answer, _buffers = broker.call("submit", self._with_record(request), [submission.packet], HEARTBEAT)
                with self._changed:
                    self._state.accepted(int(answer["accepted"]))
            else:
                return

    # --- how a link begins, breaks and comes back

    def _with_record(self, request: dict[str, Any]) -> dict[str, Any]:
        return dict(request, record=self._record) if self._record else request

    def _attach(self, broker: Broker) -> None:
        started = time.perf_counter()
        self._attempt_number += 1  # one that comes late must not replace a newer one
        request = {"session": self.session, "acked": self._state.received, "client": self._client}
        request = self._with_record(dict(request, attempt=self._attempt_number))
        answer, _buffers = broker.call("attach", request, timeout=HEARTBEAT)
        self.rtt = time.perf_counter() - started
        with self._changed:
            self._state.attached(int(answer["epoch"]), int(answer["accepted"]), int(answer["acknowledged"]))

    def _reconnect(self) -> Broker | None:
        """Try until it works or the link is closed; when patience ends, wait until somebody asks for the link."""
        broker = next(self._attempts(), None)
        if broker is not None:
            with self._changed:
                self._pulling = broker
                self._set_status(LinkStatus.UP)
        return broker

    def _attempts(self) -> Iterator[Broker]:
        while True:
            with self._changed:
                while self.status is LinkStatus.DOWN:
                    self._changed.wait()
            give_up = time.monotonic() + PATIENCE
            for delay in delays():
                if self.status is LinkStatus.CLOSED or self._cancel.wait(delay):
                    return
                try:
                    yield self._attempt()
                except SessionError as error:
                    self._end(error)
                    return
                except MALFORMED as error:
                    self._end(self._malformed(error))
                    return
                except RpycKernelError as error:
                    if time.monotonic() > give_up:
                        self._give_up(error)
                        break

    def _attempt(self) -> Broker:
        broker = open_broker(self.address, timeout=DIAL_TIMEOUT, cancel=self._cancel)
        try:
            self._attach(broker)
        except BaseException:
            broker.close()
            raise
        return broker

    def _malformed(self, error: Exception) -> ProtocolError:
        return ProtocolError(self.address, f"{type(error).__name__}: {error}")

    def _lose(self, error: RpycKernelError) -> None:
        with self._changed:
            if self.status is LinkStatus.UP:
                self._set_status(LinkStatus.LOST, error)

    def _give_up(self, error: RpycKernelError) -> None:
        with self._changed:
            self._state.abandon()
            self._interrupts.clear()
            self._set_status(LinkStatus.DOWN, LinkLost(self.address, f"it does not come back. {error}"))

    def _end(self, error: RpycKernelError) -> None:
        with self._changed:
            self._cancel.set()
            self._set_status(LinkStatus.CLOSED, error)

    def _set_status(self, status: LinkStatus, error: RpycKernelError | None = None) -> None:
        with self._changed:
            if self.status in (status, LinkStatus.CLOSED):
                return
            self.status = status
            self.error = error
            self._changed.notify_all()
        self._on_status(status, error)

    def _terminate(self, done: threading.Event) -> None:
        try:
            broker = open_broker(self.address, timeout=2.0)
            try:
                broker.call("terminate", self._with_record({"session": self.session}), timeout=2.0)
            finally:
                broker.close()
        except RpycKernelError:
            pass
        finally:
            done.set()
