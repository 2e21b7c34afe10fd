"""The heartbeats of a link: by them a session knows that its kernel is there, while its code has asked for that.

They have a connection and a thread of their own, so that none waits behind output or a transfer. Nobody waits for their
answers: a heartbeat counts when it comes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from rpyc_kernel.errors import AgentError, LinkLost, NoAnswerError, RpycKernelError
from rpyc_kernel.link.actions import LinkStatus
from rpyc_kernel.link.protocol import DIAL_TIMEOUT_S, MALFORMED

if TYPE_CHECKING:
    from rpyc_kernel.link.threads import LinkThreads
    from rpyc_kernel.transport.broker_client import BrokerClient

REDIAL_S = 0.2  # until a connection that has broken is dialled again
MAX_UNANSWERED_S = 10.0  # after which a connection is given up


class Heart(threading.Thread):
    """Sends heartbeats while they are wanted, and ends with the link, or when they are wanted no longer.

    Attributes:
        cancel: Ends what it waits for.
        ended: Whether it sends no more.
    """

    def __init__(self, threads: LinkThreads) -> None:
        super().__init__(name="rpyc-kernel-heart", daemon=True)
        self._threads = threads
        self.cancel = threading.Event()
        self.ended = False

    def run(self) -> None:
        """Dial and send, again and again."""
        while self._wait_wanted():
            try:
                with self._threads.dial(
                    self._threads.protocol.address, timeout=DIAL_TIMEOUT_S, cancel=self.cancel
                ) as broker:
                    self._send(broker)
            except (RpycKernelError, *MALFORMED):
                self.cancel.wait(REDIAL_S)

    def _wait_wanted(self) -> bool:
        """Wait until the link is up; returns False where no heartbeats are wanted any more."""
        threads = self._threads
        with threads.changed:
            while True:
                protocol = threads.protocol
                if not protocol.beat or protocol.status is LinkStatus.CLOSED:
                    self.ended = True
                    return False
                if protocol.status is LinkStatus.UP:
                    return True
                threads.changed.wait()

    def _send(self, broker: BrokerClient) -> None:
        """Send heartbeats until the connection breaks."""
        unanswered: deque[tuple[int, float]] = deque()
        due = time.monotonic()
        while (interval := self._threads.protocol.beat) and self._threads.protocol.status is not LinkStatus.CLOSED:
            unanswered.append((broker.send("beat", self._threads.protocol.heartbeat_request()), time.monotonic()))
            due = max(due + interval, time.monotonic())
            while (left := due - time.monotonic()) > 0:
                if not unanswered:
                    time.sleep(left)
                    continue
                try:
                    broker.receive(unanswered[0][0], left)
                except NoAnswerError:
                    continue
                except AgentError:  # the session is just being taken over, or has ended: the link will know
                    pass
                unanswered.popleft()
            if unanswered and time.monotonic() - unanswered[0][1] > MAX_UNANSWERED_S:
                raise LinkLost(broker.address, "heartbeats have no answer")
