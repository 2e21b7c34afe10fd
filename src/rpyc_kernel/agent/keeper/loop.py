"""The keeper: one selector loop between the brokers that come and go and the worker that runs the cells.

It has no thread where it forks its worker, so that it may do that at any time. What it knows stands in plain objects
beside it: the `Journal`, the `Requests`, the `Hold`, the waiting `Pull`; what may be asked of it in `Operations`.
"""

from __future__ import annotations

import selectors
import signal
import socket
import time

from .. import wire
from . import long_poll
from .backpressure import Attention
from .handlers import Operations
from .lease import Hold, Stale
from .link_speed import Speed
from .log import Log
from .outbox.journal import open_journal
from .peer import Refused, Visitor
from .requests import Requests
from .worker import exits
from .worker.ending import SECONDS, Farewell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from ..boot import Agent
    from .requests import Request
    from .worker.process import Child
    from .worker.reaper import Watcher

    Json = Dict[str, Any]

DEFAULT_KEEP = 24 * 3600.0  #: seconds that an idle session stays without a kernel
MIN_KEEP = 2.0  #: seconds that any session stays, also with keep=0: its link may just have been replaced
FIRST_KEEP = 60.0  #: seconds until the kernel that has started it must have attached
MAX_PAUSE = 5.0  #: seconds between the births of workers that die before they can run a cell


