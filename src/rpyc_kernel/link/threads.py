"""The two threads of a link, and what other threads do in their place, which the stop button must not tear.

Each does what a `LinkProtocol` wants of one RPyC connection, and reports what came of it. A small request is sent by
whoever makes it, while the connection's thread rests: to wake that one first would take as long as all the sending.
That may be the main thread, where a press raises KeyboardInterrupt between any two steps: it waits (`Uninterrupted`).
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from rpyc_kernel.errors import AgentError, LinkLost, RpycKernelError
from rpyc_kernel.link.actions import (
    Abort,
    AllowFrames,
    Answer,
    Beat,
    Deliver,
    Dial,
    Fail,
    ForAll,
    ForThread,
    LinkStatus,
    Refuse,
    Role,
    Send,
    StatusChanged,
)
from rpyc_kernel.link.protocol import MALFORMED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpyc_kernel.agent import wire
    from rpyc_kernel.link.protocol import LinkProtocol
    from rpyc_kernel.transport.broker_client import BrokerClient

try:  # Python's own signal module looks for enums of what it gets and returns, which takes ten times as long
    from _signal import getsignal as _get_handler  # type: ignore[import-not-found]
    from _signal import signal as _set_handler
except ImportError:
    from signal import getsignal as _get_handler
    from signal import signal as _set_handler

MOST_AT_ONCE = 4000  # bytes of a request that is sent by whoever makes it: a pipe that is ready takes 4,096

clock = time.monotonic


class LinkThreads:
    """Carries the actions of a protocol, which it guards by a lock. No callback is called with the lock held.

    Attributes:
        on_message: Gets each message, and whether it is backlog, on the puller's thread.
        dial: Opens a connection, as `open_broker` does.
        on_beat: Is called with the lock held, when heartbeats are wanted at another interval.
    """

    def __init__(
        self,
        protocol: LinkProtocol,
        on_message: Callable[[wire.Message, bool], None],
        on_status: Callable[[LinkStatus, RpycKernelError | None], None],
        on_refused: Callable[[str, RpycKernelError], None],
        dial: Callable[..., BrokerClient],
    ) -> None:
        self.on_message = on_message
        self.dial = dial
        self.changed = threading.Condition()  # guards the protocol and everything below
        self.protocol = protocol
        self.puller = ConnectionThread(self, Role.PULLER)
        self.sender = ConnectionThread(self, Role.SENDER)
        self._on_status = on_status
        self._on_refused = on_refused
        self._answers: dict[int, Future[tuple[dict[str, Any], list[memoryview]]]] = {}
        self._untold: deque[ForAll] = deque()
        self._telling = False
        self._delayed: deque[Callable[[LinkProtocol], None]] = deque()
        self.on_beat: Callable[[], None] = lambda: None

    @contextmanager
    def events(self, thread: ConnectionThread | None = None) -> Iterator[LinkProtocol]:
        """Within it the lock is held, for events. Then callbacks are called, without it.

        Args:
            thread: The thread that reports them; the messages that it has are given out before anything else is told.
        """
        try:
            with self.changed:
                try:
                    yield self.protocol
                finally:
                    self.sort_actions()
                    while self._delayed:
                        self._delayed.popleft()(self.protocol)
                        self.sort_actions()
        finally:
            if thread is not None:
                thread.deliver()
            self._tell()

    def submit(self, event: Callable[[LinkProtocol], None]) -> None:
        """Call that with the protocol; where this thread has the lock already, at the end of the next events.

        Then garbage collection has called a finalizer, which sends something, in the midst of what the protocol does.
        """
        if self._has_lock():
            self._delayed.append(event)
            return
        with self.events() as protocol:
            event(protocol)

    def _has_lock(self) -> bool:
        try:
            self.changed.notify(0)  # wakes nobody
        except RuntimeError:
            return False
        return True

    def answer_of(self, question: int) -> Future[tuple[dict[str, Any], list[memoryview]]]:
        """Return the future that gets the answer to a question. Within `events`."""
        return self._answers.setdefault(question, Future())

    def sort_actions(self) -> None:
        """With the lock held: give the protocol's actions to those that do them."""
        actions = self.protocol.take_actions()
        for action in actions:
            if isinstance(action, Deliver):
                self.puller.queue.append(action)
            elif isinstance(action, Beat):
                self.on_beat()
            elif isinstance(action, (StatusChanged, Refuse, Answer, Fail)):
                self._untold.append(action)
            else:
                (self.puller if action.role is Role.PULLER else self.sender).take(action)
        if actions:
            self.changed.notify_all()

    def _tell(self) -> None:
        """Call back, one at a time and in order."""
        while True:
            with self.changed:
                if self._telling or not self._untold:  # another thread, which tells just now, goes on with it
                    return
                self._telling = True
                action = self._untold.popleft()
            try:
                if isinstance(action, StatusChanged):
                    self._on_status(*action)
                elif isinstance(action, Refuse):
                    self._on_refused(*action)
                elif isinstance(action, Answer):
                    self._answers.pop(action.question).set_result((action.header, action.buffers))
                else:
                    self._answers.pop(action.question).set_exception(action.error)
            finally:
                with self.changed:
                    self._telling = False


