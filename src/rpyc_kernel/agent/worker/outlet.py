"""The worker's one way out: frames on the socket to the keeper, each stamped and whole.

Text is sent line by line. An unfinished line waits for its end, for something else to be sent, or for
`PARTIAL_SECONDS`; meanwhile it lies in the page shared with the keeper, where a crash can't take it.
"""

from __future__ import annotations

import os
import threading

from .. import frames, wire
from .attribution import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Tuple

    from ..wire import Bytes
    from .interrupts import Interrupts

PARTIAL_SECONDS = 0.05
PIECE = 1 << 16  #: bytes of text in one frame


class Outlet:
    """Sends frames from any thread.

    :param pipes: the write ends behind fd 1 and fd 2
    :ivar cell: the number of the cell that runs, or ran last; what no request has started is attributed to it
    """

    def __init__(self, sock: socket.socket, pipes: Tuple[int, int], page: frames.Page, interrupts: Interrupts) -> None:
        self._socket = sock
        self._pipes = pipes
        self._page = page
        self._interrupts = interrupts
        self._lock = threading.RLock()
        self._main = threading.get_ident()
        self._partial = b""
        self._partial_kind = 0
        self._partial_request = 0
        self._armed = False
        self._alarm = os.pipe()
        for fd in self._alarm:
            os.set_blocking(fd, False)
        self.forked = False
        self.cell = 0
        os.register_at_fork(
            before=self._before_fork, after_in_parent=self._lock.release, after_in_child=self._after_fork_in_child
        )

    def write(self, kind: int, text: str) -> None:
        """Text that Python wrote to a stream; ``kind`` is `frames.STDOUT` or `frames.STDERR`."""
        data = wire.encode_text(text)
        if self.forked:
            _write_all(kind, data)
            return
        request = current.get() or self.cell
        main = threading.get_ident() == self._main
        if main:
            self._interrupts.depth += 1
        try:
            with self._lock:
                if self._partial:
                    if self._partial_kind == kind and self._partial_request == request:
                        data = self._partial + data
                    else:
                        self._send_partial()
                if "\n" in text or len(data) > frames.Page.PARTIAL_MAX:
                    self._send_text(kind, request, data)
                    if self._partial:
                        self._partial = b""
                        self._page.drop_partial()
                elif data:
                    self._partial, self._partial_kind, self._partial_request = data, kind, request
                    self._page.hold_partial(kind, request, data)
                    if not self._armed:
                        self._armed = True
                        self._ring()
        finally:
            if main:
                self._interrupts.leave()

    def send(self, kind: int, request: int, packet: bytes) -> None:
        """A finished message, after whatever was written before it."""
        if self.forked:
            return
        main = threading.get_ident() == self._main
        if main:
            self._interrupts.depth += 1
        try:
            with self._lock:
                if self._partial:
                    self._send_partial()
                self._send_frame(kind, request, packet)
        finally:
            if main:
                self._interrupts.leave()

    def flush(self) -> None:
        """Send an unfinished line as it is."""
        if not self._partial or self.forked:
            return
        main = threading.get_ident() == self._main
        if main:
            self._interrupts.depth += 1
        try:
            with self._lock:
                if self._partial:
                    self._send_partial()
        finally:
            if main:
                self._interrupts.leave()

    # the alarm that ends the wait of an unfinished line

    @property
    def alarm(self) -> int:
        """A descriptor that becomes readable when an unfinished line begins to wait."""
        return self._alarm[0]

    def disarm(self) -> None:
        """The alarm was seen, and its time is over."""
        try:
            os.read(self._alarm[0], 64)
        except BlockingIOError:
            pass
        self._armed = False
        self.flush()

    def _ring(self) -> None:
        try:
            os.write(self._alarm[1], b"!")
        except BlockingIOError:
            pass

    # under the lock

    def _send_partial(self) -> None:
        self._send_text(self._partial_kind, self._partial_request, self._partial)
        self._partial = b""
        self._page.drop_partial()

    def _send_text(self, kind: int, request: int, data: bytes) -> None:
        if len(data) <= PIECE:
            self._send_frame(kind, request, data)
            return
        rest: Bytes = memoryview(data)
        while rest:
            cut = wire.utf8_cut(rest, PIECE)
            self._send_frame(kind, request, rest[:cut])
            rest = rest[cut:]

    def _send_frame(self, kind: int, request: int, data: Bytes) -> None:
        out, err = self._page.counters
        out += frames.bytes_in_pipe(self._pipes[0])
        err += frames.bytes_in_pipe(self._pipes[1])
        self._socket.sendall(b"".join((frames.FRAME.pack(kind, request, len(data), out, err), data)))

    # fork

    def _before_fork(self) -> None:
        self.flush()
        self._lock.acquire()

    def _after_fork_in_child(self) -> None:
        """A child writes to the pipes, like any program; the socket is its parent's."""
        self._lock = threading.RLock()
        self.forked = True
        self._partial = b""
        self._socket.close()


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
