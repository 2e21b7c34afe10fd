"""The keeper's loop: a selector, the brokers' sockets, and the worker's output. It never waits anywhere else.

There is no thread where workers are forked, so that the loop may do that at any time. Everything that is decided, the
`Session` decides.
"""

from __future__ import annotations

import selectors
import signal
import socket
import time

from ..local_socket import PeerConnection, Refused
from .handlers import Handlers
from .outbox.journal import open_journal
from .session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from ..boot import Agent
    from ..memory_limit import MemoryGroup
    from .guards import Guards
    from .log import Log
    from .outbox.journal import Journal
    from .worker.forked import Page
    from .worker.process import WorkerProcess
    from .worker.reaper import Reaper

    Json = Dict[str, Any]

NAP_S = 0.002  #: between two looks at a worker that prints a lot: waking the keeper costs it more than printing
FLOOD_FRAMES = 6  #: so many frames of text at once are a lot


class Keeper:
    """Keeps one session.

    Args:
        listener: Where brokers connect.
        key: The session's key.
        config: See `keeper.main.main`.
        agent: Given to a worker that isn't forked.
        log: The session's log.
        reaper: Ends what is left if this process is killed; None where the worker does that itself.

    Attributes:
        session: What the keeper knows.
    """

    def __init__(
        self, listener: socket.socket, key: bytes, config: Json, agent: Agent, log: Log, reaper: Optional[Reaper]
    ) -> None:
        self._listener = listener
        self._key = key
        self._config = config
        self._agent = agent
        self._reaper = reaper
        self.session = Session(open_journal(config), config, log.write, time.monotonic())
        self._handlers = Handlers(self.session)
        self._peers: List[PeerConnection] = []
        self._worker: Optional[WorkerProcess] = None
        self._backpressure: Optional[Backpressure] = None  # on that worker
        self._memory: Optional[MemoryGroup] = None
        self._guards: Optional[Guards] = None
        if config.get("memory"):
            from ..memory_limit import MemoryGroup  # late: few servers bound it

            self._memory = MemoryGroup.below(config["session"])
        self._sigterms = 0
        self._wakeup = socket.socketpair()
        listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._welcome)
        self._selector.register(self._wakeup[0], selectors.EVENT_READ, self._on_wakeup)
        self._prepare_signals()

    def run(self) -> None:
        """Serve the session until it ends."""
        session = self.session
        while not session.closed:
            now = time.monotonic()
            if session.birth_due is not None and now >= session.birth_due:
                self._start_worker(now)
                continue
            ready = self._selector.select(max(0.0, self._due(now) - now))
            session.wake(time.monotonic())
            if self._sigterms:
                self._take_signals()  # before a question is answered that came together with one
            for key, events in ready:
                if not session.closed:  # by a signal that came in between
                    key.data(events)
            now = time.monotonic()
            if self._backpressure is not None:
                self._backpressure.advance(now)
            if self._worker is not None and self._worker.stops:
                self._follow_guards(self._worker, now)
            session.advance(now)
            if self._backpressure is not None:
                self._backpressure.watch_outgoing()
            for peer in self._peers:
                self._watch(peer)
        if self._memory is not None:
            self._memory.remove()

    def _due(self, now: float) -> float:
        due = self.session.due(now)
        if self._backpressure is not None and self._backpressure.nap_until:
            due = min(due, self._backpressure.nap_until)
        return due

    # signals

    def _prepare_signals(self) -> None:
        for end in self._wakeup:
            end.setblocking(False)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGINT, lambda *_: None)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGCHLD, lambda *_: None)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.set_wakeup_fd(self._wakeup[1].fileno(), warn_on_full_buffer=False)

    def _on_sigterm(self, *_: object) -> None:
        self._sigterms += 1  # the loop wakes up by it

    def _on_wakeup(self, _events: int) -> None:
        try:
            self._wakeup[0].recv(512)
        except BlockingIOError:
            pass
        self._take_signals()

    def _take_signals(self) -> None:
        now = time.monotonic()
        sigterms, self._sigterms = self._sigterms, 0
        for _ in range(sigterms):
            self.session.close("SIGTERM came", now)
        self._reap(now)

    def _wake(self) -> None:
        """Wake the loop, as a signal does; from any thread."""
        try:
            self._wakeup[1].send(b"!")
        except OSError:  # it is full, so that the loop wakes up anyway
            pass

    # brokers

    def _welcome(self, _events: int) -> None:
        try:
            sock, _address = self._listener.accept()
            peer = PeerConnection(sock, self._key)
        except OSError:
            return
        self._peers.append(peer)
        self._selector.register(sock, selectors.EVENT_READ, lambda events: self._serve(peer, events))

    def _serve(self, peer: PeerConnection, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            peer.outgoing.flush()
        if events & selectors.EVENT_READ:
            try:
                for packet in peer.receive():
                    self._handlers.answer(peer, packet, time.monotonic())
            except (EOFError, Refused):
                self._peers.remove(peer)
                self._selector.unregister(peer.socket)
                peer.socket.close()
                self.session.lose(peer)

    def _watch(self, peer: PeerConnection) -> None:
        """Wait for room in a peer's socket exactly as long as an answer waits for it."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.outgoing else 0)
        key = self._selector.get_key(peer.socket)
        if key.events != wanted:
            self._selector.modify(peer.socket, wanted, key.data)

    # the worker

    def _start_worker(self, now: float) -> None:
        try:
            worker = self._make_worker()
        except OSError as error:
            self.session.worker_failed(error, now)
            return
        self._worker = worker
        self.session.worker_started(worker)
        self._backpressure = Backpressure(worker, self.session.journal, self._selector)

    def _make_worker(self) -> WorkerProcess:
        journal, requests = self.session.journal, self.session.requests
        if self._config.get("worker") == "spawn":
            from .worker.spawned import SpawnedWorker

            return SpawnedWorker(journal, requests, self._config, self._agent, self._wake)
        from .worker.forked import ForkedWorker

        return ForkedWorker(journal, requests, self._become_worker)

    def _become_worker(self, sock: socket.socket, outgoing: int, pipes: Tuple[int, int], page: Page) -> None:
        """In the forked child: drop what is the keeper's, and run cells for the rest of its life."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        self._selector.close()
        self._listener.close()
        if self._reaper:
            self._reaper.close()
        for end in self._wakeup:
            end.close()
        if self._guards is not None:
            self._guards.close()
        for peer in self._peers:
            peer.socket.close()
        self._peers.clear()
        self.session.peers.clear()
        self.session.pulls.clear()
        self.session.journal.close()
        from ..worker.io.keeper_channel import ForkedChannel
        from ..worker.main import main

        main(ForkedChannel(sock, outgoing, pipes, page), self._config)

    def _follow_guards(self, worker: WorkerProcess, now: float) -> None:
        if self._guards is None:
            from .guards import Guards  # late: few sessions have functions for a safe stop

            self._guards = Guards(self.session, self._selector)
        self._guards.follow(worker, now)

    def _reap(self, now: float) -> None:
        worker = self._worker
        code = worker.reap() if worker is not None else None
        if worker is None or code is None:
            return
        worker.gone = True
        if self._memory is not None and self._memory.has_killed():
            worker.cause = self._memory.KILLED % (self._config["memory"] >> 20)
        if self._backpressure is not None:
            self._backpressure.end()
        self._worker = self._backpressure = None
        if worker.stops:
            self._follow_guards(worker, now)
        if self._guards is not None:
            self._guards.worker_ended()
        worker.kill()  # what else was in its group
        worker.close()
        self.session.worker_exited(code, now)


class Backpressure:
    """Reads the output of one worker when that is wanted, and so holds the worker back.

    Nothing is read while the journal is full, nor is each line of a flood.

    Attributes:
        nap_until: The time of the next look; 0 while each line wakes the keeper.
    """

    def __init__(self, worker: WorkerProcess, journal: Journal, selector: selectors.BaseSelector) -> None:
        self._worker = worker
        self._journal = journal
        self._selector = selector
        self._listening = True
        self._writing = False  # whether the selector waits until the worker takes more
        self.nap_until = 0.0
        self._update()

    def advance(self, now: float) -> None:
        """Stop reading when the journal has become full, go on when it has room; end a nap whose time is over."""
        listen = not self._journal.full
        if listen != self._listening:
            self._listening = listen
            self._update()
            if listen:
                self._read()
        if self.nap_until and now >= self.nap_until:
            self.nap_until = 0.0
            if self._listening:
                self._read()

    def watch_outgoing(self) -> None:
        """Wait for room in the worker's socket exactly as long as a request waits for it."""
        if bool(self._worker.outgoing) != self._writing:
            self._update()

    def end(self) -> None:
        """The worker has ended: let the selector forget what is about to be closed."""
        for fileobj, _wanted in self._worker.watched(0):
            if fileobj in self._selector.get_map():
                self._selector.unregister(fileobj)

    def _update(self) -> None:
        """Let the selector look at what is wanted now."""
        self._writing = bool(self._worker.outgoing)
        listening = self._listening and not self.nap_until and not self._worker.gone
        for fileobj, wanted in self._worker.watched(selectors.EVENT_READ if listening else 0):
            known = self._selector.get_map().get(fileobj)
            if not wanted:
                if known:
                    self._selector.unregister(fileobj)
            elif not known:
                self._selector.register(fileobj, wanted, self._on_ready)
            elif known.events != wanted:
                self._selector.modify(fileobj, wanted, self._on_ready)

    def _on_ready(self, events: int) -> None:
        if self._worker.gone:  # reaped just now, by a signal that came together with this
            return
        if events & selectors.EVENT_WRITE:
            self._worker.outgoing.flush()
        if self._listening and not self.nap_until:
            self._read()

    def _read(self) -> None:
        self._worker.read()
        self.nap_until = time.monotonic() + NAP_S if self._worker.flood >= FLOOD_FRAMES else 0.0
        self._update()
