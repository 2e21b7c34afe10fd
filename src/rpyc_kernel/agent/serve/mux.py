"""Several connections in one pair of byte streams, such as a program's stdin and stdout. Both ends use this module.

A frame is ``!BII`` (kind, number of the connection, a number) and, where the kind is DATA, as many bytes as the last
number says. Of each connection at most `WINDOW_BYTES` are under way that its reader has not taken, so that one whose
reader is slow holds up no other. Whoever reads or writes here sees an ordinary socket, the other end of a pair. CLOSE
ends a connection; END, where both ends know halves, only what one of them sends, as TCP has it.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Deque, Dict, List, Optional, Set, Tuple

OPEN, DATA, CREDIT, CLOSE, PING, PONG, END = range(1, 8)
HEADER = struct.Struct("!BII")
MAX_DATA_BYTES = 64 << 10  #: in one frame
WINDOW_BYTES = 1 << 20  #: of one connection, on the way or not taken yet
MAX_CONNECTIONS = 64
PING_INTERVAL_S = 15.0  #: so often an end that has nothing to say gives a sign of life
READ_BYTES = 256 << 10
_PONG = HEADER.pack(PONG, 0, 0)


class MuxError(ValueError):
    """The other end has sent something that it never sends."""


class FrameReader:
    """Takes bytes as they come, and gives frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> List[Tuple[int, int, int, bytes]]:
        """Return the frames that are complete with these bytes: kind, connection, number and data. Raises MuxError."""
        self._data += data
        frames = []
        start = 0
        while len(self._data) - start >= HEADER.size:
            kind, channel, number = HEADER.unpack_from(self._data, start)
            if not OPEN <= kind <= END or (kind == DATA and number > MAX_DATA_BYTES):
                raise MuxError("a frame of the kind %d with %d bytes" % (kind, number))
            end = start + HEADER.size + (number if kind == DATA else 0)
            if end > len(self._data):
                break
            frames.append((kind, channel, number, bytes(self._data[start + HEADER.size : end])))
            start = end
        del self._data[:start]
        return frames


