"""Live connections inside a session's own messages: they survive a cut of the link.

The counterpart, ``agent/worker/netrefs/live.py``, describes the messages, and ``agent/direct/live_frames.py`` how
frames go by a shortcut instead. This module doesn't import rpyc.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.direct.live_frames import LiveFrames
from rpyc_kernel.agent.wire import MAX_MESSAGE, Message, MessageTooLong
from rpyc_kernel.errors import ProtocolError, RemoteClosedError, RpycKernelError, again
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.live.shortcuts import Dialler
from rpyc_kernel.transport.deadline import STOP_POLL_INTERVAL_S

if TYPE_CHECKING:
    from rpyc_kernel.link.direct import DirectConnections
    from rpyc_kernel.link.link import Link
    from rpyc_kernel.transport.deadline import Deadline

MAX_FRAME_BYTES = MAX_MESSAGE - (4 << 10)  # bytes of a frame, in either direction
PATIENCE_S = 5.0  # of waiting while nothing moves on a shortcut, which may be dead while the link isn't
_MAX_REASON_CHARS = 500  # characters of the other side's reason


class Channels:
    """The live connections of one session. `take` is called on the link's thread."""

    def __init__(self) -> None:
        self._channels: dict[str, SessionChannel] = {}
        self._lock = threading.Lock()  # guards the next two
        self._pid: object = None  # of the Python there; None until the next Python has begun
        self._begun = threading.Event()

    def open(self, link: Link, direct: DirectConnections, name: str, timeout: float | None) -> SessionChannel:
        """Open another connection.

        Args:
            link: The session's link.
            direct: The session's direct connections.
            name: The machine's name, for messages to the user.
            timeout: Seconds that a callback may take; None for no limit.
        """
        channel = SessionChannel(self, link, direct, name)
        self._channels[channel.id] = channel
        channel.submit("rpyc_open", {"timeout": timeout})
        return channel

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for an answer."""
        return any(channel.waiting for channel in [*self._channels.values()])

    @property
    def python(self) -> object:
        """A mark of the Python there, or None if it is unknown; another Python has another mark."""
        return self._pid

    def begun(self, timeout: float) -> bool:
        """Wait until a Python runs there: a dying Python would lose the messages sent to it."""
        return self._begun.wait(timeout)

    def take(self, message: Message) -> None:
        """Give a message whose type begins with ``rpyc_`` to its connection."""
        channel = self._channels.get(str(message.content.get("connection", "")))
        if channel is not None:
            channel.take(message)

    def restarted(self, python: object) -> None:
        """End the connections into the Python with the mark `python`, unless another Python runs already."""
        with self._lock:
            if self._pid == python:
                self._end("was restarted")

    def python_began(self, pid: object) -> None:
        """Note that a Python has begun there, of which *pid* is the mark; end the connections into another one."""
        with self._lock:
            if self._pid not in (None, pid):
                self._end("was restarted")
            self._pid = pid
            self._begun.set()

    def python_ended(self, end: dict[str, Any]) -> None:
        """End the connections into the Python there, which has ended as `link.state.end_of` tells."""
        with self._lock:
            self._end(str(end.get("text", ""))[:_MAX_REASON_CHARS] or "has ended")

    def _end(self, how: str) -> None:
        self._pid = None
        self._begun.clear()
        for channel in list(self._channels.values()):
            channel.end(f"the Python there {how}")

    def fail(self, error: RpycKernelError) -> None:
        """Raise the error in every present and later request: the session has ended."""
        for channel in list(self._channels.values()):
            channel.fail(error)

    def forget(self, channel: SessionChannel) -> None:
        """Forget a closed connection."""
        self._channels.pop(channel.id, None)


class SessionChannel:
    """A channel in RPyC's sense: the frames of one connection, in and out.

    Attributes:
        parent: The ``msg_id`` of the cell that uses the connection; that cell shows its output.
        waiting: Whether somebody waits for a frame.
    """

    def __init__(self, channels: Channels, link: Link, direct: DirectConnections, name: str) -> None:
        self.id = uuid.uuid4().hex
        self.name = name
        self.parent = ""
        self.waiting = False
        self.closed = False
        self._channels = channels
        self._link = link
        self._error: RpycKernelError | None = None
        self._told: str | None = None  # the cell that the other end knows by the last frame, if nothing came after it
        self._frames = LiveFrames(self._submit_frame, self._tell_loss, PATIENCE_S, MAX_FRAME_BYTES)
        self._dialler = Dialler(link, direct, self.id, self._frames)

    # --- as RPyC calls them, from whichever thread uses the connection

    def poll(self, deadline: Deadline) -> bool:
        """Wait for a frame; return whether one came. Raises the RpycKernelError for which the connection has ended."""
        self.waiting = True
        try:
            while not self._frames.ready:
                if self.over:
                    raise self._why()
                if self._link.status is LinkStatus.LOST:
                    self._frames.lose()
                    self._link.hurry()
                try:
                    self._frames.wait(deadline.slice(STOP_POLL_INTERVAL_S))
                except ValueError as error:
                    self.fail(ProtocolError(self.name, str(error)))
                if deadline.expired and not self._frames.ready:
                    return False
        finally:
            self.waiting = False
        return True

    def recv(self) -> bytes:
        """Return the frame that `poll` has found."""
        return self._frames.take()[0]

    def send(self, data: bytes) -> None:
        """Send a frame.

        Raises:
            MessageTooLong: The frame is longer than `MAX_FRAME_BYTES`.
            RpycKernelError: The connection has ended, for this reason.
        """
        if self.over:
            raise self._why()
        if len(data) > MAX_FRAME_BYTES:
            raise MessageTooLong(len(data), MAX_FRAME_BYTES)
        if self._link.status is not LinkStatus.UP:
            self._frames.lose()
        # The first frame of a cell goes in a message, which tells whose output is to come, and so does the one behind
        # any other message of this connection.
        if not self._frames.send(data, self._told == self.parent) and not self._frames.has_shortcut:
            self._dialler.missed()

    def _submit_frame(self, number: int, received: int, frame: bytes) -> None:
        self.submit("rpyc_msg", {"number": number, "received": received}, memoryview(frame))
        self._told = self.parent

    def _tell_loss(self) -> None:
        self._dialler.lost()
        with contextlib.suppress(RpycKernelError):  # then nobody there waits for anything
            self.submit("rpyc_lost", {})

    def abandon(self, request: int) -> None:
        """Give up the last request, whose number is *request*, so that the next one needn't wait behind it."""
        self._told = None
        self.submit("rpyc_abandon", {"request": request})

    def submit(self, msg_type: str, content: dict[str, Any], *buffers: memoryview) -> None:
        """Send a message of this connection. The message arrives once, even if the link breaks meanwhile."""
        if self._link.status is LinkStatus.CLOSED:
            raise again(self._link.error) if self._link.error else self._why()
        self._link.submit(Message(msg_type, {**content, "connection": self.id}, self.parent, buffers=buffers))

    def close(self) -> None:
        """Close the connection without waiting for the other side."""
        if self.closed:
            return
        self.closed = True
        self._let_go()
        with contextlib.suppress(RpycKernelError):
            self.submit("rpyc_close", {})

    def _let_go(self) -> None:
        self._channels.forget(self)
        self._dialler.close()
        self._frames.close()
        self._frames.wake()

    def fileno(self) -> int:
        """Raise OSError: this channel has no descriptor."""
        raise OSError("a connection that travels inside a session has no socket of its own")

    @property
    def over(self) -> bool:
        """Whether the connection was closed or has failed."""
        return self.closed or self._error is not None

    def _why(self) -> RpycKernelError:
        return again(self._error) if self._error else RemoteClosedError(self.name, "it was closed here")

    # --- on the link's thread

    def take(self, message: Message) -> None:
        """Take a message for this connection."""
        content = message.content
        if message.type == "rpyc_close":
            self.end(str(content.get("reason", ""))[:_MAX_REASON_CHARS] or "it was closed there")
            return
        if message.type != "rpyc_msg" or self._error is not None:
            return
        number, received = content.get("number"), content.get("received")
        try:
            if not (type(number) is type(received) is int and len(message.buffers) == 1):
                raise ValueError("a frame without a number")
            self._frames.take_message(number, received, bytes(message.buffers[0]))
        except ValueError as error:
            self.fail(ProtocolError(self.name, str(error)))

    def end(self, reason: str) -> None:
        """End the connection; `reason` completes a sentence about it."""
        self.fail(RemoteClosedError(self.name, reason))

    def fail(self, error: RpycKernelError) -> None:
        """Raise the error in every present and later request."""
        self._error = self._error or error
        self._let_go()
