"""RPyC's own connection to this session's namespace, whose frames travel inside the session's messages.

The kernel opens it with ``rpyc_open`` and speaks with it in ``rpyc_msg``, both ways, until ``rpyc_close``; each names
it by the id that the kernel gave it. The buffer of an ``rpyc_msg`` is a frame, written as RPyC 6 writes it; a long one
comes in pieces, of which all but the last say ``more``.

A thread of its own serves a connection, also while a cell runs. rpyc is imported with the first one.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections import deque

from ... import frames, wire
from ..frontend import Frontend
from ..io.frame_writer import FrameWriter
from ..request_context import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Deque, Dict, List, Optional, Set, Tuple

    from ...wire import Bytes, Json, Message
    from ..shells.protocol import Shell

PIECE_BYTES = 1 << 18  #: of a frame, in one message
MAX_FRAME_BYTES = wire.MAX_MESSAGE  #: of one, either way
#: seconds; in RPyC before 6 a thread may overlook its reply when another has read it, until it looks again
REPLY_POLL_INTERVAL_S = 0.2
GIVES_OUT = frozenset([Frontend.__module__, FrameWriter.__module__])  #: modules in which an interrupt tears a frame


class Live:
    """The connections of this session, by their ids. `take` is called on the sorter's thread.

    Args:
        frontend: sends what they send.
        shell: has the namespace that they see.
    """

    def __init__(self, frontend: Frontend, shell: Shell) -> None:
        self._frontend = frontend
        self._shell = shell
        self._served: Dict[str, Served] = {}

    def take(self, number: int, message: Message) -> None:
        """Take a message for a connection, without waiting."""
        name = str(message.content.get("connection", ""))
        self._frontend.remember(number, message.parent)
        if message.type == "rpyc_open":
            served = self._served[name] = Served(self._frontend, name, message.content, self._shell)
            served.start(number)
            return
        known = self._served.get(name)
        if known is None:
            if message.type == "rpyc_msg":
                say_closed(self._frontend, name, "it is not known there")
        elif message.type == "rpyc_msg":
            known.frames.put(number, message)
        elif message.type == "rpyc_abandon":
            known.abandon(number)
        else:
            del self._served[name]
            known.frames.close()

    def close(self) -> None:
        """Close all of them."""
        for served in self._served.values():
            served.frames.close()
        self._served.clear()


class Served:
    """One connection, and its threads: one serves it, others run requests that their makers have given up."""

    def __init__(self, frontend: Frontend, name: str, content: Json, shell: Shell) -> None:
        self.frames = Frames(frontend, name)
        self._frontend = frontend
        self._name = name
        self._timeout = content.get("timeout")
        self._shell = shell
        self._connection: Any = None
        self._thread: Optional[threading.Thread] = None

    def start(self, number: int) -> None:
        """Let a new thread serve it from now on."""
        self._thread = threading.Thread(target=self._serve, args=(number,), name="rpyc-kernel-live", daemon=True)
        self._thread.start()

    def abandon(self, number: int) -> None:
        """Interrupt what runs now, which nobody waits for, and serve what comes next on another thread."""
        before = self._thread
        if self._connection is not None and self.frames.serving:
            self.start(number)
            if before is not None:
                interrupt(before, self.frames)

    def _serve(self, number: int) -> None:
        current.set(number)
        try:
            if self._connection is None:
                self._connection = self._connect()
            connection, thread = self._connection, threading.current_thread()
            while self._thread is thread and not connection.closed:
                connection.serve(self.frames.patience)
        except EOFError:
            pass
        except KeyboardInterrupt:  # ours, which came a moment too late
            if self._thread is threading.current_thread():
                self.start(number)
        except BaseException as error:
            say_closed(self._frontend, self._name, "%s: %s" % (type(error).__name__, error))
        finally:
            self.frames.forget(threading.current_thread())

    def _connect(self) -> Any:
        try:
            from . import service
        except ImportError as error:
            text = "rpyc cannot be imported by %s there (%s); install it for that Python" % (sys.executable, error)
            raise RuntimeError(text) from None
        self.frames.old = service.IS_OLD
        if self.frames.old:
            self.frames.patience = REPLY_POLL_INTERVAL_S
        return service.connect(self.frames, self._shell.facade.user_ns, self._timeout)


class Frames:
    """RPyC's channel of one connection: frames in and out.

    Attributes:
        old: whether the RPyC here is older than 6, whose envelopes look different.
        patience: seconds that RPyC waits for a frame before it looks again; None: until one comes.
        serving: whether a request is being served.
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


def interrupt(thread: threading.Thread, waits_at: Frames) -> None:
    """Raise KeyboardInterrupt in a thread, at its next step in Python, or where it waits for the answer to a callback.

    A thread that is giving something out gets it when it waits next, since it would tear a frame. A sleep, or other C
    code, ends first.
    """
    if thread.ident is None:
        return
    try:
        from ctypes import c_ulong, py_object, pythonapi
    except ImportError:  # a Python without it: what runs there goes on
        return
    frame = sys._current_frames().get(thread.ident)
    while frame is not None:
        if frame.f_code is Frames.poll.__code__ or frame.f_globals.get("__name__") in GIVES_OUT:
            waits_at.stop(thread)
            return
        frame = frame.f_back
    pythonapi.PyThreadState_SetAsyncExc(c_ulong(thread.ident), py_object(KeyboardInterrupt))


# RPyC 6 writes one byte for the kind of a message and a pair (seq, args), older ones the triple (kind, seq, args)
_PAIR, _TRIPLE, _NUMBER = 0x11, 0x12, 0x50


def from_rpyc_6(frame: bytes) -> bytes:
    """The frame of RPyC 6 as older ones write it."""
    return bytes((_TRIPLE, frame[0] + _NUMBER)) + frame[2:]


def to_rpyc_6(frame: bytes) -> bytes:
    """The frame of an older RPyC as RPyC 6 writes it.

    Raises:
        ValueError: no RPyC writes such a frame.
    """
    if frame[0] != _TRIPLE:
        raise ValueError("a frame that no RPyC writes")
    return bytes((frame[1] - _NUMBER, _PAIR)) + frame[2:]
