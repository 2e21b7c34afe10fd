"""The two threads of a link: one pulls messages, one sends requests, each on an RPyC connection of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import (
    AgentError,
    NotTakenError,
    ProtocolError,
    RemoteError,
    RpycKernelError,
    SessionError,
)
from rpyc_kernel.link.protocol import LinkStatus, SequenceError
from rpyc_kernel.transport.broker_client import Broker, open_broker

if TYPE_CHECKING:
    from rpyc_kernel.link.link import Link, Question
    from rpyc_kernel.link.protocol import Submission

MAX_BYTES = 256 << 10  # of one pull's answer: what a stock server writes fastest
WAIT = 5.0  # seconds that a pull waits when there is nothing to give; its empty answer is the heartbeat
POLL_FIRST, POLL_LAST = 0.005, 0.2  # seconds between pulls from a server with few threads
DIAL_TIMEOUT = 10.0  # seconds for one attempt
AGAIN = 0.1  # seconds until the sender dials again
TRIES = 3  # that what is answered by an error, or can't be read, is sent or asked for

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
        self._parts = wire.Parts()
        self._parent = ""  # of the last message
        self._refusals = (0, 0)  # the number of the last message that had come, and how many answers were wrong since

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
            except RpycKernelError as error:
                if isinstance(error, (ProtocolError, RemoteError)):
                    self._refuse(error)
                link.lose(error)
            broker.close()
            broker = link.reconnect()

    def _refuse(self, error: RpycKernelError) -> None:
        """What was answered can't be taken. When that was so `TRIES` times, the next message isn't asked for again."""
        link, (before, times) = self._link, self._refusals
        received = link.state.received
        times = times + 1 if before == received else 1
        self._refusals = received, times
        if times < TRIES:
            return
        with link.changed:
            there = link.state.skip()
        if times > TRIES or not there:  # then it isn't the message
            link.end(error)
            return
        self._refusals = link.state.received, TRIES
        failure = NotTakenError(link.address, error)
        for message in instead("", self._parent, f"a message could not be taken ({error})"):
            link.on_message(message, self.catching_up)
        link.on_refused("", failure)

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
        received, rtt = self._link.state.received, self._link.rtt
        most = 1 if self._refusals[1] and self._refusals[0] == received else MAX_BYTES  # one alone, to know which it is
        request = {"acked": received, "rtt": rtt, "max_bytes": most, "wait": wait}
        return self._link.with_session(request)

    def _arrived(self, header: dict[str, Any], packets: list[memoryview]) -> None:
        link, state = self._link, self._link.state
        new = state.arrived(int(header["first"]), packets)
        for number, packet in enumerate(new, state.received - len(new) + 1):
            for message in self._read(packet):
                link.on_message(message, self.catching_up)
            self.delivered = number
        if state.received >= state.backlog and sum(map(len, packets)) < MAX_BYTES:
            self.catching_up = False

    def _read(self, packet: memoryview) -> list[wire.Message]:
        """The message in a packet; none if it is a part. Where it can't be read, what is shown instead."""
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
            if not kind:  # no message of ours
                raise
            return instead(kind, parent, str(error))
        if message.type == "session_info":  # of a new Python: what the one before had begun ends nowhere
            self._parts.clear()
        return [message]


def instead(kind: str, parent: str, reason: str) -> list[wire.Message]:
    """What is shown in the place of a message of that type which can't be."""
    failed = {"ename": "MessageError", "evalue": reason, "traceback": [reason]}
    if kind.endswith("_reply"):
        reply = wire.Message(kind, {**failed, "status": "error"}, parent)
        return [wire.Message("error", failed, parent), reply] if kind == "execute_reply" else [reply]
    return [wire.Message("stream", {"name": "stderr", "text": f"[nothing is shown here: {reason}]\n"}, parent)]


class Sender(threading.Thread):
    """Sends requests, interrupts, and what else is asked of the session."""

    def __init__(self, link: Link) -> None:
        super().__init__(name="rpyc-kernel-sender", daemon=True)
        self._link = link
        self._epoch = 0  # of the request that is under way
        self._failures = 0  # to dial, in a row
        self._question: Question | None = None  # that is under way
        self._submission: Submission | None = None  # that is
        self._refusals: tuple[bytes | None, int] = None, 0  # its packet, and how often it was answered by an error:
        self._error: RpycKernelError | None = None

    @property
    def moved(self) -> int:
        """How many bytes the present connection has carried; another number for each connection."""
        broker = self._link.sending
        return -1 if broker is None else broker.connection.moved

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
            except RpycKernelError as error:
                self._fail(error)
                self._note(error)
                self._drop(broker, str(error))

    def _dial(self) -> Broker | None:
        link = self._link
        with link.changed:
            if link.status in (LinkStatus.LOST, LinkStatus.CLOSED):
                return None
            link.stop_dialling.clear()
        try:
            broker = open_broker(link.address, timeout=DIAL_TIMEOUT, cancel=link.stop_dialling)
        except (RpycKernelError, *MALFORMED) as error:
            with link.changed:
                if link.status is LinkStatus.UP and self._failures * AGAIN > link.heartbeat and link.pulling:
                    link.pulling.abort(str(error))  # one way only is no link
                self._failures = self._failures + 1 if link.status is LinkStatus.UP else 0
                link.changed.wait_for(lambda: link.status is LinkStatus.CLOSED, AGAIN)
            return None
        with link.changed:
            self._failures = 0
            wanted = not link.stop_dialling.is_set()
            link.sending = broker if wanted else None
        if not wanted:
            broker.close()
            return None
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

    def _note(self, error: RpycKernelError) -> None:
        """The request that was under way was answered by an error: it is sent again only so often."""
        submission, self._submission = self._submission, None
        if submission is not None and isinstance(error, (AgentError, ProtocolError, RemoteError)):
            before, times = self._refusals
            self._refusals = submission.packet, times + 1 if before is submission.packet else 1
            self._error = error

    def _give_up(self, submission: Submission) -> None:
        link = self._link
        with link.changed:
            link.state.refused(submission)
        self._refusals = None, 0
        link.on_refused(submission.parent, NotTakenError(link.address, self._error))

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
                submission, refused = None, False
                if interrupt is None and link.questions:
                    self._question = link.questions.popleft()
                elif interrupt is None and (submission := state.next_unsent()) is not None:
                    refused = self._refusals[1] >= TRIES and self._refusals[0] is submission.packet
                    if not refused:
                        state.sent()
            if interrupt is not None:
                broker.call("interrupt", link.with_session({"parent": interrupt}), timeout=link.heartbeat)
                with link.changed:
                    state.interrupted(interrupt)
            elif self._question is not None:
                self._ask(broker, self._question)
            elif submission is not None and refused:
                self._give_up(submission)
            elif submission is not None:
                request = {"n": submission.number, "type": submission.type, "parent": submission.parent}
                request.update(submission.more)
                self._submission = submission
                started = time.perf_counter()
                answer = broker.call("submit", link.with_session(request), [submission.packet], link.heartbeat)
                link.rtt = min(link.rtt, time.perf_counter() - started)  # the attach had more to do than to answer
                self._submission = None
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
