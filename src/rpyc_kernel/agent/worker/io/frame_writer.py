"""The worker's one way out: frames to the keeper, each whole. How they travel differs, see `forked` and `spawned`."""

from __future__ import annotations

import itertools
import os
import threading
import time

from ... import frames, wire
from ..request_context import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, NoReturn, Set

    from ..interrupts import Interrupts
    from .protocol import KeeperSignals

PIECE = 1 << 16  #: bytes of text in one frame
REMEMBERED = 4096  #: cells
TURN = 0.0001  #: seconds between two parts, in which another thread that waits to send gets the lock


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


class FrameWriter:
    """Sends frames from any thread.

    Args:
        signals: what the keeper tells its worker beside requests

    Attributes:
        whole: within it, several things are sent without an interrupt in between
        cell: the number of the cell that runs, or ran last: what nobody's code prints goes there
        forked: whether this process is a child of the worker
    """

    def __init__(self, interrupts: Interrupts, signals: KeeperSignals) -> None:
        self.whole = Whole(interrupts)
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
                after_in_parent=self.whole.lock.release,
                after_in_child=self._after_fork_in_child,
            )

    @property
    def request(self) -> int:
        """The number of the request that the running code belongs to; of nobody's code, that of the cell that runs."""
        number = current.get()
        return number if number and number not in self._left else self.cell

    def leave(self, number: int) -> None:
        """That cell has ended, and whoever ran it takes nothing more: what it has started prints into the next."""
        self._left.add(number)
        if len(self._left) > REMEMBERED:
            self._left = {number}

    def write(self, kind: int, text: str) -> None:
        """Text that Python wrote to a stream; ``kind`` is `frames.STDOUT` or `frames.STDERR`."""
        raise NotImplementedError

    def send(self, kind: int, request: int, data: bytes) -> None:
        """A finished message, after whatever was written before it."""
        if not self.forked:
            with self.whole:
                self._finish_line()
                self._send_frame(kind, request, data)

    def send_message(self, kind: int, request: int, message: wire.Message) -> None:
        """A message, after whatever was written before it. While a long one goes in parts, other threads send too.

        Raises:
            MessageTooLong: it may not travel
        """
        pieces = message.pieces()
        size = sum(map(len, pieces))
        if size <= wire.LONG:
            self.send(kind, request, b"".join(pieces))
            return
        name, start = next(self._cut), 0
        try:
            for piece in wire.cut(pieces, wire.PART):
                part = wire.part_packet((name, start, size), message.type, message.parent, piece)
                start += len(piece)
                self.send(kind if start == size else frames.MESSAGE, request, part)
                time.sleep(TURN)
        except BaseException:  # an interrupt in between
            self.send(frames.MESSAGE, request, wire.part_packet((name, -1, size), message.type, message.parent, b""))
            raise

    @property
    def carries(self) -> int:
        """How many bytes a second the link to the kernel carries; 0 while that isn't known."""
        return self._signals.carries

    def flush(self) -> None:
        """Send an unfinished line as it is."""
        if self.forked:
            for kind in list(self._held):
                self._write_forked(kind, b"", flush=True)

    # under the lock

    def _finish_line(self) -> None:
        """Send an unfinished line, if one waits."""

    def _send_text(self, kind: int, request: int, data: bytes) -> None:
        if len(data) <= PIECE:
            self._send_frame(kind, request, data)
            return
        for piece in wire.text_pieces(data, PIECE):
            self._send_frame(kind, request, piece)

    def _send_frame(self, kind: int, request: int, data: bytes) -> None:
        raise NotImplementedError

    # fork

    def _before_fork(self) -> None:
        self.flush()
        self.whole.lock.acquire()

    def _after_fork_in_child(self) -> None:
        """A child writes to the pipes, like any program; the way to the keeper is its parent's."""
        self.forked = True
        self._held, self._holding = {}, threading.RLock()
        leave = os._exit

        def leave_flushed(status: int) -> NoReturn:
            self.flush()
            leave(status)

        os._exit = leave_flushed

    def _write_forked(self, kind: int, data: bytes, flush: bool = False) -> None:
        """A forked process prints: each line goes out in one write, or those of several processes would mix."""
        with self._holding:
            data = self._held.pop(kind, b"") + data
            end = len(data) if flush or len(data) > PIECE else data.rfind(b"\n") + 1
            if end < len(data):
                self._held[kind] = data[end:]
            write_all(kind, data[:end])


def write_all(fd: int, data: bytes) -> None:
    """Write all of it; a signal may come in between."""
    while data:
        data = data[os.write(fd, data) :]