class _Channel:
    """One connection.

    Attributes:
        sock: Our end of the pair.
        credit: How many bytes may be sent.
        backlog: What has come and the socket didn't take yet.
        taken: How many bytes the socket has taken that the other end doesn't know of.
        closed: Whether the other end has closed the connection.
        ended: Whether nothing more is sent, which the other end was told.
        ends: Whether the other end sends nothing more.
        events: What the selector looks for.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.credit = WINDOW_BYTES
        self.backlog: Deque[bytes] = deque()
        self.waiting = 0  # bytes in the backlog
        self.taken = 0
        self.closed = self.ended = self.ends = False
        self.events = 0


class Mux:
    """One end. Two threads belong to it: one runs `read`, the other `write`; the rest is for any thread.

    Args:
        receive: Returns the next bytes of the stream that comes in, ``b""`` at its end.
        send: Writes all bytes that it is given to the stream that goes out.
        accept: Is given the socket of each connection that the other end opens; without it, none may be opened.
        linger: After so many seconds without a connection, about, it ends by itself; None: never.
        halves: Whether a connection that was shut down for writing may still be read, at both ends.
    """

    def __init__(
        self,
        receive: Callable[[], bytes],
        send: Callable[[bytes], None],
        accept: Optional[Callable[[socket.socket], None]] = None,
        linger: Optional[float] = None,
        halves: bool = False,
    ) -> None:
        self._halves = halves
        self.heard = time.monotonic()  #: when the other end was last heard of
        self._receive, self._send, self._accept = receive, send, accept
        self._lock = threading.Lock()
        self._channels: Dict[int, _Channel] = {}
        self._next = 1
        self._out: List[bytes] = []  # frames to be sent
        self._changed: Set[int] = set()  # connections whose events may be others now
        self._ended = False
        self._linger, self._unused_since = linger, time.monotonic()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ, 0)

    @property
    def connections(self) -> int:
        """How many are open."""
        with self._lock:
            return len(self._channels)

    def open(self) -> socket.socket:
        """Open a connection. Raises ConnectionError where the other end is gone."""
        with self._lock:
            if self._ended:
                raise ConnectionResetError
            number, self._next = self._next, self._next + 1
            ours = self._add(number)
            self._out.append(HEADER.pack(OPEN, number, 0))  # in the order of the numbers, whoever else opens one
        self._rouse()
        return ours

    def ping(self) -> None:
        """Ask the other end for a sign of life."""
        self._tell(PING)

    def end(self) -> None:
        """Close all connections. The thread of `write` ends; that of `read` once its stream does."""
        with self._lock:
            self._ended = True
        self._rouse()

    # --- what comes

    def read(self) -> None:
        """Take what comes, until it ends. Raises MuxError, OSError."""
        frames = FrameReader()
        try:
            while not self._ended:
                data = self._receive()
                if not data:
                    return
                self.heard = time.monotonic()
                for frame in frames.feed(data):
                    self._take(*frame)
        finally:
            self.end()

    def _take(self, kind: int, number: int, value: int, data: bytes) -> None:
        if kind == PING and _PONG not in self._out:
            self._tell(PONG)
        if kind == OPEN:
            self._open_for(number)
        with self._lock:
            channel = self._channels.get(number)
            if channel is None:  # closed here while this was on the way
                return
            if kind == CREDIT:
                channel.credit += value
                if channel.credit > WINDOW_BYTES:
                    raise MuxError("more is said to have been taken than was sent")
            elif kind == DATA:
                channel.waiting += len(data)
                if channel.waiting + channel.taken > WINDOW_BYTES:
                    raise MuxError("more was sent than may be under way")
                channel.backlog.append(data)
                if len(channel.backlog) == 1:
                    self._give(number, channel)
            elif kind == CLOSE:
                channel.closed = True
            elif kind == END:
                channel.ends = True
            self._changed.add(number)
        self._rouse()

    def _open_for(self, number: int) -> None:
        if self._accept is None:
            raise MuxError("the other end has opened a connection")
        with self._lock:
            if number < self._next:
                raise MuxError("a connection was opened twice")
            self._next = number + 1
            if len(self._channels) >= MAX_CONNECTIONS:
                raise MuxError("more than %d connections" % MAX_CONNECTIONS)
            theirs = self._add(number)
        self._accept(theirs)

    def _add(self, number: int) -> socket.socket:
        ours, theirs = socket.socketpair()
        self._channels[number] = _Channel(ours)
        self._changed.add(number)
        return theirs

    def _give(self, number: int, channel: _Channel) -> None:
        """Give the socket as much as it takes."""
        try:
            while channel.backlog:
                count = channel.sock.send(channel.backlog[0])
                channel.waiting -= count
                channel.taken += count
                if count == len(channel.backlog[0]):
                    channel.backlog.popleft()
                else:
                    channel.backlog[0] = channel.backlog[0][count:]
        except BlockingIOError:
            pass
        except OSError:  # nobody reads there any more; that it is closed shows where it is read
            channel.backlog.clear()
            if channel.ended:  # where nothing is read any more
                channel.closed = True
                self._out.append(HEADER.pack(CLOSE, number, 0))
        if channel.taken >= WINDOW_BYTES // 4:
            self._out.append(HEADER.pack(CREDIT, number, channel.taken))
            channel.taken = 0

    # --- what goes

    def _tell(self, kind: int, number: int = 0) -> None:
        with self._lock:
            self._out.append(HEADER.pack(kind, number, 0))
        self._rouse()

    def _rouse(self) -> None:
        try:
            self._wake.send(b"w")
        except OSError:  # it has been woken, or is gone
            pass

    def write(self) -> None:
        """Send what is to be sent, until the end. Raises OSError where nobody takes it any more."""
        sent = time.monotonic()
        try:
            while not self._ended:
                with self._lock:
                    if self._is_unused():
                        return
                    for number in self._changed:
                        self._look(number)
                    self._changed.clear()
                    frames, self._out = self._out, []
                if not frames and time.monotonic() - sent >= PING_INTERVAL_S:
                    frames = [HEADER.pack(PING, 0, 0)]
                if frames:
                    self._send(b"".join(frames))
                    sent = time.monotonic()
                    continue
                for key, mask in self._selector.select(PING_INTERVAL_S):
                    self._serve(key.data, mask)
        finally:
            self.end()
            self._close()

    def _is_unused(self) -> bool:
        """Tell whether it is to end because nobody has a connection. (It is the lock's holder who asks.)"""
        if self._channels or self._linger is None or time.monotonic() - self._unused_since < self._linger:
            return False
        self._ended = True
        return True

    def _serve(self, number: int, mask: int) -> None:
        if not number:
            try:
                while self._woken.recv(4096):
                    pass
            except BlockingIOError:
                return
            return
        with self._lock:
            channel = self._channels[number]
            self._changed.add(number)
            if mask & selectors.EVENT_WRITE:
                self._give(number, channel)
            if mask & selectors.EVENT_READ:
                self._carry(number, channel)

    def _carry(self, number: int, channel: _Channel) -> None:
        """Read what is to be sent."""
        try:
            data = channel.sock.recv(min(channel.credit, MAX_DATA_BYTES))
        except BlockingIOError:
            return
        except OSError:
            self._out.append(HEADER.pack(CLOSE, number, 0))
            self._drop(number)
            return
        if data:
            channel.credit -= len(data)
            self._out.append(HEADER.pack(DATA, number, len(data)) + data)
        elif self._halves:
            channel.ended = True
            self._out.append(HEADER.pack(END, number, 0))
        else:
            self._out.append(HEADER.pack(CLOSE, number, 0))
            self._drop(number)

    def _look(self, number: int) -> None:
        """Have the selector look for what a connection waits for."""
        channel = self._channels.get(number)
        if channel is None:
            return
        if not channel.backlog and (channel.closed or (channel.ends and channel.ended)):
            self._drop(number)
            return
        if channel.ends and not channel.backlog:
            _end(channel.sock)
        events = selectors.EVENT_WRITE if channel.backlog else 0
        if channel.credit and not (channel.closed or channel.ended):
            events |= selectors.EVENT_READ
        if events == channel.events:
            return
        if not channel.events:
            self._selector.register(channel.sock, events, number)
        elif not events:
            self._selector.unregister(channel.sock)
        else:
            self._selector.modify(channel.sock, events, number)
        channel.events = events

    def _drop(self, number: int) -> None:
        channel = self._channels.pop(number)
        if channel.events:
            self._selector.unregister(channel.sock)
        channel.sock.close()
        self._unused_since = time.monotonic()

    def _close(self) -> None:
        with self._lock:
            for number in list(self._channels):
                self._drop(number)
            self._selector.close()
            self._wake.close()
            self._woken.close()


def _end(sock: socket.socket) -> None:
    """Let whoever reads there know that nothing more comes. It may be called again."""
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:  # nobody reads there
        pass
