"""The channel of a spawned worker: frames among what others write to fd 1 and 2 (`marked_frames`), requests by stdin.

What is printed goes at once, also an unfinished line: there is no memory in which it would survive a crash.
"""

from __future__ import annotations

import os

from ... import frames, marked_frames, wire
from .keeper_channel import FrameWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Dict, Tuple

    from ..interrupts import Interrupts, KeeperSignals


def main(stream: BinaryIO, config: Dict[str, Any]) -> None:
    """Become the worker of a session; never returns.

    Args:
        stream: Brings what the keeper sends.
        config: The session's configuration, see `keeper.main.main`.
    """
    from ..main import main

    main(SpawnedChannel(stream, bytes.fromhex(config["mark"])), config)


class SpawnedSignals:
    """`KeeperSignals` that the sorter notes as they come.

    Attributes:
        interrupt: The serial number of the last interrupt, and the number of the request that it is meant for.
        carries: Bytes a second that the link to the kernel carries; 0 while that isn't known.
    """

    def __init__(self) -> None:
        self.interrupt = (0, 0)
        self.carries = 0

    def note_interrupt(self, number: int) -> bool:
        """Note that an interrupt for this request has come; the worker has to send the signal."""
        self.interrupt = (self.interrupt[0] + 1, number)
        return True

    def take_press(self) -> bool:
        """Take the last press of the stop button: nobody else does."""
        return True


class SpawnedChannel:
    """A `KeeperChannel` made of the pipes that the keeper has started the worker with."""

    forks = False

    def __init__(self, stream: BinaryIO, mark: bytes) -> None:
        self._stream = stream
        self._mark = mark
        self._fds = (-1, -1)
        self.signals = SpawnedSignals()

    def take_streams(self) -> None:
        """Keep descriptors of our own, whatever becomes of fd 1 and 2; there is nobody behind fd 0."""
        self._fds = (os.dup(1), os.dup(2))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)

    def open_writer(self, interrupts: Interrupts) -> FrameWriter:
        """Open the way out, for frames."""
        return SpawnedFrameWriter(self._fds, self._mark, interrupts, self.signals)

    def receive(self) -> bytes:
        """Wait for requests; ``b""`` once the keeper has closed its end."""
        try:
            return self._stream.read1(1 << 18)  # type: ignore[attr-defined, no-any-return]
        except OSError:
            return b""

    def give(self, fd: int) -> None:
        """Never called: this worker forks no process for the keeper."""
        os.close(fd)


class SpawnedFrameWriter(FrameWriter):
    """Sends frames through the pipes behind fd 1 and 2."""

    def __init__(self, fds: Tuple[int, int], mark: bytes, interrupts: Interrupts, signals: KeeperSignals) -> None:
        self._fds = fds
        self._mark = mark
        (self._sign,) = marked_frames.pieces(mark, b"")
        super().__init__(interrupts, signals)

    def write(self, kind: int, text: str) -> None:
        """Send text that Python wrote to a stream; ``kind`` is `frames.STDOUT` or `frames.STDERR`."""
        data = wire.encode_text(text)
        if self.forked:
            self._write_forked(kind, data)
        elif data:
            request = self.request
            with self.lock:
                self._send_text(kind, request, data)

    def _send_frame(self, kind: int, request: int, data: bytes) -> None:
        out, err = self._fds
        marked_frames.write(err, self._sign)
        for piece in marked_frames.pieces(self._mark, frames.FRAME.pack(kind, request, len(data), 0, 0) + data):
            marked_frames.write(out, piece)
