"""A session on another machine, as the kernel has it: connected, or reconnecting for as long as it takes.

What a link decides is in `protocol`, the threads that do it in `threads`.
"""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import DialCancelledError, LinkLost, RpycKernelError, TooLongError
from rpyc_kernel.link.protocol import DIAL_TIMEOUT_S, HEARTBEAT_S, LinkProtocol, LinkStatus
from rpyc_kernel.link.threads import LinkThreads, Uninterrupted
from rpyc_kernel.transport.broker_client import open_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.link.heart import Heart
    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.broker_client import BrokerClient

__all__ = ["HEARTBEAT_S", "Link"]

STATUS_POLL_INTERVAL_S = 0.05
ABANDON_TIMEOUT_S = 1.0  # for the threads of a link that could not be opened
COUNTED = ("silent", "store_history", "execution_count", "deaths")  # what the keeper must know of a cell


def packets_of(message: wire.Message, cut: int | None) -> list[tuple[bytes, dict[str, Any]]]:
    """Return the packets of a request, each with what the keeper is told beside it.

    Args:
        message: The request.
        cut: A number that no other request has which is cut; None where none may be.

    Raises:
        MessageTooLong: It is longer than what travels.
    """
    pieces = message.pieces()
    size = sum(map(len, pieces))
    more: dict[str, Any] = {}
    if message.type == "execute_request":
        more["cell"] = {name: message.content.get(name) for name in COUNTED if name in message.content}
    if size <= wire.PART_BYTES or cut is None:
        return [(b"".join(pieces), more)]
    start = itertools.count(0, wire.PART_BYTES)
    return [(piece, {**more, "part": [cut, next(start), size]}) for piece in wire.cut(pieces, wire.PART_BYTES)]