class ConnectionThread(threading.Thread):
    """Carries one connection after the other.

    Attributes:
        queue: What it has to do, oldest first.
    """

    def __init__(self, threads: LinkThreads, role: Role) -> None:
        super().__init__(name=f"rpyc-kernel-{role.value}", daemon=True)
        self.queue: deque[ForThread | Abort] = deque()
        self._cancel: threading.Event | None = None  # while it is an event, that one ends any dialling and waiting
        self._threads = threads
        self._role = role
        self._rests = False  # whether it waits for something to do, and leaves the connection alone
        self._number = 0  # of the connection, or of the one that is dialled; 0: there is none
        self._broker: BrokerClient | None = None
        self._dialled = 0  # the number of the newest connection that is wanted
        self._abort = threading.Event()  # its dialling
        self._tickets: deque[tuple[int, float, float]] = deque()  # with the time it was sent, and its timeout

    @property
    def moved(self) -> int:
        """The number of bytes that the present connection has carried, -1 where there is none."""
        broker = self._broker
        return -1 if broker is None else broker.connection.moved

    def take(self, action: ForThread | Abort) -> None:
        """With the lock held: do that next; but send a small request now if that can be, and break off at once."""
        if self._sends_now(action):
            return
        self.queue.append(action)
        if isinstance(action, Dial):
            self._dialled, self._abort = action.number, threading.Event()
        elif isinstance(action, Abort) and action.number == self._dialled:
            self._abort.set()
            if self._broker is not None and action.number == self._number:
                self._broker.abort(action.reason)

    def _sends_now(self, action: ForThread | Abort) -> bool:
        """Send a request that its connection takes at once, for the thread, which rests; tell whether that was done."""
        if not (self._rests and isinstance(action, Send) and action.number == self._number and not self.queue):
            return False
        if sum(map(len, action.buffers)) + len(repr(action.header)) > MOST_AT_ONCE:
            return False
        if self._broker is None or not self._broker.connection.has_room:  # last: it asks the system
            return False
        try:
            self._use(action)
        except (RpycKernelError, *MALFORMED):  # the thread fails with it too, and reports that
            return False
        return True

    def cancel_with(self, cancel: threading.Event | None) -> None:
        """Let that event end any dialling and waiting; for who does the thread's steps before it is started."""
        self._cancel = cancel
        if self._broker is not None:
            self._broker.connection.cancel = cancel

    def run(self) -> None:
        """Until the link is closed."""
        while self.step():
            pass
        self.hang_up()

    def step(self) -> bool:
        """Do one thing, and wait for it; returns False when the link is closed and nothing is left to do."""
        threads = self._threads
        with threads.events() as protocol:
            while not (self.queue or self._tickets):
                if protocol.status is LinkStatus.CLOSED:
                    return False
                due = protocol.due(self._role)
                if due is not None and due <= clock():
                    protocol.tick(clock())
                    threads.sort_actions()
                else:
                    self._rests = True
                    try:
                        threads.changed.wait(None if due is None else due - clock())
                    finally:
                        self._rests = False
            action = self.queue.popleft() if self.queue else None
        try:
            if action is None:
                self._receive()
            elif isinstance(action, Deliver):
                self._deliver(action)
            elif isinstance(action, Dial):
                self._dial(action)
            elif action.number == self._number:
                self._use(action)
        except (RpycKernelError, *MALFORMED) as error:
            number = self._number
            self.hang_up()
            with threads.events(self) as protocol:
                protocol.failed(self._role, number, error, clock())
        return True

    def deliver(self) -> None:
        """Give out the messages that come next in the queue."""
        while self.queue and isinstance(action := self.queue[0], Deliver):
            self.queue.popleft()
            self._deliver(action)

    def _deliver(self, action: Deliver) -> None:
        for message in action.messages:
            self._threads.on_message(message, action.backlog)
        self._threads.protocol.incoming.delivered = action.last

    def _dial(self, action: Dial) -> None:
        self.hang_up()
        self._number, abort = action.number, self._abort
        cancel = self._cancel or abort
        broker = self._threads.dial(action.address, timeout=action.timeout, cancel=cancel, hello=action.hello_timeout)
        broker.connection.cancel = self._cancel
        with self._threads.events() as protocol:
            self._broker = broker
            if not abort.is_set():  # else that is the next action
                protocol.connected(self._role, action.number, broker.hello)

    def _use(self, action: Send | AllowFrames | Abort) -> None:
        assert self._broker is not None
        if isinstance(action, Abort):
            raise LinkLost(self._broker.address, action.reason)
        if isinstance(action, AllowFrames):
            self._broker.connection.max_frame = action.size
            return
        started = time.perf_counter()
        self._tickets.append((self._broker.send(action.op, action.header, action.buffers), started, action.timeout))

    def _receive(self) -> None:
        assert self._broker is not None
        ticket, started, timeout = self._tickets.popleft()
        try:
            header, buffers = self._broker.receive(ticket, timeout)
        except AgentError as error:
            with self._threads.events() as protocol:
                protocol.refused(self._role, self._number, error, clock())
            return
        took = time.perf_counter() - started
        with self._threads.events(self) as protocol:
            protocol.answered(self._role, self._number, header, buffers, took, clock())

    def hang_up(self) -> None:
        """Close the connection, if there is one; for the thread itself, or when it has ended."""
        with self._threads.changed:
            broker, self._broker, self._number = self._broker, None, 0
            self._tickets.clear()
        if broker is not None:
            broker.close()


