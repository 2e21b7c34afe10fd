"""The channel of a forked worker: stamped frames in a pipe to the keeper, requests by a socket, a shared page.

A line goes at once, so that nothing is lost in a crash. An unfinished line waits for its end, for something else to be
sent, or for `PARTIAL_LINE_S`; meanwhile it lies in the page shared with the keeper, where a crash can't take it.
(``print`` writes its text and its newline apart; a frame for each would cost half as much again.)
"""

from __future__ import annotations

import os
import select

from ... import frames, wire
from ...shared_page import Page
from .frame_writer import FrameWriter, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Tuple

    from ..interrupts import Interrupts

PARTIAL_LINE_S = 0.05  #: seconds that an unfinished line waits for its end


class ForkedChannel:
    """A `KeeperChannel` made of what the keeper has given its child.

    Args:
        sock: brings requests.
        outgoing: the pipe on which frames go to the keeper.
        pipes: become fd 1 and fd 2.
        page: tells which request an interrupt is meant for.
    """

    def __init__(self, sock: socket.socket, outgoing: int, pipes: Tuple[int, int], page: Page) -> None:
        self._socket = sock
        self._outgoing = outgoing
        self._pipes = pipes
        self.signals = page
        self._page = page

    def take_streams(self) -> None:
        """Give the process the fd 0, 1 and 2 of a worker."""
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, target in ((nothing, 0), (self._pipes[0], 1), (self._pipes[1], 2)):
            os.dup2(fd, target)
        os.close(nothing)

    def open_writer(self, interrupts: Interrupts) -> FrameWriter:
        """Open the way out, for frames."""
        self._writer = writer = ForkedFrameWriter(self._outgoing, self._pipes, self._page, interrupts)
        self._waits, self._pauses = select.poll(), select.poll()
        self._waits.register(self._socket, select.POLLIN)
        self._waits.register(writer.alarm, select.POLLIN)
        self._pauses.register(self._socket, select.POLLIN)
        return writer

    def receive(self) -> bytes:
        """Wait for requests; ``b""`` once the keeper has closed its end. Sends unfinished lines whose time is over."""
        while True:
            ready = dict(self._waits.poll())
            if self._writer.alarm in ready:
                ready = dict(self._pauses.poll(PARTIAL_LINE_S * 1000))
                self._writer.disarm()
            if self._socket.fileno() in ready:
                try:
                    return self._socket.recv(1 << 18)
                except OSError:
                    return b""


class ForkedFrameWriter(FrameWriter):
    """Sends frames through a pipe.

    Args:
        fd: the pipe to the keeper.
        pipes: the write ends behind fd 1 and fd 2.
        page: keeps an unfinished line.
        interrupts: puts an interrupt off while a frame is sent.
    """

    def __init__(self, fd: int, pipes: Tuple[int, int], page: Page, interrupts: Interrupts) -> None:
        self._fd = fd
        self._pipes = pipes
        self._page = page
        self._partial = b""
        self._partial_kind = 0
        self._partial_request = 0
        self._armed = False
        self._alarm = os.pipe()
        super().__init__(interrupts, page)

    def write(self, kind: int, text: str) -> None:
        """Send text that Python wrote to a stream; ``kind`` is `frames.STDOUT` or `frames.STDERR`."""
        data = wire.encode_text(text)
        if self.forked:
            self._write_forked(kind, data)
            return
        request = self.request
        with self.lock:
            partial = self._partial
            if partial:
                if self._partial_kind == kind and self._partial_request == request:
                    data = partial + data
                else:
                    self._send_partial()
                    partial = b""
            if "\n" in text or len(data) > Page.PARTIAL_MAX:
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

    def flush(self) -> None:
        """Send an unfinished line as it is."""
        if self.forked:
            super().flush()
        elif self._partial:
            with self.lock:
                self._finish_line()

    # the alarm that ends the wait of an unfinished line

    @property
    def alarm(self) -> int:
        """A descriptor that becomes readable when an unfinished line begins to wait."""
        return self._alarm[0]

    def disarm(self) -> None:
        """Send the unfinished line: its time is over."""
        os.read(self._alarm[0], 64)
        self._armed = False
        self.flush()

    # under the lock

    def _finish_line(self) -> None:
        if self._partial:
            self._send_partial()

    def _send_partial(self) -> None:
        self._send_text(self._partial_kind, self._partial_request, self._partial)
        self._partial = b""
        self._page.drop_partial()

    def _send_frame(self, kind: int, request: int, data: bytes) -> None:
        out, err = self._page.stamps(self._pipes)
        write_all(self._fd, frames.FRAME.pack(kind, request, len(data), out, err) + data)

    def _after_fork_in_child(self) -> None:
        super()._after_fork_in_child()
        self._partial = b""
        os.close(self._fd)
