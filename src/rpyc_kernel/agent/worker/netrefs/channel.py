"""The channel of one live connection: frames of RPyC's protocol inside ``rpyc_msg`` messages, and by a shortcut.

The buffer of an ``rpyc_msg`` is a frame, written as RPyC 6 writes it; its content has the frame's ``number`` and that
of the last one ``received``.
"""

from __future__ import annotations

import threading
import time

from ... import frames, wire
from ...direct.live_frames import LiveFrames
from ..request_context import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, Optional, Set

    from ...wire import Message
    from ..frontend import Frontend

MAX_FRAME_BYTES = wire.MAX_MESSAGE - (4 << 10)  #: of one, either way
IDLE_S = 20.0  #: seconds after which a shortcut that nobody uses is given up: it holds a thread of the server


class LiveChannel:
    """Carries frames in and out, as RPyC's own channels do.

    Attributes:
        old: Whether the RPyC here is older than 6, whose envelopes look different.
        patience: Seconds that RPyC waits for a frame before it looks again; None: until one comes.
        serving: The threads that serve a request.
        given_up: The number of the last request that the kernel has given up.
    """

    def __init__(self, frontend: Frontend, name: str) -> None:
        self.closed = False
        self.old = False
        self.patience: Optional[float] = None
        self.serving: Set[threading.Thread] = set()
        self.given_up: Optional[int] = None
        self._frontend = frontend
        self._name = name
        self._request = 0  # the last one that has brought a frame
        self._frames = LiveFrames(self._send_message, lambda: None, IDLE_S, MAX_FRAME_BYTES)
        self._given: Optional[object] = None  # what had been given out here when the last frame was
        self._to_stop: Set[threading.Thread] = set()

    def put(self, number: int, message: Message) -> None:
        """Take a message, whose number is that of its request."""
        content = message.content
        try:
            self._frames.take_message(content["number"], content["received"], bytes(message.buffers[0]), number)
        except (ValueError, LookupError, TypeError) as error:
            say_closed(self._frontend, self._name, "%s: %s" % (type(error).__name__, error))
            self.close()

    # as RPyC calls them

    def poll(self, timeout: Any) -> bool:
        """Wait for a frame, so many seconds (None: until one comes)."""
        left = timeout.timeleft() if hasattr(timeout, "timeleft") else timeout
        until = None if left is None else time.monotonic() + left
        while True:
            self.raise_stop()
            if self._frames.ready or self.closed:
                return True
            left = None if until is None else max(0.0, until - time.monotonic())
            self._frames.wait(left)
            if left == 0:
                return self._frames.ready

    def recv(self) -> bytes:
        """The next frame. Code that it makes run belongs to the request that brought it, or the last frame before."""
        if not self._frames.ready:
            raise EOFError("the kernel has closed it")
        frame, number = self._frames.take()
        self._request = number or self._request
        current.set(self._request)
        return from_rpyc_6(frame) if self.old else frame

    def send(self, data: bytes) -> None:
        """Send a frame: in a message behind whatever was given out before it, by the shortcut if that is nothing."""
        if self.closed:
            raise EOFError("the kernel has closed it")
        if len(data) > MAX_FRAME_BYTES:
            raise wire.MessageTooLong(len(data), MAX_FRAME_BYTES)
        given = self._frontend.writer.given
        self._frames.send(to_rpyc_6(data) if self.old else data, given is not None and given == self._given)

    def _send_message(self, number: int, received: int, frame: bytes) -> None:
        content = {"connection": self._name, "number": number, "received": received}
        message = wire.Message("rpyc_msg", content, self._frontend.parents.get(self._request, ""), buffers=[frame])
        writer = self._frontend.writer
        if len(frame) > wire.LONG_BYTES // 2:  # others may give something out between its parts
            self._given = None
            writer.send_message(frames.URGENT, self._request, message)
            return
        with writer.lock:
            writer.send_message(frames.URGENT, self._request, message)
            self._given = writer.given

    def close(self) -> None:
        """Carry no more frames, either way."""
        self.closed = True
        self._frames.close()
        self._frames.wake()

    def stop(self, thread: threading.Thread) -> None:
        """Interrupt a thread that waits for a frame, or will: before it takes one, which would be lost."""
        self._to_stop.add(thread)
        self._frames.wake()

    def raise_stop(self) -> None:
        """Raise KeyboardInterrupt if this thread is to be interrupted."""
        thread = threading.current_thread()
        if thread in self._to_stop:
            self._to_stop.discard(thread)
            raise KeyboardInterrupt

    def forget(self, thread: threading.Thread) -> None:
        """Forget a thread that has ended."""
        self._to_stop.discard(thread)
        self.serving.discard(thread)

    def fileno(self) -> int:
        """There is no descriptor to wait for."""
        raise OSError("this connection travels inside a session, and has no socket of its own")

    # shortcuts

    def carry(self, sock: socket.socket) -> None:
        """Use a direct connection as the shortcut until it is lost."""
        shortcut = self._frames.open(sock, b"", speaks=False)
        if self.closed:
            shortcut.close()
        shortcut.wait_closed()

    def lose(self) -> None:
        """Give up the shortcut: the kernel has lost it."""
        self._frames.lose()


def say_closed(frontend: Frontend, name: str, reason: str) -> None:
    """Tell the kernel that a connection is closed."""
    frontend.publish("rpyc_close", {"connection": name, "reason": reason}, kind=frames.URGENT)


# RPyC 6 writes one byte for the kind of a message and a pair (seq, args), older ones the triple (kind, seq, args)
_PAIR, _TRIPLE, _NUMBER = 0x11, 0x12, 0x50


def from_rpyc_6(frame: bytes) -> bytes:
    """The frame of RPyC 6 as older ones write it."""
    return bytes((_TRIPLE, frame[0] + _NUMBER)) + frame[2:]


def to_rpyc_6(frame: bytes) -> bytes:
    """The frame of an older RPyC as RPyC 6 writes it.

    Raises:
        ValueError: No RPyC writes such a frame.
    """
    if frame[0] != _TRIPLE:
        raise ValueError("a frame that no RPyC writes")
    return bytes((frame[1] - _NUMBER, _PAIR)) + frame[2:]
