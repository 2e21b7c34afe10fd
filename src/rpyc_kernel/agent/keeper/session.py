"""One session: its requests, its journal, its lease, its links, and the life of its worker.

Without I/O: times are arguments, in seconds of a clock that only goes forward. Peers and the worker are objects behind
two small interfaces; the journal alone may write to the disk. The loop reports events (`lose`, `worker_exited` …), the
handlers pass on what kernels ask for; `due` says when something has to be done, `advance` does it.

Two pulls are under way on one connection; the keeper sees one at a time. A message that somebody waits for (a reply, an
``input_request``) is given at once. All others go out in at most one answer a *pace*: so the other pull is still there
when something urgent comes, and a million prints don't become a million messages.
"""

from __future__ import annotations

from .. import frames, wire
from .lease import Lease, Stale
from .link_speed import LinkSpeed
from .requests import Requests
from .worker import exits
from .worker.ending import ORDERLY_END_S, WorkerEnding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Protocol

    from ..wire import Bytes
    from .outbox.journal import Journal
    from .requests import Request
    from .safe_stop import SafeStop
    from .worker.ending import Endable

    Json = Dict[str, Any]

    class Peer(Protocol):
        """A connection from a broker."""

        def answer(self, packet: bytes) -> None:
            """Answer the oldest question."""

    class Worker(Endable, Protocol):
        """The process that runs the cells: `worker.process.WorkerProcess`."""

        @property
        def pid(self) -> int: ...

        @property
        def ready(self) -> bool:
            """Whether it has said that it can run cells."""

        @property
        def restarts(self) -> bool:
            """Whether the code of a cell has asked for a fresh one."""

        @property
        def why(self) -> str:
            """Why it has ended, by its own words."""

        def send(self, number: int, packet: Bytes) -> None: ...
        def interrupt(self, number: int) -> None: ...
        def press(self) -> None: ...
        def take_press(self) -> bool: ...
        def tell_speed(self, carries: int) -> None: ...
        def say(self, word: int, number: int = 0) -> None: ...


