"""The worker's channel to its keeper: each frame goes out whole, and requests come in.

A forked worker's is here, a spawned one's in `spawned`.
"""

from __future__ import annotations

import itertools
import os
import select
import socket
import struct
import threading
import time

from ... import frames, wire
from ..request_context import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, NoReturn, Optional, Protocol, Set, Tuple

    from ...keeper.worker.forked import Page
    from ..interrupts import Interrupts, KeeperSignals

    class KeeperChannel(Protocol):
        """The worker's end of the channel to its keeper: `ForkedChannel` or `spawned.SpawnedChannel`."""

        forks: bool  # whether it may fork a process that the keeper talks to

        @property
        def signals(self) -> KeeperSignals:
            """The keeper's words beside requests."""

        def take_streams(self) -> None:
            """Give the process the fd 0, 1 and 2 of a worker."""

        def open_writer(self, interrupts: Interrupts) -> FrameWriter:
            """Open the way out, for frames."""

        def receive(self) -> bytes:
            """Wait for bytes of requests; ``b""`` once the keeper has closed its end."""

        def give(self, __fd: int) -> None:
            """Give the keeper a file, before a frame that tells of it; it is closed here."""


PIECE_BYTES = 1 << 16  #: bytes of text in one frame
MAX_REMEMBERED = 4096  #: cells
PARTIAL_LINE_S = 0.05  #: seconds that an unfinished line waits for its end
TURN_S = 0.0001  #: seconds between two parts, in which another thread that waits to send gets the lock


class SendLock:
    """While it is held, nobody else sends, and the main thread, which makes the lock, is not interrupted."""

    __slots__ = ("_interrupts", "_main", "between_threads")

    def __init__(self, interrupts: Interrupts) -> None:
        self.between_threads = threading.RLock()
        self._interrupts = interrupts
        self._main = threading.get_ident()

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            self._interrupts.depth += 1
        self.between_threads.acquire()

    def __exit__(self, *exc: object) -> None:
        self.between_threads.release()
        if threading.get_ident() == self._main:
            self._interrupts.leave()


class FrameWriter:
    """Sends frames from any thread.

    Args:
        interrupts: Puts an interrupt off while a frame is sent.
        signals: Tells how fast the link is.

    Attributes:
        lock: Who holds it sends several things without an interrupt in between.
        cell: The number of the cell that runs, or ran last: what nobody's code prints goes there.
        forked: Whether this process is a child of the worker.
    """

    def __init__(self, interrupts: Interrupts, signals: KeeperSignals) -> None:
        self.lock = SendLock(interrupts)
        self._signals = signals
        self._cut = itertools.count(1)  # an id for each message that is cut
        self.forked = False
        self._held: Dict[int, bytes] = {}  # of a forked process: its unfinished lines
        self._holding = threading.RLock()
        self.cell = 0
        self._left: Set[int] = set()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self.lock.between_threads.release,
                after_in_child=self._after_fork_in_child,
            )

    @property
    def request(self) -> int:
        """The number of the running code's request; for nobody's code, the number of the cell that runs."""
        number = current.get()
        return number if number and number not in self._left else self.cell

    def leave(self, number: int) -> None:
        """Note the end of a cell whose front end takes nothing more: what it has started prints into the next cell."""
        self._left.add(number)
        if len(self._left) > MAX_REMEMBERED:
            self._left = {number}

    def write(self, kind: int, text: str) -> None:
        """Send text that Python wrote to a stream; ``kind`` is `frames.STDOUT` or `frames.STDERR`."""
        raise NotImplementedError

    def send(self, kind: int, request: int, data: bytes) -> None:
        """Send a finished message, after all that was written before it."""
        if not self.forked:
            with self.lock:
                self._finish_line()
                self._send_frame(kind, request, data)

    def send_message(self, kind: int, request: int, message: wire.Message) -> None:
        """Send a message, after all that was written before it. Between the parts of a long one other threads send too.

        Raises:
            MessageTooLong: It is longer than a message may be.
        """
        pieces = message.pieces()
        size = sum(map(len, pieces))
        if size <= wire.LONG_BYTES:
            self.send(kind, request, b"".join(pieces))
            return
        name, start = next(self._cut), 0
        try:
            for piece in wire.cut(pieces, wire.PART_BYTES):
                part = wire.part_packet((name, start, size), message.type, message.parent, piece)
                start += len(piece)
                self.send(kind if start == size else frames.MESSAGE, request, part)
                time.sleep(TURN_S)
        except BaseException:  # an interrupt in between
            self.send(frames.MESSAGE, request, wire.part_packet((name, -1, size), message.type, message.parent, b""))
            raise

    @property
    def carries(self) -> int:
        """Bytes a second that the link to the kernel carries; 0 while that isn't known."""
        return self._signals.carries

    @property
    def given(self) -> Optional[Tuple[int, ...]]:
        """A mark of all that was given out so far, by whomever in this worker; None where that can't be told."""
        return None

    def flush(self) -> None:
        """Send an unfinished line as it is."""
        if self.forked:
            for kind in list(self._held):
                self._write_forked(kind, b"", flush=True)

    # under the lock

    def _finish_line(self) -> None:
        """Send an unfinished line, if one waits."""

    def _send_text(self, kind: int, request: int, data: bytes) -> None:
        if len(data) <= PIECE_BYTES:
            self._send_frame(kind, request, data)
            return
        for piece in wire.text_pieces(data, PIECE_BYTES):
            self._send_frame(kind, request, piece)

    def _send_frame(self, kind: int, request: int, data: bytes) -> None:
        raise NotImplementedError

    # fork

    def _before_fork(self) -> None:
        self.flush()
        self.lock.between_threads.acquire()

    def _after_fork_in_child(self) -> None:
        """In a forked child, or in a child of that: write to fd 1 and 2 from now on, like any program."""
        self._held, self._holding = {}, threading.RLock()
        if self.forked:
            return
        self.forked = True
        leave = os._exit

        def leave_flushed(status: int) -> NoReturn:
            self.flush()
            leave(status)

        os._exit = leave_flushed

    def _write_forked(self, kind: int, data: bytes, flush: bool = False) -> None:
        """Print in a forked process: each line in one write, or the lines of several processes would mix."""
        with self._holding:
            data = self._held.pop(kind, b"") + data
            end = len(data) if flush or len(data) > PIECE_BYTES else data.rfind(b"\n") + 1
            if end < len(data):
                self._held[kind] = data[end:]
            write_all(kind, data[:end])