class Keeper:
    """Keeps one session.

    :param config: see `keeper.main.main`
    :param agent: what is handed to a worker that isn't forked
    :param watcher: who ends what is left if this process is killed; None: the worker itself does
    :ivar why: what has ended it
    """

    def __init__(
        self, listener: socket.socket, key: bytes, config: Json, agent: Agent, log: Log, watcher: Optional[Watcher]
    ) -> None:
        self.listener = listener
        self.key = key
        self.config = config
        self.agent = agent
        self.log = log
        self.watcher = watcher
        self.journal = open_journal(config)
        self.requests = Requests()
        self.born = self.last_heard = time.monotonic()
        self.hold = Hold(self.born)
        self.speed = Speed()
        self.operations = Operations(self)
        self.keep = float(config.get("keep", DEFAULT_KEEP))
        self.last_plain = 0.0
        self.visitors: List[Visitor] = []
        self.alive = False  # whether there is a worker
        self.stillbirths = 0  # in a row
        self.next_birth: Optional[float] = None  # its time, while there is none
        self.last_end: Json = exits.RESTARTED  # of the last worker that has died unasked
        self.farewell: Optional[Farewell] = None  # of the worker that is to end
        self.why = ""
        self.ending = False  # the session ends with its worker
        self.ended = False
        self.listener.setblocking(False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, self._welcome)
        self._prepare_signals()
        self._give_birth()

    def run(self) -> None:
        """Until the session ends."""
        while not self.ended:
            ready = self.selector.select(self._timeout())
            if self.wanted:
                self.last_heard = time.monotonic()  # it wasn't idle until now
            if self._sigterms:
                self._take_signals()  # before a question is answered that came together with one
            for key, events in ready:
                if not self.ended:  # by a signal that came in between
                    key.data(events)
            if self.alive:
                self.attention.hold_or_listen()
            self._answer_pulls()
            self._look_at_clock()

    # what it is there for

    @property
    def held(self) -> bool:
        """Whether the link that it serves is open."""
        return any(visitor.epoch == self.hold.epoch for visitor in self.visitors) and self.hold.epoch > 0

    @property
    def wanted(self) -> bool:
        """Whether the session goes on however long it takes: something runs, or somebody holds it."""
        return bool(self.requests.open) or self.held

    def hear(self) -> None:
        """Who holds the session has asked for something: the time until it would end begins anew."""
        self.last_heard = time.monotonic()

    # signals and time

    def _prepare_signals(self) -> None:
        self._sigterms = 0
        self._wakeup = socket.socketpair()
        reader, writer = self._wakeup
        for end in self._wakeup:
            end.setblocking(False)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGINT, lambda *_: None)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGCHLD, lambda *_: None)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self.selector.register(reader, selectors.EVENT_READ, self._on_signal)

    def _on_sigterm(self, *_: object) -> None:
        self._sigterms += 1  # the loop wakes up by it

    def _on_signal(self, _events: int) -> None:
        try:
            self._wakeup[0].recv(512)
        except BlockingIOError:
            pass
        self._take_signals()

    def _take_signals(self) -> None:
        sigterms, self._sigterms = self._sigterms, 0
        for _ in range(sigterms):
            self.say_farewell("SIGTERM came")
        self._reap()

    def _wake(self) -> None:
        """As a signal does; from any thread."""
        try:
            self._wakeup[1].send(b"!")
        except OSError:  # it is full, so that the loop wakes up anyway
            pass

    def _timeout(self) -> float:
        now = time.monotonic()
        times = [now + 60.0]
        waiting = [visitor.pull for visitor in self.visitors if visitor.pull]
        times += [long_poll.due(pull, self.journal, self.last_plain, now, self.speed.measuring) for pull in waiting]
        if self.alive and self.attention.nap_until:
            times.append(self.attention.nap_until)
        if self.farewell is not None:
            times.append(self.farewell.due)
        if self.next_birth is not None:
            times.append(self.next_birth)
        if not (self.ending or self.wanted):
            times.append(self._idle_until())
        return max(0.0, min(times) - now)

    def _idle_until(self) -> float:
        """When the session ends if it stays idle and nobody comes."""
        return self.last_heard + (max(self.keep, MIN_KEEP) if self.hold.epoch else FIRST_KEEP)

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        if self.alive:
            self.attention.look_at_clock(now)
            if self.child.restarts and self.farewell is None and self.requests.cell is None:
                self._say_farewell_to_worker()
        if self.farewell is not None and now >= self.farewell.due:
            if not self.farewell.late:
                self._say_late(self.farewell.seconds)
            self.farewell.step(now)
        if self.next_birth is not None and now >= self.next_birth:
            self._give_birth()
        if not (self.ending or self.wanted) and now >= self._idle_until():
            self.say_farewell("nobody came for %.0f s while it was idle" % (now - self.last_heard))

    # brokers

    def _welcome(self, _events: int) -> None:
        try:
            sock, _address = self.listener.accept()
            visitor = Visitor(sock, self.key)
        except OSError:
            return
        self.visitors.append(visitor)
        self.selector.register(sock, selectors.EVENT_READ, lambda events: self._serve(visitor, events))

    def _serve(self, visitor: Visitor, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            visitor.outgoing.flush()
        if events & selectors.EVENT_READ:
            try:
                for packet in visitor.receive():
                    self.operations.answer(visitor, packet)
            except (EOFError, Refused):
                self._take_leave(visitor)
                return
        self._watch(visitor.socket, bool(visitor.outgoing))

    def _take_leave(self, visitor: Visitor) -> None:
        self.visitors.remove(visitor)
        self.selector.unregister(visitor.socket)
        visitor.socket.close()
        self.journal.listening = self.held

    def _watch(self, sock: socket.socket, also_write: bool) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if also_write else 0)
        key = self.selector.get_key(sock)
        if key.events != wanted:
            self.selector.modify(sock, wanted, key.data)

    def _answer_pulls(self) -> None:
        now = time.monotonic()
        for visitor in self.visitors:
            pull = visitor.pull
            if pull is None or long_poll.due(pull, self.journal, self.last_plain, now, self.speed.measuring) > now:
                continue
            if self.journal.unsent and not self.journal.urgent:
                self.last_plain = now
            first, packets = self.journal.take(pull.max_bytes)
            if self.journal.picture_sent:
                self.speed.left(first + len(packets) - 1, self.journal.sent_bytes, pull.rtt, now)
            visitor.answer(wire.pack({"first": first, "epoch": self.hold.epoch}, packets))
            self._watch(visitor.socket, bool(visitor.outgoing))

    # for the operations

    def welcome_link(self, visitor: Visitor, acked: int) -> None:
        """A link begins, which has the messages up to ``acked``; pulls of those before it end."""
        for other in self.visitors:
            if other.pull:
                try:
                    self.hold.check(other.epoch, time.monotonic())
                except Stale as stale:
                    other.answer(wire.pack(stale.answer))
                    self._watch(other.socket, bool(other.outgoing))
        self.journal.acknowledge(acked)
        self.journal.rewind()
        self.speed = Speed()
        self.note_speed()
        self.last_plain = 0.0
        self.listen_to(visitor)
        self.hear()

    def listen_to(self, visitor: Visitor) -> None:
        """The present link comes by this visitor: while that is there, somebody listens."""
        visitor.epoch = self.hold.epoch
        self.journal.listening = True

    def note_speed(self) -> None:
        """What the link carries is known, as far as that can be: to the worker, which makes its pictures so large."""
        if self.alive:
            self.child.tell_speed(self.speed.bytes_per_second)
        self.journal.ahead = self.speed.ahead

    def take(self, request: Request, deaths_known: object) -> None:
        """Hand a request to the worker, or to the next one.

        :param deaths_known: of how many the kernel knew that has sent it, if it says so: a cell that was sent before
            anybody could know that its variables are gone is answered with an error that says so
        """
        if isinstance(deaths_known, int) and deaths_known < self.requests.deaths:
            exits.answer(self.journal, self.requests, request, self.last_end)
        elif self.alive and self.farewell is None:
            self.child.send(request.number, request.packet)
            self.attention.update()

    def interrupt(self, request: Request) -> None:
        """Interrupt a request, whose worker may not have begun."""
        if self.alive and (self.farewell is None or request.number <= self.farewell.last):
            self.child.interrupt(request.number)
            self.attention.update()
        else:
            exits.answer_stopped(self.journal, self.requests, request)

    def restart(self) -> None:
        """End the worker in order, and begin another; asked again meanwhile, end it at once."""
        now = time.monotonic()
        if self.farewell is not None:
            self.farewell.at_once(now)
        elif self.alive:
            self._say_farewell_to_worker()
        elif not self.ending:
            exits.report(self.journal, self.requests, exits.RESTARTED, self.requests.open.values())
            self.stillbirths = 0
            self._give_birth()

    def say_farewell(self, why: str) -> None:
        """End the session, in order; asked again meanwhile, at once."""
        self.why = self.why or why
        if not self.alive:
            self.ended = True
        elif self.farewell is None:
            self._say_farewell_to_worker()
        elif self.ending:
            self.farewell.at_once(time.monotonic())
        self.ending = True

    def _say_farewell_to_worker(self) -> None:
        seconds = float(self.config.get("farewell", SECONDS))
        self.farewell = Farewell(self.child, self.requests.accepted, time.monotonic(), seconds)
        self.attention.update()

    def _say_late(self, seconds: float) -> None:
        text = "This Python did not end within %g s, and is ended by force.\n" % seconds
        self.log.write(text.rstrip())
        self.journal.add_text("stderr", self.requests.foreign_parent, text.encode("ascii"))

    # the worker

    def _give_birth(self) -> None:
        self.next_birth = None
        try:
            self.child = self._make_child()
        except OSError as error:  # no memory, or too many processes or files
            text = "could not be started: %s" % (error.strerror or error)
            self.log.write("a worker " + text)
            self._mourn({"code": error.errno, "text": text, "stillborn": True}, True)
            return
        self.alive = True
        self.attention = Attention(self.child, self.journal, self.selector)
        for request in list(self.requests.open.values()):
            self.child.send(request.number, request.packet)

    def _make_child(self) -> Child:
        if self.config.get("worker") == "spawn":
            from .worker.spawned import SpawnedChild

            return SpawnedChild(self.journal, self.requests, self.config, self.agent, self._wake)
        from .worker.forked import ForkedChild

        return ForkedChild(self.journal, self.requests, self._become_worker)

    def _become_worker(self, sock: socket.socket, outgoing: int, pipes: Any, page: Any) -> None:
        """In the forked child: drop what is the keeper's, and run cells for the rest of its life."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        self.selector.close()
        self.listener.close()
        if self.watcher:
            self.watcher.close()
        for end in self._wakeup:
            end.close()
        for visitor in self.visitors:
            visitor.socket.close()
        self.visitors.clear()
        self.journal.close()
        from ..worker.io.forked import ForkedWay
        from ..worker.main import main

        main(ForkedWay(sock, outgoing, pipes, page), self.config)

    def _reap(self) -> None:
        status = self.child.reap() if self.alive else None
        if status is None:
            return
        self.child.gone = True
        self.alive = False
        self.attention.update()
        self.child.kill()  # what else was in its group
        self.child.close()
        farewell, self.farewell = self.farewell, None
        if self.ended or self.ending:
            self.ended = True
            return
        stillborn = not self.child.ready
        if farewell is None and not self.child.restarts:
            end = exits.describe_end(status, self.child.why, stillborn)
            self.log.write("the worker %d %s" % (self.child.pid, end["text"]))
            self._mourn(end, stillborn)
            return
        self.log.write("the worker %d was restarted" % self.child.pid)
        lost = self.requests.lost() if farewell is None or self.child.restarts else self.requests.until(farewell.last)
        exits.report(self.journal, self.requests, exits.RESTARTED, lost)
        self.stillbirths = 0
        self._give_birth()

    def _mourn(self, end: Json, stillborn: bool) -> None:
        """A worker has died unasked: its requests are answered, and another begins.

        One that dies before it can run a cell, again and again, must not burn the board.
        """
        self.requests.deaths += 1
        self.last_end = end
        self.stillbirths = self.stillbirths + 1 if stillborn else 0
        exits.report(self.journal, self.requests, end, self.requests.open.values(), tell=self.stillbirths <= 1)
        if stillborn:
            self.next_birth = time.monotonic() + min(0.1 * 2**self.stillbirths, MAX_PAUSE)
        else:
            self._give_birth()