class Link:
    """One session on one machine. Every method may be called from any thread.

    Args:
        address: The RPyC server there.
        on_message: Gets every message once and in order, on the puller's thread, and whether it belongs to the
            backlog: what had been waiting there, and what comes until that is shown.
        on_status: Gets each change of the status with the error behind it, if there is one, on any thread, in order.
        session: The session's id; None: a new one.
        on_refused: Gets the ``msg_id`` of a request that was given up, since the other side doesn't take it or it was
            stopped, and the error, on any thread; ``""`` stands for all that wait.
        heartbeat: Seconds of silence, after which the link counts as dead.
        holder: Who has the session here, for people.
        title: What people call the session.
        dial: Takes the place of `open_broker`.
    """

    def __init__(
        self,
        address: Address,
        on_message: Callable[[wire.Message, bool], None],
        on_status: Callable[[LinkStatus, RpycKernelError | None], None],
        session: str | None = None,
        *,
        on_refused: Callable[[str, RpycKernelError], None] = lambda _msg_id, _error: None,
        heartbeat: float = HEARTBEAT_S,
        holder: str = "",
        title: str = "",
        dial: Callable[..., BrokerClient] = open_broker,
    ) -> None:
        self._protocol = LinkProtocol(
            address, session or uuid.uuid4().hex, heartbeat=heartbeat, holder=holder, title=title
        )
        self._threads = LinkThreads(self._protocol, on_message, on_status, on_refused, dial)
        self._threads.on_beat = self._beat
        self._heart: Heart | None = None
        self._cuts = itertools.count(1)  # an id for each request that is cut

    # --- what is known of it

    @property
    def address(self) -> Address:
        """The server by which the session is reached."""
        return self._protocol.address

    @property
    def session(self) -> str:
        """The session's id."""
        return self._protocol.session

    @property
    def title(self) -> str:
        """The name by which people call the session."""
        return self._protocol.title

    @property
    def status(self) -> LinkStatus:
        """The state of the link."""
        return self._protocol.status

    @property
    def error(self) -> RpycKernelError | None:
        """The error that has brought the link into its state, if one has."""
        return self._protocol.error

    @property
    def failure(self) -> str:
        """Why the last attempt to reconnect failed, a sentence; ``""`` where none has."""
        return self._protocol.failure

    @property
    def hello(self) -> dict[str, Any]:
        """The agent's description of its server and itself, of when the link was opened."""
        return self._protocol.hello

    @property
    def attached(self) -> dict[str, Any]:
        """The keeper's answer to ``attach``, with which the present link began."""
        return self._protocol.attached

    @property
    def behind(self) -> int:
        """The number of messages of the backlog that *on_message* has not got yet."""
        return self._protocol.incoming.behind

    # --- its life

    def open(self, config: dict[str, Any], cancel: threading.Event, *, attach: bool = False) -> None:
        """Connect, start a session (or with *attach* take over one that runs), and begin to carry messages.

        Blocks.

        Args:
            config: See ``agent.keeper.main.main``.
            cancel: Ends it.
            attach: Whether the session is there already; of *config* only ``keep`` counts then.

        Raises:
            RpycKernelError: It failed. The link is closed.
        """
        puller, sender = self._threads.puller, self._threads.sender
        puller.cancel_with(cancel)
        try:
            with self._threads.events() as protocol:
                opened = self._threads.answer_of(protocol.open(None if attach else config, config.get("keep")))
            sender.start()
            while not opened.done():
                puller.step()
            opened.result()
        except BaseException as error:
            self.close(end=False, timeout=ABANDON_TIMEOUT_S)
            if cancel.is_set():
                raise DialCancelledError(self.address) from error
            raise
        puller.cancel_with(None)
        puller.start()

    def wait_up(self, cancel: threading.Event, timeout: float = DIAL_TIMEOUT_S) -> None:
        """Wait until the link is up.

        Args:
            cancel: Ends the waiting.
            timeout: Seconds to wait.

        Raises:
            RpycKernelError: It isn't up, and why.
        """
        deadline = time.monotonic() + timeout
        while self.status is LinkStatus.LOST and time.monotonic() < deadline:
            if cancel.wait(STATUS_POLL_INTERVAL_S):
                break
        if cancel.is_set():
            raise DialCancelledError(self.address)
        if self.status is not LinkStatus.UP:
            raise self.error or LinkLost(self.address, self.failure or "it is not back yet")

    @contextmanager
    def _events(self) -> Iterator[LinkProtocol]:
        """Within it the protocol takes events; the stop button waits, or a number would be given and never sent."""
        with Uninterrupted(), self._threads.events() as protocol:
            yield protocol

    def hurry(self) -> None:
        """If the link is down, try again at once: somebody waits for it."""
        with self._events() as protocol:
            protocol.hurry()

    def move(self, address: Address) -> None:
        """Reach the session another way from now on: by another server on that machine."""
        with self._events() as protocol:
            protocol.move(address)

    def close(self, *, end: bool, timeout: float = 3.0) -> bool:
        """Stop, and *end* the session too if *timeout* seconds are enough for that; returns whether it has ended."""
        ended = end and self.status is LinkStatus.UP and self._terminate(timeout)
        with self._events() as protocol:
            protocol.close()
        for thread in (self._threads.puller, self._threads.sender):
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(timeout)
            if not thread.is_alive():
                thread.hang_up()
        if self._heart is not None:
            self._heart.cancel.set()
            self._heart.join(timeout)
        return ended

    def _beat(self) -> None:
        """Have heartbeats sent; one that sends some looks at the interval itself."""
        if self._protocol.beat and (self._heart is None or self._heart.ended):
            from rpyc_kernel.link.heart import Heart  # noqa: PLC0415 - few sessions want heartbeats

            self._heart = Heart(self._threads)
            self._heart.start()

    def _terminate(self, timeout: float) -> bool:
        try:
            self.ask("terminate", {}, timeout)
        except RpycKernelError:
            return False
        return True

    # --- requests

    def submit(self, message: wire.Message) -> None:
        """Send a request. It runs once, even if the link breaks meanwhile. Raises TooLongError."""
        try:
            packets = packets_of(message, next(self._cuts) if self.attached.get("parts") else None)
        except wire.MessageTooLong as error:
            raise TooLongError(self.address, str(error)) from None
        with Uninterrupted():
            self._threads.submit(lambda protocol: protocol.submit(message.type, message.parent, packets))

    def was_tried(self, parent: str) -> bool:
        """Tell whether the request with that ``msg_id`` may have come over there."""
        with self._events() as protocol:
            return protocol.state.was_tried(parent)

    def withdraw(self, parent: str) -> None:
        """While the link is down: what could not be sent of the request with that ``msg_id`` is not sent any more."""
        with self._events() as protocol:
            protocol.withdraw(parent)

    def keeps_interrupt(self, parent: str) -> bool:
        """Tell whether an interrupt of the request with that ``msg_id`` has not arrived yet, as far as is known."""
        with self._events() as protocol:
            return protocol.state.keeps_interrupt(parent)

    def interrupt(self, parent: str) -> None:
        """Interrupt the request with that ``msg_id``, now or when the link is back.

        A long one of which a part has not been sent yet is given up instead: ``on_refused`` is told.
        """
        with self._events() as protocol:
            protocol.interrupt(parent)

    def ask(
        self, op: str, header: dict[str, Any], timeout: float | None = None
    ) -> tuple[dict[str, Any], list[memoryview]]:
        """Do an operation of the session, and wait for its answer.

        Args:
            op: The operation, see docs/architecture.md.
            header: What it needs to know.
            timeout: Seconds in which nothing comes or goes on the sender's connection; None: those of a heartbeat.

        Returns:
            The answer, and the buffers beside it.

        Raises:
            LinkLost: The link is down, or there was no answer.
            RpycKernelError: The operation was refused, or the link is closed.
        """
        with self._events() as protocol:
            timeout = protocol.heartbeat if timeout is None else timeout
            answer = self._threads.answer_of(protocol.ask(op, header))
        while True:
            moved = self._threads.sender.moved
            try:
                return answer.result(timeout)
            except TimeoutError:
                if moved == self._threads.sender.moved:
                    raise LinkLost(self.address, f"no answer within {timeout:g} s") from None
