"""A link that breaks on demand: a TCP proxy on this machine, driven by the test that has put it between two ends.

>>> with Proxy(server.port) as proxy:
...     client.good(f"%connect {proxy.address}")
...     proxy.cut()

One thread carries everything, so that a fault happens between two bytes and not somewhere around them. "Up" is from
whoever connects to the server, "down" is what the server says.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from tests.faults.pairs import FIN, PIECE, RST, How, Life, Pair, Way, reset, shut

_TIME_TO_CONNECT = 5.0  # seconds; the server is on this machine, and may be stopped

__all__ = ["FIN", "RST", "How", "Life", "Proxy"]


class Proxy:
    """A proxy to one port. A context manager: leaving it closes all of its sockets.

    Faults are methods, callable from any thread; each has happened, or has begun, when it returns.
    """

    def __init__(self, port: int, host: str = "127.0.0.1", *, listen_on: str = "127.0.0.1") -> None:
        self.target = (host, port)
        self.cuts = 0  # connections that were cut, of either kind
        self.accepted = 0
        self.lives: Iterator[Life] | None = None  # for each new connection the next; none left: it lives on
        self.delay = 0.0  # seconds that each byte takes on its way
        self.rate = 0.0  # bytes a second in each direction of each connection; 0: as fast as it goes
        self.bytewise = False  # hand on one byte at a time, each in a packet of its own
        self.down = 0  # bytes of all connections
        self.up = 0
        self._lock = threading.RLock()
        self._mute = False
        self._stalled_until = 0.0
        self._refused_until = 0.0
        self._pairs: set[Pair] = set()
        self._farewells: set[socket.socket] = set()  # told that it is the end; until they have said so as well
        self._selector = selectors.DefaultSelector()
        self._wakeup = socket.socketpair()
        self._wakeup[0].setblocking(False)
        self._selector.register(self._wakeup[0], selectors.EVENT_READ)
        self._place = (listen_on, 0)
        self._listener: socket.socket | None = None
        self._listen()
        self._closed = False
        self._watch()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._place[1]

    @property
    def address(self) -> str:
        return f"{self._place[0]}:{self._place[1]}"

    @property
    def connections(self) -> int:
        """How many are open and carry something."""
        with self._lock:
            return sum(not pair.mute for pair in self._pairs)

    # -- the faults

    def cut(self, how: How = RST) -> int:
        """End all connections now; those that come after are served. Returns how many there were."""
        with self._lock:
            pairs = [pair for pair in self._pairs if not pair.mute]
            for pair in pairs:
                self._cut(pair, how)
            return len(pairs)

    def blackhole(self) -> None:
        """Swallow whatever comes from either side, of old connections and new ones, and tell nobody."""
        with self._lock:
            self._mute = True
            for pair in self._pairs:
                pair.mute = True
                for way in pair.ways:
                    way.swallow()
            self._wake()

    def heal(self) -> None:
        """Serve new connections again. Those from before are lost for ever, as a router's are that was restarted."""
        with self._lock:
            self._mute = False

    def stall(self, seconds: float) -> None:
        """Carry nothing and take nobody for so long, then go on where it was. 0 ends it now."""
        with self._lock:
            self._stalled_until = time.monotonic() + seconds
            self._wake()

    def refuse(self, seconds: float) -> None:
        """Cut all, and refuse new connections for so long. 0 ends it now."""
        with self._lock:
            self._refused_until = time.monotonic() + seconds
            if seconds and self._listener is not None:
                self._forget(self._listener)
                self._listener.close()
                self._listener = None
            self.cut()
            self._wake()

    # -- the thread

    def _run(self) -> None:
        while True:
            ready = self._selector.select(self._until_next())
            with self._lock:
                if self._closed:
                    return
                for key, events in ready:
                    self._serve(key.fileobj, events)  # type: ignore[arg-type]
                self._let_go()
                if self._listener is None and time.monotonic() >= self._refused_until:
                    self._listen()
                self._watch()

    def _serve(self, sock: socket.socket, events: int) -> None:
        if sock is self._wakeup[0]:
            sock.recv(4096)
        elif sock is self._listener:
            self._accept()
        elif sock in self._farewells:
            self._hear_out(sock)
        else:
            pair = next((pair for pair in self._pairs if sock in pair.ends), None)
            if pair is not None and events & selectors.EVENT_READ:  # else it was cut a moment ago
                self._read(pair, pair.way_from(sock))

    def _accept(self) -> None:
        assert self._listener is not None
        client, _address = self._listener.accept()
        server = socket.socket()
        try:
            if not self._mute:
                server.settimeout(_TIME_TO_CONNECT)
                server.connect(self.target)
        except OSError:
            server.close()
            reset(client)
            return
        for sock in (client, server):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = Pair(client, server)
        pair.mute = self._mute
        self.accepted += 1
        life = next(self.lives, None) if self.lives is not None else None
        if life is not None:
            (pair.up if life.direction == "up" else pair.down).end = life
        self._pairs.add(pair)

    def _read(self, pair: Pair, way: Way) -> None:
        try:
            data = way.source.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            if pair.mute:
                way.no_more = True
            else:
                self._break(pair)
            return
        if pair.mute:
            way.no_more = not data
        else:
            way.take(data, time.monotonic() + self.delay)

    def _let_go(self) -> None:
        """Hand on what is due."""
        now = time.monotonic()
        if now < self._stalled_until:
            return
        for pair in list(self._pairs):
            for way in pair.ways:
                if pair in self._pairs and not pair.mute:
                    self._hand_on(pair, way, now)

    def _hand_on(self, pair: Pair, way: Way, now: float) -> None:
        while way.due(now):
            length = len(way.waiting[0][1])
            try:
                done = way.send(now, self.rate, 1 if self.bytewise else PIECE)
            except BlockingIOError:
                return
            except OSError:
                self._break(pair)
                return
            self.up += done if way is pair.up else 0
            self.down += done if way is pair.down else 0
            if way.end is not None and way.handed >= way.end.length:
                self._cut(pair, way.end.how)
                return
            if done < length:
                return
        if way.no_more and not way.waiting and not way.ended:
            way.ended = True
            shut(way.sink)
            if all(each.ended for each in pair.ways):
                self._drop(pair)
                for sock in pair.ends:
                    sock.close()

    def _hear_out(self, sock: socket.socket) -> None:
        """What still comes after a FIN of ours; closing at once would make it a RST."""
        try:
            if sock.recv(PIECE):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._farewells.discard(sock)
        self._forget(sock)
        sock.close()

    # -- what the thread waits for

    def _until_next(self) -> float | None:
        with self._lock:
            now = time.monotonic()
            times = [self._refused_until] if self._listener is None else []
            stalled = now < self._stalled_until
            if stalled:
                times.append(self._stalled_until)
            else:
                ways = [way for pair in self._pairs if not pair.mute for way in pair.ways if way.waiting]
                times += [max(way.waiting[0][0], now + 0.002 if self.rate else 0.0) for way in ways]
            times = [each for each in times if each > now]
            return min(times) - now if times else None

    def _watch(self) -> None:
        """Let the selector look at what can go on now."""
        now = time.monotonic()
        stalled = now < self._stalled_until
        wanted: dict[socket.socket, int] = dict.fromkeys(self._farewells, selectors.EVENT_READ)
        wanted[self._wakeup[0]] = selectors.EVENT_READ
        if self._listener is not None and not stalled:
            wanted[self._listener] = selectors.EVENT_READ
        for pair in self._pairs:
            for way in pair.ways:
                if way.wants_more and not stalled:
                    wanted[way.source] = wanted.get(way.source, 0) | selectors.EVENT_READ
                if way.due(now) and not stalled and not pair.mute and not self.rate:
                    wanted[way.sink] = wanted.get(way.sink, 0) | selectors.EVENT_WRITE
        known = self._selector.get_map()
        for key in list(known.values()):
            if key.fileobj not in wanted:
                self._selector.unregister(key.fileobj)
        for sock, events in wanted.items():
            key = known.get(sock)
            if key is None:
                self._selector.register(sock, events)
            elif key.events != events:
                self._selector.modify(sock, events)

    def _wake(self) -> None:
        try:
            self._wakeup[1].send(b"x")
        except BlockingIOError:
            pass

    # -- the ends

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self._place)
        listener.listen(128)
        listener.setblocking(False)
        self._place = listener.getsockname()
        self._listener = listener

    def _cut(self, pair: Pair, how: How) -> None:
        self._drop(pair)
        self.cuts += 1
        for sock in pair.ends:
            if how == RST:
                reset(sock)
            else:
                shut(sock)
                self._farewells.add(sock)
        self._wake()

    def _break(self, pair: Pair) -> None:
        """One end was reset: the other is told the same."""
        self._drop(pair)
        for sock in pair.ends:
            reset(sock)

    def _drop(self, pair: Pair) -> None:
        self._pairs.discard(pair)
        for sock in pair.ends:
            self._forget(sock)

    def _forget(self, sock: socket.socket) -> None:
        if sock in self._selector.get_map():
            self._selector.unregister(sock)

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._wake()
        self._thread.join(10.0)
        for pair in self._pairs:
            for sock in pair.ends:
                sock.close()
        for sock in (*self._farewells, *self._wakeup, self._listener):
            if sock is not None:
                sock.close()
        self._selector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
