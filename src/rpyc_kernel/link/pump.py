"""The two threads of a link: one pulls messages, one sends requests, each on an RPyC connection of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import AgentError, LinkError, RpycKernelError, SessionError
from rpyc_kernel.link.session import LinkStatus, SequenceError
from rpyc_kernel.transport.bootstrap import Broker, open_broker

if TYPE_CHECKING:
    from rpyc_kernel.link.link import Link, Question

MAX_BYTES = 256 << 10  # of one pull's answer: what a stock server writes fastest
WAIT = 5.0  # seconds that a pull waits when there is nothing to give; its empty answer is the heartbeat
POLL_FIRST, POLL_LAST = 0.005, 0.2  # seconds between pulls from a server with few threads
DIAL_TIMEOUT = 10.0  # seconds for one attempt
AGAIN = 0.1  # seconds until the sender dials again

# what reading an answer raises that isn't what it should be
MALFORMED = (SequenceError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError)


class Puller(threading.Thread):
    """Pulls messages, and reconnects when the link breaks: it decides what becomes of the link.

    :ivar delivered: the number of the last message that was given to ``on_message``
    :ivar catching_up: whether what comes had been waiting there, or came while that was shown
    """

    def __init__(self, link: Link) -> None:
        super().__init__(name="rpyc-kernel-puller", daemon=True)
        self._link = link
        self.delivered = 0
        self.catching_up = False

    def run(self) -> None:
        """Until the link is closed."""
        link = self._link
        broker = link.pulling
        while broker is not None:
            try:
                if broker.hello.get("pooled"):
                    self._poll(broker)
                else:
                    self._pull(broker)
            except (SessionError, *MALFORMED) as error:
                link.end(error)
            except (LinkError, AgentError) as error:
                link.lose(error)
            broker.close()
            broker = link.reconnect()

    def _pull(self, broker: Broker) -> None:
        wait = min(WAIT, self._link.heartbeat / 3)
        tickets: deque[int] = deque()
        while self._link.status is LinkStatus.UP:
            while len(tickets) < 2:
                tickets.append(broker.send("pull", self._request(wait)))
            self._arrived(*broker.receive(tickets.popleft(), self._link.heartbeat))

    def _poll(self, broker: Broker) -> None:
        """Pull without waiting over there: a waiting pull would hold one of that server's few threads."""
        link, delay = self._link, POLL_FIRST
        while link.status is LinkStatus.UP:
            header, packets = broker.call("pull", self._request(0.0), timeout=link.heartbeat)
            self._arrived(header, packets)
            delay = POLL_FIRST if packets else min(delay * 1.3, POLL_LAST)
            with link.changed:
                if link.state.next_unsent() is not None or (not packets and link.changed.wait(delay)):
                    delay = POLL_FIRST

    def _request(self, wait: float) -> dict[str, Any]:
        request = {"acked": self._link.state.received, "rtt": self._link.rtt, "max_bytes": MAX_BYTES, "wait": wait}
        return self._link.with_session(request)

    def _arrived(self, header: dict[str, Any], packets: list[memoryview]) -> None:
        link, state = self._link, self._link.state
        new = state.arrived(int(header["first"]), packets)
        for number, packet in enumerate(new, state.received - len(new) + 1):
            link.on_message(wire.Message.decode(packet), self.catching_up)
            self.delivered = number
        if state.received >= state.backlog and sum(map(len, packets)) < MAX_BYTES:
            self.catching_up = False