class Uninterrupted:
    """A context in which SIGINT waits: its handler, which as a rule raises KeyboardInterrupt, is called at the end.

    Python calls handlers in the main thread, between any two of its steps; in other threads the context does nothing.
    Contexts may be nested.
    """

    __slots__ = ("_before", "_frame", "_handler", "_pressed")

    def __init__(self) -> None:
        self._before: Any = None  # what is to be called at the end, the `_press` of an outer context perhaps
        self._handler: Any = None  # what is called while this is suspended
        self._pressed = False
        self._frame: Any = None  # where SIGINT came

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            before = _get_handler(signal.SIGINT)
            if callable(before):  # else SIGINT ends the process, or nothing
                outer = getattr(before, "__self__", None)
                self._handler = outer._handler if isinstance(outer, Uninterrupted) else before
                self._before = before
                _set_handler(signal.SIGINT, self._press)
        return self

    def _press(self, _signum: int, frame: Any) -> None:
        self._pressed, self._frame = True, frame

    def __exit__(self, *_error: object) -> None:
        if self._before is not None:
            _set_handler(signal.SIGINT, self._before)
            self._call(self._before)

    def _call(self, handler: Any) -> None:
        if self._pressed:
            frame, self._pressed, self._frame = self._frame, False, None
            handler(signal.SIGINT, frame)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Return a context within this one, for a wait or the user's code: in it SIGINT doesn't wait."""
        if self._before is None:
            yield
            return
        try:
            _set_handler(signal.SIGINT, self._handler)
            self._call(self._handler)
            yield
        finally:
            handler = _set_handler(signal.SIGINT, self._press)
            if handler is not self._handler:  # the user's code has set another one
                self._before = self._handler = handler
