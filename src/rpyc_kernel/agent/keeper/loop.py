"""The keeper: one selector loop between the brokers that come and go and the worker that runs the cells.

It has no thread, so that it may fork a worker at any time. What it knows stands in plain objects beside it: the
`Journal`, the `Requests`, the waiting `Pull`.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time

from .. import wire
from . import pulls
from .child import Child, describe_end
from .journal import Journal
from .requests import EXECUTE, Request, Requests
from .visitor import Refused, Visitor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    Json = Dict[str, Any]

JOURNAL_LIMIT = 8 << 20  #: bytes; above, the worker is held back
DEFAULT_KEEP = 24 * 3600.0  #: seconds that an idle session stays without a kernel
MIN_KEEP = 2.0  #: seconds between two pulls of a living kernel, at the most; so long lasts a session with keep=0
FIRST_KEEP = 60.0  #: seconds until the kernel that has started it must have attached
NAP = 0.002  #: seconds between two looks at a worker that prints a lot
FLOOD = 6  #: frames of text at once that are a lot
FAREWELL = 1.0  #: seconds that an idle worker has for its atexit functions
ANSWERED = frozenset([EXECUTE, "complete_request", "inspect_request", "comm_open", "comm_msg", "comm_close"])


class Stale(Exception):
    """The client that asks was followed by another."""


class Keeper:
    """Keeps one session.

    :param config: see `keeper.main.main`
    """

    def __init__(self, listener: socket.socket, key: bytes, record: Json, config: Json) -> None:
        self.listener = listener
        self.key = key
        self.record = record
        self.config = config
        self.journal = Journal(config.get("journal_limit", JOURNAL_LIMIT))
        self.requests = Requests()
        self.epoch = 0
        self.client, self.attempt = "", 0  # whose link it is, and the how many-th
        self.keep = float(config.get("keep", DEFAULT_KEEP))
        self.last_heard = time.monotonic()
        self.last_plain = 0.0
        self.visitors: List[Visitor] = []
        self.stillbirths = 0
        self.ending: Optional[float] = None  # the time at which a farewell is over
        self.ended = False
        self.listening_to_child = True
        self.nap_until = 0.0
        self.listener.setblocking(False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, self._welcome)
        self._prepare_signals()
        self._give_birth()
        self.operations: Dict[str, Callable[[Visitor, Json, List[memoryview]], Optional[Json]]] = {
            "attach": self._attach,
            "submit": self._submit,
            "pull": self._pull,
            "interrupt": self._interrupt,
            "terminate": self._terminate,
            "status": self._status,
        }

    def run(self) -> None:
        """Until the session ends."""
        while not self.ended:
            ready = self.selector.select(self._timeout())
            if self.requests.open or any(visitor.pull for visitor in self.visitors):
                self.last_heard = time.monotonic()  # it wasn't idle until now
            for key, events in ready:
                if not self.ended:  # by a signal that came in between
                    key.data(events)
            self._hold_or_listen()
            self._answer_pulls()
            self._look_at_clock()

    # signals and time

    def _prepare_signals(self) -> None:
        reader, writer = os.pipe()
        for fd in (reader, writer):
            os.set_blocking(fd, False)
        self._wakeup = (reader, writer)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.selector.register(reader, selectors.EVENT_READ, self._on_signal)

    def _on_sigterm(self, *_: object) -> None:
        self.ended = True
        self.child.kill()

    def _on_signal(self, _events: int) -> None:
        try:
            os.read(self._wakeup[0], 512)
        except BlockingIOError:
            pass
        self._reap()

    def _timeout(self) -> float:
        now = time.monotonic()
        times = [now + 60.0]
        waiting = [visitor.pull for visitor in self.visitors if visitor.pull]
        times += [pulls.due(pull, self.journal, self.last_plain, now) for pull in waiting]
        if self.nap_until:
            times.append(self.nap_until)
        if self.ending is not None:
            times.append(self.ending)
        elif not self.requests.open and not waiting:
            times.append(self._idle_until())
        return max(0.0, min(times) - now)

    def _idle_until(self) -> float:
        """When the session ends if it stays idle and nobody comes."""
        return self.last_heard + max(self.keep, MIN_KEEP if self.epoch else FIRST_KEEP)

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        if self.nap_until and now >= self.nap_until:
            self.nap_until = 0.0
            if self.listening_to_child:
                self._read_child()
        if self.ending is not None and now >= self.ending:
            self.child.kill()
        idle = self.ending is None and not self.requests.open
        if idle and not any(visitor.pull for visitor in self.visitors) and now >= self._idle_until():
            self._say_farewell()

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
                    self._operate(visitor, packet)
            except (EOFError, Refused):
                self.visitors.remove(visitor)
                self.selector.unregister(visitor.socket)
                visitor.socket.close()
                return
        self._watch(visitor.socket, bool(visitor.outgoing))

    def _watch(self, sock: socket.socket, also_write: bool) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if also_write else 0)
        key = self.selector.get_key(sock)
        if key.events != wanted:
            self.selector.modify(sock, wanted, key.data)

    def _operate(self, visitor: Visitor, packet: bytes) -> None:
        self.last_heard = time.monotonic()
        try:
            header, buffers = wire.unpack(packet)
            request, payload = wire.unpack(buffers[0])
            answer = self.operations[header["op"]](visitor, request, payload)
        except Stale:
            answer = {"error": "stale", "text": "another kernel has taken over this session"}
        except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            answer = {"error": "protocol", "text": "%s: %s" % (type(error).__name__, error)}
        if answer is not None:
            visitor.answer(wire.pack(answer))

    # operations

    def _check_epoch(self, request: Json) -> None:
        if request["epoch"] != self.epoch:
            raise Stale

    def _attach(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> Json:
        """A link begins: from here on it alone is served, and what it hasn't got is given out again."""
        acked = int(request.get("acked", 0))
        client, attempt = request.get("client", ""), int(request.get("attempt", 0))
        if client and client == self.client and attempt <= self.attempt:
            raise Stale  # it was delayed on its way, and a later one has come before it
        self.client, self.attempt = client, attempt
        self.epoch += 1
        for other in self.visitors:
            if other.pull:
                other.answer(wire.pack({"error": "stale", "text": "another link has taken over this session"}))
        self.journal.acknowledge(acked)
        self.journal.rewind()
        self.last_plain = 0.0
        return {
            "epoch": self.epoch,
            "accepted": self.requests.accepted,
            "acknowledged": self.journal.acknowledged,
            "open": [request.parent for request in self.requests.open.values()],
            "age": time.monotonic() - self.child.born,
        }

    def _submit(self, visitor: Visitor, request: Json, payload: List[memoryview]) -> Json:
        self._check_epoch(request)
        packet = bytes(payload[0])
        answered = request["type"] in ANSWERED
        taken = self.requests.accept(int(request["n"]), request["type"], request["parent"], packet, answered)
        if taken is not None:
            self.child.send(taken.number, packet)
            self._watch_child()
        return {"accepted": self.requests.accepted}

    def _pull(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> None:
        self._check_epoch(request)
        wait, rtt, max_bytes = float(request["wait"]), float(request["rtt"]), int(request["max_bytes"])
        if not (wait >= 0.0 and rtt >= 0.0):  # NaN would end in select()
            raise ValueError("a time that is no number")
        self.journal.acknowledge(int(request["acked"]))
        visitor.pull = pulls.Pull(time.monotonic() + min(wait, 30.0), max_bytes, rtt)

    def _answer_pulls(self) -> None:
        now = time.monotonic()
        for visitor in self.visitors:
            pull = visitor.pull
            if pull is None or pulls.due(pull, self.journal, self.last_plain, now) > now:
                continue
            if self.journal.unsent and not self.journal.urgent:
                self.last_plain = now
            first, packets = self.journal.take(pull.max_bytes)
            visitor.answer(wire.pack({"first": first, "epoch": self.epoch}, packets))
            self._watch(visitor.socket, bool(visitor.outgoing))

    def _interrupt(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> Json:
        self._check_epoch(request)
        meant = self.requests.named(request["parent"])
        if meant is not None:
            self.child.interrupt(meant.number)
        return {"delivered": meant is not None}

    def _terminate(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> Json:
        if "epoch" in request:
            self._check_epoch(request)
        self._say_farewell()
        return {"ended": True}

    def _status(self, visitor: Visitor, request: Json, _payload: List[memoryview]) -> Json:
        return {"busy": self.requests.cell is not None, "unread": len(self.journal.entries), "epoch": self.epoch}

    # the worker

    def _give_birth(self) -> None:
        self.child = Child(self.journal, self.requests, self._become_worker)
        self.listening_to_child = True
        self.nap_until = 0.0
        self._watch_child()
        for request in list(self.requests.open.values()):
            self.child.send(request.number, request.packet)

    def _become_worker(self, sock: socket.socket, outgoing: int, pipes: Any, page: Any) -> None:
        """In the forked child: drop what is the keeper's, and run cells for the rest of its life."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        self.selector.close()
        self.listener.close()
        for fd in self._wakeup:
            os.close(fd)
        for visitor in self.visitors:
            visitor.socket.close()
        self.visitors.clear()
        self.journal.entries.clear()
        from ..worker.main import main

        main(sock, outgoing, pipes, page, self.config)

    def _on_child(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self.child.outgoing.flush()
            self._watch_child()
        if self.listening_to_child and not self.nap_until:
            self._read_child()

    def _read_child(self) -> None:
        """Read what it gave; while it prints a lot, not after each line: waking us would cost it more than printing."""
        self.child.read()
        self.nap_until = time.monotonic() + NAP if self.child.flood >= FLOOD else 0.0
        self._watch_child()

    def _hold_or_listen(self) -> None:
        """Stop reading while the journal is full, which holds the worker back."""
        listen = not self.journal.full
        if listen != self.listening_to_child:
            self.listening_to_child = listen
            self._watch_child()
            if listen:
                self._read_child()

    def _watch_child(self) -> None:
        """Let the selector look at what we want of the worker now."""
        listening = self.listening_to_child and not self.nap_until and not self.child.gone
        reading = selectors.EVENT_READ if listening else 0
        writing = selectors.EVENT_WRITE if self.child.outgoing else 0
        watched = [(self.child.socket.fileno(), writing), *[(fd, reading) for fd in self.child.sources]]
        for fileobj, wanted in watched:
            known = self.selector.get_map().get(fileobj)
            if not wanted:
                if known:
                    self.selector.unregister(fileobj)
            elif not known:
                self.selector.register(fileobj, wanted, self._on_child)
            elif known.events != wanted:
                self.selector.modify(fileobj, wanted, self._on_child)

    def _say_farewell(self) -> None:
        """End the session: an idle worker may run its atexit functions, a busy one is killed."""
        if self.ending is None:
            self.ending = time.monotonic() + (FAREWELL if not self.requests.open else 0.0)
            self.child.end_input()

    def _reap(self) -> None:
        status = self.child.reap()
        if status is None:
            return
        self.child.gone = True
        self._watch_child()
        self.child.kill()  # what else was in its group
        self.child.close()
        if self.ended or self.ending is not None:
            self.ended = True
            return
        self._report_death(status)
        self._wait_between_deaths()
        self._give_birth()

    def _report_death(self, status: int) -> None:
        end = describe_end(status)
        lost = self.requests.lost()
        for request in lost:
            self.requests.end(request.number)
            self.journal.add_packet(_death_notice(request, end), True)
        if not any(request.type == EXECUTE for request in lost):
            notice = wire.Message("worker_died", end, self.requests.foreign_parent)
            self.journal.add_packet(notice.encode(), True)

    def _wait_between_deaths(self) -> None:
        """A worker that dies at birth, again and again, must not burn the board."""
        self.stillbirths = 0 if self.child.ready else self.stillbirths + 1
        if self.stillbirths:
            time.sleep(min(0.1 * 2**self.stillbirths, 5.0))


def _death_notice(request: Request, end: Json) -> bytes:
    reply = wire.reply_type(request.type)
    content = {"status": "error", "ename": "WorkerDied", "evalue": end["text"], "traceback": [], "end": end}
    return wire.Message(reply, content, request.parent).encode()