class Sender(threading.Thread):
    """Sends requests, interrupts, and what else is asked of the session."""

    def __init__(self, link: Link) -> None:
        super().__init__(name="rpyc-kernel-sender", daemon=True)
        self._link = link
        self._epoch = 0  # of the request that is under way
        self._failures = 0  # to dial, in a row
        self._question: Question | None = None  # that is under way

    def run(self) -> None:
        """Until the link is closed."""
        link = self._link
        broker = self._dial()  # the link needs this connection too; where it fails, it is tried again below
        while True:
            with link.changed:
                link.changed.wait_for(lambda: link.status is LinkStatus.CLOSED or self._has_work())
                closed, following = link.status is LinkStatus.CLOSED, link.sending
            if broker is not None and broker is not following:
                broker.close()  # the puller has given it up while nothing was to be sent
            if closed:
                return
            broker = following or self._dial()
            if broker is None:
                continue
            try:
                self._send(broker)
            except (SessionError, *MALFORMED) as error:
                self._fail(error)
                if not self._superseded():
                    link.end(error)
            except (LinkError, AgentError) as error:
                self._fail(error)
                self._drop(broker, str(error))

    def _dial(self) -> Broker | None:
        link = self._link
        try:
            broker = open_broker(link.address, timeout=DIAL_TIMEOUT, cancel=link.cancel)
        except (RpycKernelError, *MALFORMED) as error:
            with link.changed:
                if link.status is LinkStatus.UP and self._failures * AGAIN > link.heartbeat and link.pulling:
                    link.pulling.abort(str(error))  # one way only is no link
                self._failures = self._failures + 1 if link.status is LinkStatus.UP else 0
                link.changed.wait_for(lambda: link.status is LinkStatus.CLOSED, AGAIN)
            return None
        with link.changed:
            self._failures = 0
            link.sending = broker
        if link.status is LinkStatus.CLOSED:
            broker.close()
        return broker

    def _drop(self, broker: Broker, reason: str) -> None:
        """This connection is gone, and so probably the other one: the puller finds out, and reconnects."""
        link = self._link
        broker.close()
        with link.changed:
            if link.sending is broker:  # else the puller knows already
                link.sending = None
                if link.status is LinkStatus.UP and link.pulling is not None:
                    link.pulling.abort(reason)
                    link.changed.wait_for(lambda: link.status is not LinkStatus.UP, AGAIN)

    def _has_work(self) -> bool:
        link = self._link
        if link.status is not LinkStatus.UP:
            return False
        waiting = link.state.next_interrupt() is not None or link.state.next_unsent() is not None
        return link.sending is None or bool(link.questions) or waiting

    def _superseded(self) -> bool:
        """Whether a stale epoch was our own, from before a reconnection."""
        with self._link.changed:
            return self._link.status is LinkStatus.LOST or self._link.state.epoch != self._epoch

    def _fail(self, error: Exception) -> None:
        question, self._question = self._question, None
        if question is not None:
            question.answer.set_exception(error)

    def _send(self, broker: Broker) -> None:
        """Until nothing is left to send, or the link is not up any more."""
        link, state = self._link, self._link.state
        while True:
            with link.changed:
                if link.status is not LinkStatus.UP or broker is not link.sending:
                    return
                self._epoch = state.epoch
                interrupt = state.next_interrupt()
                submission = None
                if interrupt is None and link.questions:
                    self._question = link.questions.popleft()
                elif interrupt is None and (submission := state.next_unsent()) is not None:
                    state.sent()
            if interrupt is not None:
                broker.call("interrupt", link.with_session({"parent": interrupt}), timeout=link.heartbeat)
                with link.changed:
                    state.interrupted(interrupt)
            elif self._question is not None:
                self._ask(broker, self._question)
            elif submission is not None:
                request = {"n": submission.number, "type": submission.type, "parent": submission.parent}
                started = time.perf_counter()
                answer = broker.call("submit", link.with_session(request), [submission.packet], link.heartbeat)
                link.rtt = min(link.rtt, time.perf_counter() - started)  # the attach had more to do than to answer
                with link.changed:
                    state.accepted(int(answer[0]["accepted"]))
            else:
                return

    def _ask(self, broker: Broker, question: Question) -> None:
        try:
            answer = broker.call(question.op, self._link.with_session(question.header), timeout=self._link.heartbeat)
            question.answer.set_result(answer)
        except AgentError as error:  # that was refused; the link is as good as before
            question.answer.set_exception(error)
        self._question = None
