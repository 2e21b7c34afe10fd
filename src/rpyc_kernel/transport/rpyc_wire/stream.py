"""RPyC's frames over one connected socket: whole, bounded, and with deadlines.

A frame (``rpyc.core.channel`` of RPyC 4.1 to 6) is ``!LB`` (length of the body, 1 if zlib has packed it), the body, and
a newline. RPyC's own ``Channel`` and ``SocketStream`` believe the length, unpack without a bound, re-slice what is left
to send after every chunk (moving n bytes costs n²) and swallow timeouts; and neither side sets ``TCP_NODELAY``.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import threading
import zlib
from typing import TYPE_CHECKING

from rpyc_kernel.agent import wire
from rpyc_kernel.errors import (
    DialCancelledError,
    FrameTooLargeError,
    LinkLost,
    NoAnswerError,
    ProtocolError,
)
from rpyc_kernel.transport.deadline import POLL_INTERVAL_S
from rpyc_kernel.transport.sockets import MIN_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.deadline import Deadline

MAX_FRAME_BYTES = wire.MAX_IMAGE + 4 * 2**20  # of a body, both as it comes and unpacked: a picture travels whole
_HEADER = struct.Struct("!LB")
_END = b"\n"
_READ_BYTES = 64 * 2**10  # that one recv takes at most while the size of the frame is not known
_FIRST_BUFFER_BYTES = 2**20  # a frame's memory starts with this much and at most doubles with what has really come
_LONGEST_WAIT_S = POLL_INTERVAL_S if os.name == "nt" else None  # where shutdown() doesn't end what a thread waits for


def _is_timeout(error: OSError) -> bool:
    """Tell the end of ``settimeout`` from TCP giving the peer up, which is a TimeoutError too."""
    return isinstance(error, BlockingIOError) or (isinstance(error, TimeoutError) and error.errno is None)


class FrameStream:
    """Frames in and out of a connected socket, which it owns. For one thread; only `abort` is for any.

    A read that ended with NoAnswerError or DialCancelledError may be repeated: the bytes that had come are kept. After
    LinkLost or ProtocolError the stream is of no use any more.

    Attributes:
        address: Where the socket leads.
        limit: The largest body that is taken, in bytes.
        moved: How many bytes have come or gone.
    """

    def __init__(self, sock: socket.socket, address: Address, *, limit: int = MAX_FRAME_BYTES) -> None:
        self.address = address
        self.limit = limit
        self._socket = sock
        # Only an ssl.SSLSocket has this: how much it has decrypted that nobody took yet.
        self._pending: Callable[[], int] | None = getattr(sock, "pending", None)
        self._lock = threading.Lock()  # so that abort() never meets a number that close() has given back
        self._ended = ""  # why it can't be used any more, once it can't
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._start = self._end = 0  # the part of the buffer that was received and not used
        self._frame = bytearray()  # the frame that is coming in, if it began
        self._filled = self._size = 0  # how much of it has come; its whole size with the newline, 0 between frames
        self._packed = False
        self.moved = 0

    def fileno(self) -> int:
        """Return the socket's number, for selectors; -1 once closed."""
        return self._socket.fileno()

    @property
    def waiting(self) -> bool:
        """Whether bytes have come that were not read, of which the socket itself tells nothing."""
        return self._end > self._start or self._size > 0 or bool(self._pending and self._pending())

    @property
    def has_room(self) -> bool:
        """Whether the socket takes a few thousand bytes without waiting; False where that can't be told."""
        if self._pending or self._ended:  # TLS may have to read first
            return False
        with selectors.DefaultSelector() as selector, contextlib.suppress(OSError, ValueError):  # it is closed
            selector.register(self._socket, selectors.EVENT_WRITE)
            return bool(selector.select(0))
        return False

    @property
    def progress(self) -> int:
        """The number of bytes that have come of the frame that is being read."""
        return self._filled + self._end - self._start

    # --- the end

    def abort(self, reason: str = "it was given up here") -> None:
        """End whatever the owning thread does in here with LinkLost, at once. From any thread."""
        with self._lock:
            self._ended = self._ended or reason
            with contextlib.suppress(OSError):  # not connected any more, or closed
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, without asking or waiting. It may be called again."""
        self.abort("it was closed here")
        with self._lock:
            self._socket.close()

    def detach(self) -> tuple[socket.socket, bytes]:
        """Return the socket, which is the caller's from now on, and the bytes that have come and were not read."""
        return self._socket, bytes(self._buffer[self._start : self._end])

    def _lost(self, reason: str | OSError) -> LinkLost:
        if isinstance(reason, OSError):
            reason = reason.strerror or str(reason)
        with self._lock:
            self._ended = self._ended or reason
            return LinkLost(self.address, self._ended)

    def _set_timeout(self, deadline: Deadline) -> None:
        seconds = deadline.slice(_LONGEST_WAIT_S)
        if self._pending and seconds is not None:
            seconds = max(seconds, MIN_TIMEOUT_S)
        self._socket.settimeout(seconds)

    # --- out

    def send(self, pieces: Iterable[bytes | bytearray | memoryview], deadline: Deadline) -> None:
        """Send one frame whose body is *pieces*, uncopied and unpacked.

        Raises:
            LinkLost: The connection broke, or the deadline passed before all of it was gone: half a frame ends a link.
        """
        views = [memoryview(piece).cast("B") for piece in pieces]
        size = sum(map(len, views))
        if size > 0xFFFFFFFF:
            raise ValueError("a frame holds less than 4 GiB")
        self.send_bytes([_HEADER.pack(size, 0), *views, _END], deadline)

    def send_bytes(self, pieces: Iterable[bytes | bytearray | memoryview], deadline: Deadline) -> None:
        """Send bytes as they are, uncopied where they are many. Raises LinkLost as `send` does."""
        views = [view for piece in pieces if len(view := memoryview(piece).cast("B"))]
        if sum(map(len, views)) < _READ_BYTES:
            views = [memoryview(b"".join(views))]
        while views:
            if self._ended:
                raise self._lost("")
            try:
                self._set_timeout(deadline)
                if hasattr(self._socket, "sendmsg") and not self._pending:
                    sent = self._socket.sendmsg(views[:16])
                else:
                    sent = self._socket.send(views[0])
            except OSError as error:
                if not _is_timeout(error):
                    raise self._lost(error) from None
                if deadline.cancelled or deadline.expired:
                    raise self._lost("the other side takes nothing any more") from None
                continue
            self.moved += sent
            deadline.heard(sent)
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if sent:
                views[0] = views[0][sent:]

    # --- in

    def read(self, deadline: Deadline) -> bytes | bytearray:
        """Return the body of the next frame, unpacked.

        Raises:
            LinkLost: The connection broke.
            NoAnswerError: The deadline passed.
            DialCancelledError: The deadline's event was set.
            ProtocolError: It is no frame, or too long.
        """
        while not self._size:
            if self._end - self._start >= _HEADER.size:
                self._begin()
            else:
                self._receive_some(deadline)
        while self._filled < self._size:
            if self._filled == len(self._frame):
                self._frame += bytes(min(self._filled, self._size - self._filled))
            with memoryview(self._frame) as whole, whole[self._filled :] as rest:
                self._filled += self._receive(rest, deadline)
        frame, self._frame, self._size = self._frame, bytearray(), 0
        if frame.pop() != _END[0]:
            raise ProtocolError(self.address, "a frame that has no end", bytes(frame[:64]))
        return self._unpack(frame) if self._packed else frame

    def peek(self, deadline: Deadline) -> bytes:
        """Wait for the next byte, and return it; it is read again later. Raises as `read` does."""
        while self._end == self._start:
            self._receive_some(deadline)
        return bytes(self._buffer[self._start : self._start + 1])

    def read_into(self, into: memoryview, deadline: Deadline) -> None:
        """Fill a memoryview with the next bytes, which belong to no frame. Raises as `read` does."""
        while into:
            if self._start == self._end and len(into) >= _READ_BYTES:
                into = into[self._receive(into, deadline) :]
                continue
            if self._start == self._end:
                self._receive_some(deadline)
            count = min(self._end - self._start, len(into))
            into[:count] = self._buffer[self._start : self._start + count]
            self._start += count
            into = into[count:]

    def head(self) -> bytes:
        """Return up to 64 bytes that have come and were not understood, for a guess at who speaks there."""
        return bytes(self._buffer[self._start : min(self._end, self._start + 64)])

    def _receive_some(self, deadline: Deadline) -> None:
        if self._start:
            rest = bytes(self._buffer[self._start : self._end])
            self._buffer[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        self._end += self._receive(self._buffer[self._end :], deadline)

    def _begin(self) -> None:
        """Read the header of a frame, and take the part of its body that is in the buffer."""
        size, packed = _HEADER.unpack_from(self._buffer, self._start)
        if size > self.limit:
            raise FrameTooLargeError(self.address, size, self.limit, self.head())
        if packed not in (0, 1):
            raise ProtocolError(self.address, "a frame with a wrong header", self.head())
        self._start += _HEADER.size
        self._packed = bool(packed)
        self._size = size + len(_END)
        self._filled = min(self._size, self._end - self._start)
        self._frame = bytearray(min(self._size, _FIRST_BUFFER_BYTES))
        self._frame[: self._filled] = self._buffer[self._start : self._start + self._filled]
        self._start += self._filled

    def _receive(self, into: memoryview, deadline: Deadline) -> int:
        while True:
            if self._ended:
                raise self._lost("")
            if deadline.cancelled:
                raise DialCancelledError(self.address)
            try:
                self._set_timeout(deadline)
                received = self._socket.recv_into(into)
            except OSError as error:
                if not _is_timeout(error):
                    raise self._lost(error) from None
                if deadline.expired:
                    raise NoAnswerError(self.address, deadline.timeout or 0.0) from None
                continue
            if not received:
                raise self._lost("the server closed it")
            self.moved += received
            deadline.heard(received)
            return received

    def _unpack(self, frame: bytearray) -> bytes:
        unpacker = zlib.decompressobj()
        try:
            body = unpacker.decompress(frame, self.limit + 1)
        except zlib.error:
            raise ProtocolError(self.address, "a packed frame that cannot be unpacked") from None
        if len(body) > self.limit:
            raise FrameTooLargeError(self.address, None, self.limit)
        if not unpacker.eof or unpacker.unused_data:
            raise ProtocolError(self.address, "a packed frame that is cut off, or followed by something")
        return body
