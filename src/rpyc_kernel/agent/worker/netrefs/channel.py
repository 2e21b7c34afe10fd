"""The channel of one live connection: frames of RPyC's protocol inside ``rpyc_msg`` messages.

The buffer of an ``rpyc_msg`` is a frame, written as RPyC 6 writes it. A long frame comes in pieces; all but the last
say ``more``.
"""

from __future__ import annotations

import queue
import threading
from collections import deque

from ... import frames, wire
from ..request_context import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Deque, List, Optional, Set, Tuple

    from ...wire import Bytes, Json, Message
    from ..frontend import Frontend

PIECE_BYTES = 1 << 18  #: of a frame, in one message
MAX_FRAME_BYTES = wire.MAX_MESSAGE  #: of one, either way


class LiveChannel:
    """Carries frames in and out, as RPyC's own channels do.

    Attributes:
        old: Whether the RPyC here is older than 6, whose envelopes look different.
        patience: Seconds that RPyC waits for a frame before it looks again; None: until one comes.
        serving: Whether a request is being served.
    """

    def __init__(self, frontend: Frontend, name: str) -> None:
        self.closed = False
        self.old = False
        self.patience: Optional[float] = None
        self.serving = False
        self._frontend = frontend
        self._name = name
        self._pieces: List[bytes] = []
        self._size = 0
        self._incoming: Deque[Optional[Tuple[int, bytes]]] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()  # rung once for each, and for who is to stop
        self._to_stop: Set[threading.Thread] = set()

    def put(self, number: int, message: Message) -> None:
        """Take a message, whose number is that of its request."""
        if message.content.get("more"):
            self._pieces += map(bytes, message.buffers)
            self._size += sum(map(len, message.buffers))
            if self._size > MAX_FRAME_BYTES:
                say_closed(self._frontend, self._name, "a message of more than %d bytes" % MAX_FRAME_BYTES)
                self.close()
            return
        for buffer in message.buffers:
            frame = b"".join([*self._pieces, buffer])
            self._pieces, self._size = [], 0
            self._add((number, frame))

    # as RPyC calls them

    def poll(self, timeout: Any) -> bool:
        """Wait for a frame, so many seconds (None: until one comes)."""
        while True:
            if threading.current_thread() in self._to_stop:
                self._to_stop.discard(threading.current_thread())
                self._bell.put(None)  # for the other threads
                raise KeyboardInterrupt
            if self._incoming:
                return True
            left = timeout.timeleft() if hasattr(timeout, "timeleft") else timeout
            try:
                self._bell.get(True, left)
            except queue.Empty:
                return False

    def recv(self) -> bytes:
        """The next frame. Code that it makes run belongs to the request that brought it."""
        item = self._incoming.popleft()
        if item is None:
            self._add(None)  # for the other threads
            raise EOFError("the kernel has closed it")
        current.set(item[0])
        return from_rpyc_6(item[1]) if self.old else item[1]

    def send(self, data: bytes) -> None:
        """Send a frame."""
        if self.closed:
            raise EOFError("the kernel has closed it")
        if len(data) > MAX_FRAME_BYTES:
            raise wire.MessageTooLong(len(data), MAX_FRAME_BYTES)
        rest: Bytes = memoryview(to_rpyc_6(data) if self.old else data)
        while len(rest) > PIECE_BYTES:
            self._publish({"more": True}, rest[:PIECE_BYTES], frames.MESSAGE)
            rest = rest[PIECE_BYTES:]
        self._publish({}, rest, frames.URGENT)

    def _publish(self, content: Json, data: Bytes, kind: int) -> None:
        self._frontend.publish("rpyc_msg", dict(content, connection=self._name), buffers=[data], kind=kind)

    def close(self) -> None:
        """Carry no more frames, either way."""
        self.closed = True
        self._add(None)

    def _add(self, item: Optional[Tuple[int, bytes]]) -> None:
        self._incoming.append(item)
        self._bell.put(None)

    def stop(self, thread: threading.Thread) -> None:
        """Interrupt a thread that waits for a frame, or will: before it takes one, which would be lost."""
        self._to_stop.add(thread)
        self._bell.put(None)

    def forget(self, thread: threading.Thread) -> None:
        """Forget a thread that has ended."""
        self._to_stop.discard(thread)

    def fileno(self) -> int:
        """There is no descriptor to wait for."""
        raise OSError("this connection travels inside a session, and has no socket of its own")


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