DEFAULT_KEEP_S = 24 * 3600.0  #: an idle session stays so long without a kernel
MIN_KEEP_S = 2.0  #: any session stays so long, also with keep=0: its link may just have been replaced
FIRST_KEEP_S = 60.0  #: the kernel that has started the session must have attached by then
MAX_LOOK_S = 60.0  #: the loop looks at the clock at least so often
#: before the next worker, by how many in a row have died before they could run a cell
BIRTH_PAUSES_S = (0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
MIN_PACE_S, MAX_PACE_S = 0.02, 0.5  #: between two answers that nobody waits for
MIN_PICTURE_PACE_S = 0.005  #: the same where a picture is next: 60 a second are a video, and each is an answer


class Pull:
    """One pull that waits.

    Args:
        deadline: When it has to be answered, in seconds of the session's clock.
        max_bytes: Bytes of messages that one answer is to have, about.
        rtt: The round trip of the link, in seconds.
    """

    def __init__(self, deadline: float, max_bytes: int, rtt: float) -> None:
        self.deadline = deadline
        self.max_bytes = max_bytes
        self.rtt = rtt
        self.pace = min(max(rtt, MIN_PACE_S), MAX_PACE_S)
        self.picture_pace = min(max(rtt, MIN_PICTURE_PACE_S), MAX_PACE_S)


def due(pull: Pull, journal: Journal, last_plain: float, now: float, measuring: bool = False) -> float:
    """The time at which the pull is to be answered as things are; at or before ``now`` means at once.

    The acknowledgement of a picture comes with the next pull but one, and the server reads that only when this pull has
    its answer. Where an acknowledgement is waited for, the answer is given at once, though it may be empty.

    Args:
        pull: The pull.
        journal: The messages.
        last_plain: When the last answer went out that nobody waited for.
        now: The time.
        measuring: Whether the time until an acknowledgement is being taken.
    """
    if journal.urgent:
        return now
    if journal.picture_sent and (measuring or journal.held):
        return now
    if journal.held:
        return pull.deadline
    if journal.unsent_bytes >= pull.max_bytes:
        return now
    if journal.unsent:
        return min(last_plain + (pull.picture_pace if journal.picture_next else pull.pace), pull.deadline)
    return pull.deadline


class Session:
    """One session.

    Args:
        journal: The journal for the output of its workers.
        config: See `keeper.main.main`.
        note: Writes a line to the session's log.
        now: The time.

    Attributes:
        peers: The peers by which a link has come, each with the epoch of the last one.
        pulls: The pulls that wait for an answer, by their peers.
        worker: The worker, or None while there is none.
        birth_due: When the loop has to start the next worker; None while there is one.
        keep: Seconds that the session stays, idle and without a kernel.
        closing: Whether the session ends with its worker.
        closed: Whether the session has ended.
        why: The reason of its end.
    """

    def __init__(self, journal: Journal, config: Json, note: Callable[[str], None], now: float) -> None:
        self.journal = journal
        self.note = note
        self.requests = Requests()
        self.lease = Lease(now)
        self.speed = LinkSpeed()
        self.keep = float(config.get("keep", DEFAULT_KEEP_S))
        self.agent_version = str(config.get("agent", ""))
        self.born = self.last_heard = now
        self.peers: Dict[Peer, int] = {}
        self.pulls: Dict[Peer, Pull] = {}
        self.worker: Optional[Worker] = None
        self.birth_due: Optional[float] = now
        self.closing = self.closed = False
        self.why = ""
        self._orderly_end_s = float(config.get("farewell", ORDERLY_END_S))
        self._ending: Optional[WorkerEnding] = None
        self._stillbirths = 0  # in a row
        self._last_end: Json = exits.RESTARTED  # of the last worker that has died unasked
        self.stops: Optional[SafeStop] = None
        self._run_stops: Callable[[List[int]], None] = _nobody
        self._looked = now  # all that had come before was taken
        self._told_interval = 0.0  # of heartbeats, to the present link
        self._last_plain = 0.0  # when the last answer to a pull was given for which nobody waited

    # peers

    @property
    def held(self) -> bool:
        """Whether the link that is served is open."""
        return self.lease.epoch in self.peers.values()

    @property
    def wanted(self) -> bool:
        """Whether the session goes on however long it takes: a request is open, or a kernel holds it."""
        return bool(self.requests.open) or self.held

    def wake(self, now: float) -> None:
        """The loop goes on: a session that is wanted wasn't idle until now."""
        self._looked = now
        if self.wanted:
            self.last_heard = now

    def check(self, epoch: int, now: float) -> None:
        """Let the present link pass; the time until an idle session ends begins anew.

        Raises:
            Stale: Another link is served.
        """
        if not epoch == self.lease.epoch > 0:
            self.lease.check(epoch, now)
        self.last_heard = now

    def attach(self, peer: Peer, client: str, attempt: int, holder: str, take: bool, acked: int, now: float) -> None:
        """Begin a link, which has the messages up to ``acked``; pulls of the links before it end.

        Raises:
            Stale: See `Lease.attach`.
        """
        earlier = self.lease.holder
        if self.lease.attach(client, attempt, holder, take, now):
            self.note("taken over by %s (%s), epoch %d, from %s" % (holder, client, self.lease.epoch, earlier))
            self.requests.parts.clear()
        else:
            self.note("attached by %s (%s), epoch %d" % (holder, client, self.lease.epoch))
        for other in list(self.pulls):
            try:
                self.lease.check(self.peers[other], now)
            except Stale as stale:
                self.answer(other, wire.pack(stale.answer))
        self.journal.acknowledge(acked)
        self.journal.rewind()
        self.speed = LinkSpeed()
        self._last_plain = 0.0
        self._told_interval = 0.0
        self._tell_speed()
        self.follow(peer)
        self.last_heard = now

    def follow(self, peer: Peer) -> None:
        """The present link comes by this peer: as long as the peer stays, somebody listens."""
        self.peers[peer] = self.lease.epoch
        self.journal.listening = True

    def lose(self, peer: Peer) -> None:
        """A peer has gone."""
        self.peers.pop(peer, None)
        self.pulls.pop(peer, None)
        self.journal.listening = self.held

    def answer(self, peer: Peer, packet: bytes) -> None:
        """Answer the oldest question of a peer, and so its pull."""
        self.pulls.pop(peer, None)
        peer.answer(packet)

    def pull(self, peer: Peer, acked: int, pull: Pull, now: float) -> None:
        """A pull waits for messages; the kernel has those up to ``acked``."""
        self.journal.acknowledge(acked)
        if self.speed.waits_for:
            self.speed.arrived(acked, now)
            self._tell_speed()
        self.follow(peer)
        self.pulls[peer] = pull

    def _tell_speed(self) -> None:
        """The worker sizes its pictures by the speed of the link, and the journal how many may be under way."""
        if self.worker is not None:
            self.worker.tell_speed(self.speed.bytes_per_second)
        self.journal.ahead = self.speed.ahead

    def _pull_due(self, pull: Pull, now: float) -> float:
        if self._told_interval != self._interval:
            return now
        return due(pull, self.journal, self._last_plain, now, self.speed.waits_for > 0)

    def _answer_pulls(self, now: float) -> None:
        for peer, pull in list(self.pulls.items()):
            if self._pull_due(pull, now) > now:
                continue
            if self.journal.unsent and not self.journal.urgent:
                self._last_plain = now
            first, packets = self.journal.take(pull.max_bytes)
            if self.journal.picture_sent:
                self.speed.left(first + len(packets) - 1, self.journal.sent_bytes, pull.rtt, now)
            answer: Json = {"first": first, "epoch": self.lease.epoch}
            self._told_interval = self._interval
            if self._interval:
                answer["beat"] = self._interval
            self.answer(peer, wire.pack(answer, packets))

    # safe stops

    @property
    def _interval(self) -> float:
        return self.stops.interval if self.stops is not None else 0.0

    def register_stops(self, told: List[Json], run: Callable[[List[int]], None], now: float) -> None:
        """These are the worker's functions for a safe stop from now on.

        Args:
            told: What the worker says of them.
            run: Has those with these numbers run.
            now: The time.

        Raises:
            LookupError, TypeError, ValueError: They aren't described as they should be.
        """
        if self.stops is None:
            from .safe_stop import SafeStop  # late: few sessions have any

            self.stops = SafeStop()
        heard = self.stops.register(told, now)
        self._run_stops = run
        if heard and self.worker is not None:
            self.worker.say(frames.HEARD)

    def beat(self, client: str, now: float) -> None:
        """A heartbeat has come, from the kernel that has the session.

        Raises:
            Stale: Another one has it.
        """
        if client != self.lease.client:
            raise Stale
        self.last_heard = now
        if self.stops is not None and self.stops.beat(now) and self.worker is not None:
            self.worker.say(frames.HEARD)

    # requests

    def submit(self, request: Request, cell: Optional[Json]) -> None:
        """Hand a request that was accepted to the worker, or to the next one.

        Args:
            request: The request.
            cell: Of a cell the fields of its content that count here: ``silent``, ``store_history``,
                ``execution_count``, and ``deaths``, how many deaths of workers the kernel knew of. A cell that was
                sent before anybody could know that its variables are gone is answered with an error that says so.
        """
        if cell is not None:
            self.requests.count(request, cell)
            deaths_known = cell.get("deaths")
            if isinstance(deaths_known, int) and deaths_known < self.requests.deaths:
                exits.answer(self.journal, self.requests, request, self._last_end)
                return
        if self.worker is not None and self._ending is None:
            self.worker.send(request.number, request.packet)

    def interrupt(self, parent: str) -> bool:
        """Interrupt the request with that ``msg_id``, and return whether it was open; "" is a press beside requests."""
        if not parent:
            if self.stops is None or not self.stops.minds_presses or self.worker is None:
                return False
            self.worker.press()
            self.stops.press(self._looked)
            return True
        request = self.requests.named(parent)
        if request is None:
            return False
        if self.worker is not None and (self._ending is None or request.number <= self._ending.last):
            self.worker.interrupt(request.number)
            if self.stops is not None:
                self.stops.press(self._looked)
        else:  # its worker may not have begun
            exits.answer_stopped(self.journal, self.requests, request)
        return True

    # ends

    def restart(self, now: float) -> None:
        """End the worker in order, and begin another; asked again meanwhile, end it at once."""
        if self._ending is not None:
            self._ending.at_once(now)
        elif self.worker is not None:
            self._end_worker(now)
        elif not self.closing:
            exits.report(self.journal, self.requests, exits.RESTARTED, self.requests.open.values())
            self._stillbirths, self.birth_due = 0, now

    def close(self, why: str, now: float) -> None:
        """End the session, in order; asked again meanwhile, at once."""
        self.why = self.why or why
        if self.worker is None:
            self.closed = True
        elif self._ending is None:
            self._end_worker(now)
        elif self.closing:
            self._ending.at_once(now)
        self.closing = True

    def _end_worker(self, now: float) -> None:
        assert self.worker is not None
        self._ending = WorkerEnding(self.worker, self.requests.accepted, now, self._orderly_end_s)

    def _say_late(self) -> None:
        text = "This Python did not end within %g s, and is ended by force.\n" % self._orderly_end_s
        self.note(text.rstrip())
        self.journal.add_text("stderr", self.requests.foreign_parent, text.encode("ascii"))

    # the worker's life

    def worker_started(self, worker: Worker) -> None:
        """A worker has begun: it gets all that is open."""
        self.worker, self.birth_due = worker, None
        self._tell_speed()
        for request in list(self.requests.open.values()):
            worker.send(request.number, request.packet)

    def worker_failed(self, error: OSError, now: float) -> None:
        """No worker could be started: there is no memory, or there are too many processes or files."""
        text = "could not be started: %s" % (error.strerror or error)
        self.note("a worker " + text)
        self._mourn({"code": error.errno, "text": text, "stillborn": True}, now)

    def worker_exited(self, code: int, now: float) -> None:
        """The worker has ended with that exit code, negative for a signal; the journal has all that it had written."""
        worker, self.worker = self.worker, None
        ending, self._ending = self._ending, None
        assert worker is not None
        if self.closing:
            self.closed = True
        elif ending is None and not worker.restarts:
            end = exits.describe_end(code, worker.why, not worker.ready)
            self.note("the worker %d %s" % (worker.pid, end["text"]))
            self._mourn(end, now)
        else:
            self.note("the worker %d was restarted" % worker.pid)
            lost = self.requests.lost() if ending is None or worker.restarts else self.requests.until(ending.last)
            exits.report(self.journal, self.requests, exits.RESTARTED, lost)
            self._stillbirths, self.birth_due = 0, now

    def _mourn(self, end: Json, now: float) -> None:
        """A worker has died unasked: its requests are answered, and another begins.

        One that dies before it can run a cell, again and again, must not burn the board.
        """
        self.requests.deaths += 1
        self._last_end = end
        self._stillbirths = self._stillbirths + 1 if end.get("stillborn") else 0
        exits.report(self.journal, self.requests, end, self.requests.open.values(), tell=self._stillbirths <= 1)
        index = min(self._stillbirths, len(BIRTH_PAUSES_S) - 1)
        self.birth_due = now + BIRTH_PAUSES_S[index]

    # time

    def due(self, now: float) -> float:
        """When something has to be done, if nothing happens until then."""
        times = [now + MAX_LOOK_S]
        times += [self._pull_due(pull, now) for pull in self.pulls.values()]
        if self._ending is not None:
            times.append(self._ending.due)
        if self.birth_due is not None:
            times.append(self.birth_due)
        if not (self.closing or self.wanted):
            times.append(self._idle_until)
        if self.stops is not None:
            times.append(self.stops.due)
        return min(times)

    def advance(self, now: float) -> None:
        """Do everything whose time has come, but for starting a worker."""
        if self.stops is not None:
            self._run_stops(self.stops.take_silent(self._looked))
            if self.worker is not None:
                self._run_stops(self.stops.take_pressed(now, self.worker))
        self._answer_pulls(now)
        if self.worker is not None and self.worker.restarts and self._ending is None and self.requests.cell is None:
            self._end_worker(now)
        if self._ending is not None and now >= self._ending.due:
            if not self._ending.late:
                self._say_late()
            self._ending.step(now)
        if not (self.closing or self.wanted) and now >= self._idle_until:
            self.close("nobody came for %.0f s while it was idle" % (now - self.last_heard), now)

    @property
    def _idle_until(self) -> float:
        """When the session ends if it stays idle and nobody comes."""
        return self.last_heard + (max(self.keep, MIN_KEEP_S) if self.lease.epoch else FIRST_KEEP_S)


def _nobody(_ids: List[int]) -> None:
    """Until a worker has registered functions, there is nobody to run them."""
