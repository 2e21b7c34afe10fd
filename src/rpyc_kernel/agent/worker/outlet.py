"""The worker's one way out: frames through a pipe to the keeper, each stamped and whole.

A line goes at once, so that nothing is lost in a crash. An unfinished line waits for its end, for something else to be
sent, or for `PARTIAL_SECONDS`; meanwhile it lies in the page shared with the keeper, where a crash can't take it.
(``print`` writes its text and its newline apart; a frame for each would cost half as much again.)
"""

from __future__ import annotations

import os
import threading

from .. import frames, wire
from .attribution import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple

    from .interrupts import Interrupts

PARTIAL_SECONDS = 0.05
PIECE = 1 << 16  #: bytes of text in one frame


class Whole:
    """Within it nothing else is sent, and the main thread, which creates it, is not interrupted."""

    __slots__ = ("_interrupts", "_main", "lock")

    def __init__(self, interrupts: Interrupts) -> None:
        self.lock = threading.RLock()
        self._interrupts = interrupts
        self._main = threading.get_ident()

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            self._interrupts.depth += 1
        self.lock.acquire()

    def __exit__(self, *exc: object) -> None:
        self.lock.release()
        if threading.get_ident() == self._main:
            self._interrupts.leave()


class Outlet:
    """Sends frames from any thread.

    :param fd: the pipe to the keeper
    :param pipes: the write ends behind fd 1 and fd 2
    :ivar whole: within it, several things are sent without an interrupt in between
    :ivar cell: the number of the cell that runs, or ran last; what no request has started is attributed to it
    """

    def __init__(self, fd: int, pipes: Tuple[int, int], page: frames.Page, interrupts: Interrupts) -> None:
        self._fd = fd
        self._pipes = pipes
        self._page = page
        self.whole = Whole(interrupts)
        self._partial = b""
        self._partial_kind = 0
        self._partial_request = 0
        self._armed = False
        self._alarm = os.pipe()
        self.forked = False
        self.cell = 0
        os.register_at_fork(
            before=self._before_fork, after_in_parent=self.whole.lock.release, after_in_child=self._after_fork_in_child
        )

    def write(self, kind: int, text: str) -> None:
        """Text that Python wrote to a stream; ``kind`` is `frames.STDOUT` or `frames.STDERR`."""
        data = wire.encode_text(text)
        if self.forked:
            _write_all(kind, data)
            return
        request = current.get() or self.cell
        with self.whole:
            partial = self._partial
            if partial:
                if self._partial_kind == kind and self._partial_request == request:
                    data = partial + data
                else:
                    self._send_partial()
                    partial = b""
            if "\n" in text or len(data) > frames.Page.PARTIAL_MAX:
                self._send_text(kind, request, data)
                if partial:
                    self._partial = b""
                    self._page.drop_partial()
            elif data:
                self._partial, self._partial_kind, self._partial_request = data, kind, request
                self._page.hold_partial(kind, request, data)
                if not self._armed:
                    self._armed = True
                    os.write(self._alarm[1], b"!")

    def send(self, kind: int, request: int, data: bytes) -> None:
        """A finished message, after whatever was written before it."""
        if not self.forked:
            with self.whole:
                if self._partial:
                    self._send_partial()
                self._send_frame(kind, request, data)

    @property
    def carries(self) -> int:
        """How many bytes a second the link to the kernel carries; 0 while that isn't known."""
        return self._page.carries

    def flush(self) -> None:
        """Send an unfinished line as it is."""
        if self._partial and not self.forked:
            with self.whole:
                if self._partial:
                    self._send_partial()

    # the alarm that ends the wait of an unfinished line

    @property
    def alarm(self) -> int:
        """A descriptor that becomes readable when an unfinished line begins to wait."""
        return self._alarm[0]

    def disarm(self) -> None:
        """The alarm was seen, and its time is over."""
        os.read(self._alarm[0], 64)
        self._armed = False
        self.flush()

    # under the lock

    def _send_partial(self) -> None:
        self._send_text(self._partial_kind, self._partial_request, self._partial)
        self._partial = b""
        self._page.drop_partial()

    def _send_text(self, kind: int, request: int, data: bytes) -> None:
        if len(data) <= PIECE:
            self._send_frame(kind, request, data)
            return
        for piece in wire.text_pieces(data, PIECE):
            self._send_frame(kind, request, piece)

    def _send_frame(self, kind: int, request: int, data: bytes) -> None:
        out, err = self._page.stamps(self._pipes)
        _write_all(self._fd, frames.FRAME.pack(kind, request, len(data), out, err) + data)

    # fork

    def _before_fork(self) -> None:
        self.flush()
        self.whole.lock.acquire()

    def _after_fork_in_child(self) -> None:
        """A child writes to the pipes, like any program; the way to the keeper is its parent's."""
        self.forked = True
        self._partial = b""
        os.close(self._fd)


def _write_all(fd: int, data: bytes) -> None:
    """Write all of it; a signal may come in between."""
    while data:
        data = data[os.write(fd, data) :]
