"""The frames of one live connection, at either end: in the session's messages, and by a shortcut while there is one."""

from __future__ import annotations

import threading
import time

from .sequence import Sequence
from .shortcut import MAX_FRAME_BYTES, Bell, Shortcut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Tuple


class LiveFrames:
    """Sends and receives frames, each once and in order, whatever becomes of shortcuts.

    One thread at a time waits and takes; any may send.

    Args:
        by_message: Sends a frame in messages that arrive once and in order. It gets the frame's number, the number up
            to which all has been received, and the frame.
        on_lost: Called after a shortcut was lost.
        patience: Seconds of waiting for a shortcut in which nothing moves, after which it counts as lost.
        limit: Bytes that may have come and not been taken.
    """

    def __init__(
        self, by_message: Callable[[int, int, bytes], None], on_lost: Callable[[], None], patience: float, limit: int
    ) -> None:
        self._by_message = by_message
        self._on_lost = on_lost
        self._patience = patience
        self._lock = threading.RLock()  # guards the numbers, and is held for nothing else
        self._sequence = Sequence(limit)
        self._bell = Bell()
        self._shortcut: Optional[Shortcut] = None
        self._speaks = False
        self._unfinished = False  # an interrupt came in the midst of a frame
        self._moved = 0.0  # when something came or went on the shortcut

    @property
    def ready(self) -> bool:
        """Whether a frame is there to be taken."""
        return self._sequence.ready

    @property
    def has_shortcut(self) -> bool:
        """Whether there is a shortcut, as far as is known here."""
        return self._shortcut is not None

    # --- out

    def send(self, frame: bytes, short: bool) -> bool:
        """Send a frame.

        Args:
            frame: The frame.
            short: Whether it may go by a shortcut: it then may overtake what was sent in messages before.

        Returns:
            Whether it went by a shortcut.
        """
        self._finish()
        shortcut = self._shortcut if self._speaks and short and len(frame) <= MAX_FRAME_BYTES else None
        sequence = self._sequence
        try:
            with self._lock:
                shortcut = shortcut if sequence.has_room else None
                number, received = sequence.number(frame, shortcut is not None), sequence.received
            if shortcut is None:
                self._by_message(number, received, frame)
            elif not self._went(shortcut, number, received, frame):
                self._give_up(shortcut)
            sequence.sent()
        except BaseException:  # an interrupt: perhaps half of it is gone, or nothing
            self._unfinished = True
            raise
        return shortcut is not None

    def _went(self, shortcut: Shortcut, number: int, received: int, frame: bytes) -> bool:
        self._moved = time.monotonic()
        try:
            shortcut.send(number, received, frame)
        except OSError:
            return False
        return True

    # --- in

    def take_message(self, number: int, received: int, frame: bytes, request: int = 0) -> None:
        """Take a frame that has come in messages.

        Args:
            number: The frame's number.
            received: The number up to which the other end has received all.
            frame: The frame.
            request: The number of the request that brought it.

        Raises:
            ValueError: The numbers make no sense, or that is too much.
        """
        with self._lock:
            self._sequence.acknowledge(received)
            self._sequence.arrived(number, frame, request)
        self._bell.ring()

    def wait(self, seconds: Optional[float]) -> None:
        """Wait until a frame may be ready, or `wake` is called.

        Args:
            seconds: So long at most; None: without end.

        Raises:
            ValueError: What came by the shortcut is no frame.
        """
        self._finish()
        shortcut = self._shortcut
        if shortcut is None:
            self._bell.wait(None, seconds)
            return
        left = max(0.0, self._moved + self._patience - time.monotonic())
        came = self._bell.wait(shortcut, left if seconds is None else min(left, seconds))
        try:
            for number, received, frame in shortcut.receive():
                with self._lock:
                    self._sequence.acknowledge(received)
                    self._sequence.arrived(number, frame)
                self._moved, self._speaks = time.monotonic(), self._speaks or shortcut is self._shortcut
        except OSError:
            self._lost(shortcut)
        except BaseException:  # an interrupt: what has come was perhaps dropped
            self._unfinished = True
            raise
        if not came and time.monotonic() - self._moved >= self._patience:
            self._lost(shortcut)

    def take(self) -> Tuple[bytes, int]:
        """Take the next frame, which is ready. Returns it, and the number of its request, 0 for a shortcut."""
        with self._lock:
            return self._sequence.take()

    def wake(self) -> None:
        """Have `wait` return."""
        self._bell.ring()

    # --- shortcuts

    def open(self, sock: Any, begun: bytes, speaks: bool) -> Shortcut:
        """Use a shortcut from now on, and lose the one before.

        Args:
            sock: Its socket.
            begun: What has come on it already.
            speaks: Whether this end knows that the other one uses it; else it is used once something has come.
        """
        self.lose()
        shortcut = Shortcut(sock, begun)
        self._moved, self._speaks, self._shortcut = time.monotonic(), speaks, shortcut
        self._bell.ring()
        return shortcut

    def lose(self) -> None:
        """Give up the shortcut, if there is one, and send in messages what was perhaps lost with it."""
        self._lost(self._shortcut)

    def _lost(self, shortcut: Optional[Shortcut]) -> None:
        if shortcut is not None and shortcut is self._shortcut:
            self._give_up(shortcut)

    def _finish(self) -> None:
        """Do what an interrupt has left undone."""
        if self._unfinished:
            self._give_up(self._shortcut)

    def _give_up(self, shortcut: Optional[Shortcut]) -> None:
        """Send what is unacknowledged in messages. Done twice, by two threads or after an interrupt, it does no harm.

        No lock is held meanwhile: messages have locks of their own, and whoever holds those may want to send here.
        """
        unfinished, self._unfinished = self._unfinished, False
        try:
            if shortcut is not None:
                shortcut.close()
            with self._lock:
                frames, received = self._sequence.unacknowledged(unfinished), self._sequence.received
            for number, frame in frames:
                self._by_message(number, received, frame)
            if shortcut is not None:
                self._on_lost()
                with self._lock:
                    if shortcut is self._shortcut:
                        self._shortcut, self._speaks = None, False
        except BaseException:
            self._unfinished = True
            raise

    def close(self) -> None:
        """Close the shortcut: nothing more is sent."""
        shortcut = self._shortcut
        if shortcut is not None:
            shortcut.close()