class ForkedChannel:
    """A `KeeperChannel` made of what the keeper has given its child: a pipe for frames, a socket, a shared page.

    Args:
        sock: Brings requests.
        outgoing: The pipe on which frames go to the keeper.
        pipes: Become fd 1 and fd 2.
        page: Tells which request an interrupt is meant for.
    """

    forks = True

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

    def give(self, fd: int) -> None:
        """Give the keeper a file, before a frame that tells of it; it is closed here."""
        try:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("=i", fd))]
            self._socket.sendmsg([b"!"], rights)
        finally:
            os.close(fd)


class ForkedFrameWriter(FrameWriter):
    """Sends stamped frames through a pipe.

    A line goes at once, so that nothing is lost in a crash. An unfinished line waits for its end, for something else to
    be sent, or for `PARTIAL_LINE_S`; meanwhile it lies in the page shared with the keeper, where a crash can't take it.
    (``print`` writes its text and its newline apart; a frame for each would cost half as much again.)

    Args:
        fd: The pipe to the keeper.
        pipes: The write ends behind fd 1 and fd 2.
        page: Keeps an unfinished line.
        interrupts: Puts an interrupt off while a frame is sent.
    """

    def __init__(self, fd: int, pipes: Tuple[int, int], page: Page, interrupts: Interrupts) -> None:
        self._fd = fd
        self._pipes = pipes
        self._page = page
        self._partial = b""
        self._partial_kind = 0
        self._partial_request = 0
        self._sent = 0  # frames
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
            if "\n" in text or len(data) > self._page.PARTIAL_MAX:
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

    @property
    def given(self) -> Tuple[int, ...]:
        """A mark of all that was given out so far, by whomever in this worker."""
        return (self._sent, len(self._partial), *self._page.stamps(self._pipes))

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
        self._sent += 1
        out, err = self._page.stamps(self._pipes)
        write_all(self._fd, frames.FRAME.pack(kind, request, len(data), out, err) + data)

    def _after_fork_in_child(self) -> None:
        first = not self.forked
        super()._after_fork_in_child()
        self._partial = b""
        if first:  # in a child of the child another file may have that number
            os.close(self._fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all of the data, whatever signals come in between."""
    while data:
        data = data[os.write(fd, data) :]
