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
        self._lock = threading.RLock()
        self._sequence = Sequence(limit)
        self._bell = Bell()
        self._shortcut: Optional[Shortcut] = None
        self._speaks = False
        self._moved = 0.0  # when something came or went on the shortcut

    @property
    def ready(self) -> bool:
        """Whether a frame is there to be taken."""
        return self._sequence.ready

    # --- out

    def send(self, frame: bytes, short: bool) -> bool:
        """Send a frame.

        Args:
            frame: The frame.
            short: Whether it may go by a shortcut: it then may overtake what was sent in messages before.

        Returns:
            Whether it went by a shortcut.
        """
        sequence = self._sequence
        with self._lock:
            shortcut = self._shortcut if self._speaks else None
            if not short or shortcut is None or len(frame) > MAX_FRAME_BYTES or not sequence.has_room(len(frame)):
                self._by_message(sequence.number(), sequence.received, frame)
                return False
            number = sequence.keep(frame)
            self._moved = time.monotonic()
            try:
                shortcut.send(number, sequence.received, frame)
            except OSError:
                self.lose(shortcut)
            except BaseException:  # an interrupt: perhaps half of it is gone
                self.lose(shortcut)
                raise
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
            self._arrived(number, received, frame, request)
        self._bell.ring()

    def _arrived(self, number: int, received: int, frame: bytes, request: int = 0) -> None:
        self._sequence.acknowledge(received)
        self._sequence.arrived(number, frame, request)

    def wait(self, seconds: Optional[float]) -> None:
        """Wait until a frame may be ready, or `wake` is called.

        Args:
            seconds: So long at most; None: without end.

        Raises:
            ValueError: What came by the shortcut is no frame.
        """
        shortcut = self._shortcut
        if shortcut is None:
            self._bell.wait(None, seconds)
            return
        left = max(0.0, self._moved + self._patience - time.monotonic())
        came = self._bell.wait(shortcut, left if seconds is None else min(left, seconds))
        try:
            self._receive(shortcut)
        except OSError:
            self.lose(shortcut)
        except BaseException:  # an interrupt: what has come was perhaps dropped
            self.lose(shortcut)
            raise
        if not came and time.monotonic() - self._moved >= self._patience:
            self.lose(shortcut)

    def _receive(self, shortcut: Shortcut) -> None:
        for number, received, frame in shortcut.receive():
            with self._lock:
                self._arrived(number, received, frame)
                self._moved = time.monotonic()
                self._speaks = self._speaks or shortcut is self._shortcut

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
        shortcut = Shortcut(sock, begun)
        with self._lock:
            if self._shortcut is not None:
                self.lose(self._shortcut)
            self._moved, self._speaks, self._shortcut = time.monotonic(), speaks, shortcut
        self._bell.ring()
        return shortcut

    def lose(self, shortcut: Optional[Shortcut] = None) -> None:
        """Give up a shortcut, by default the present one, and send in messages what was perhaps lost with it.

        Where an interrupt comes in between, the next use of the shortcut does it again: repetitions are dropped.
        """
        with self._lock:
            shortcut = shortcut or self._shortcut
            if shortcut is None or shortcut is not self._shortcut:
                return
            shortcut.close()
            for number, frame in self._sequence.unacknowledged():
                self._by_message(number, self._sequence.received, frame)
            self._on_lost()
            self._shortcut, self._speaks = None, False

    def close(self) -> None:
        """Close the shortcut: nothing more is sent."""
        shortcut = self._shortcut
        if shortcut is not None:
            shortcut.close()
