"""Direct connections into a session: to the worker itself, past broker and keeper.

Bulk has connections of its own, so that it holds up nothing of the session's. `..agent.direct` tells how one is made.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.direct import packets
from rpyc_kernel.agent.direct.nonblocking import wait_ready
from rpyc_kernel.agent.wire import Message, pack_pieces
from rpyc_kernel.errors import AgentError, DialCancelledError, LinkLost, ProtocolError
from rpyc_kernel.link.protocol import DIAL_TIMEOUT_S, LinkStatus
from rpyc_kernel.transport.broker_client import open_broker
from rpyc_kernel.transport.deadline import Deadline, Silence

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from rpyc_kernel.agent.wire import Bytes
    from rpyc_kernel.link.link import Link
    from rpyc_kernel.transport.address import Address
    from rpyc_kernel.transport.broker_client import BrokerClient

SILENCE_TIMEOUT_S = 30.0  # in which neither a byte comes nor goes
REPLY_POLL_INTERVAL_S = 0.05
MAX_IDLE = 2  # connections that are kept for the next transfer
MAX_IDLE_S = 20.0  # that they are kept


class DirectConnection:
    """One connection. Requests may be sent ahead; answers come in their order. Used by one thread.

    Attributes:
        idle_since: When it was used last, in seconds of the monotonic clock.
        waiting: The number of requests without an answer; where a connection breaks, it stays above 0.
    """

    def __init__(self, broker: BrokerClient, header: dict[str, Any], deadline: Deadline) -> None:
        """Have the broker connect it with the worker. Raises the errors of `BrokerClient.connect_directly`."""
        self._broker = broker
        self._stream = broker.connect_directly(header, deadline)
        self._cancel = deadline.cancel
        self._until: Deadline | None = None
        self.idle_since = 0.0
        self.waiting = 0

    @property
    def address(self) -> Address:
        """The address of the server that has made it."""
        return self._broker.address

    def use(self, cancel: threading.Event | None, until: Deadline | None = None) -> None:
        """Have that event end any waiting from now on, and that deadline, or otherwise a long silence."""
        self._cancel, self._until = cancel, until

    def send(self, op: str, header: dict[str, Any], buffers: Sequence[Bytes] = ()) -> None:
        """Send a request. Raises LinkLost."""
        self.waiting += 1
        self._stream.send_bytes(pack_pieces({**header, "op": op}, buffers), self._deadline())

    def receive(self, *into: memoryview) -> tuple[dict[str, Any], Sequence[memoryview]]:
        """Wait for the next answer.

        Args:
            into: Where its buffers go, unless they are compressed; without it, into new memory.

        Returns:
            The answer and its buffers.

        Raises:
            AgentError: The worker has refused it; the connection is still good.
            LinkError: The connection broke, or what came is no answer.
        """
        deadline = self._deadline()
        room = (
            (lambda header, _sizes: into if "zip" not in header and "error" not in header else None)
            if into
            else packets.new_memory
        )
        try:
            header, buffers = packets.read(lambda view: self._stream.read_into(view, deadline), room)
        except packets.PacketError as error:
            raise ProtocolError(self._stream.address, str(error)) from None
        self.waiting -= 1
        if "error" in header:
            sentence = f"On {self._stream.address}: {str(header['error'])[:2000]}."
            raise AgentError(sentence, str(header.get("code", ""))[:20])
        return header, buffers

    def call(self, op: str, header: dict[str, Any], buffers: Sequence[Bytes] = ()) -> dict[str, Any]:
        """Send a request, and return the answer."""
        self.send(op, header, buffers)
        return self.receive()[0]

    @property
    def spoken_to(self) -> bool:
        """Whether something has come that nobody has asked for: its end, since the Python there has died."""
        return self._stream.waiting or bool(wait_ready([self._stream], [], 0))

    def close(self) -> None:
        """Close it."""
        self._broker.close()

    def _deadline(self) -> Deadline:
        return self._until or Silence(SILENCE_TIMEOUT_S, self._cancel)


class DirectConnections:
    """The direct connections of one session. Any thread may use it; `take` is called on the link's.

    Args:
        link: The session's link.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = threading.Condition()  # guards the next two
        self._idle: list[DirectConnection] = []
        self._replies: dict[str, Message | None] = {}

    @contextlib.contextmanager
    def connection(self, cancel: threading.Event) -> Iterator[DirectConnection]:
        """Within it there is a connection. Afterwards it is kept for the next, unless it broke or answers are left.

        Args:
            cancel: Ends any waiting.

        Raises:
            RpycKernelError: There is none, and why.
        """
        with self._used(self._idle_one() or self._open(cancel), cancel) as connection:
            yield connection

    @contextlib.contextmanager
    def kept(self, until: Deadline) -> Iterator[DirectConnection | None]:
        """As `connection`, but there is none where none was kept: nobody dials. All waiting ends at the deadline."""
        idle = self._idle_one()
        if idle is None:
            yield None
            return
        with self._used(idle, until.cancel, until) as connection:
            yield connection

    @contextlib.contextmanager
    def _used(
        self, connection: DirectConnection, cancel: threading.Event | None, until: Deadline | None = None
    ) -> Iterator[DirectConnection]:
        connection.use(cancel, until)
        try:
            yield connection
        finally:
            self._keep(connection)

    def take(self, message: Message) -> None:
        """Take a ``direct_reply``."""
        with self._lock:
            if message.parent in self._replies:
                self._replies[message.parent] = message
                self._lock.notify_all()

    def close(self) -> None:
        """Close those that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _idle_one(self) -> DirectConnection | None:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if time.monotonic() - connection.idle_since < MAX_IDLE_S and not connection.spoken_to:
                    return connection
                connection.close()
        return None

    def _keep(self, connection: DirectConnection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            if not connection.waiting and len(self._idle) < MAX_IDLE and not self._link.hello.get("pooled"):
                self._idle.append(connection)
                return
        connection.close()

    def dial(self, what: dict[str, Any], cancel: threading.Event) -> tuple[socket.socket, bytes]:
        """Dial a connection that isn't for requests.

        Args:
            what: What it is for: ``live``, the id of the live connection whose frames it carries, or ``forward``.
            cancel: Ends any waiting.

        Returns:
            The socket, which is the caller's, and what has come on it already.

        Raises:
            RpycKernelError: There is none, and why.
        """
        broker, header = self._reach(what, cancel)
        try:
            return broker.connect_directly(header, Deadline(DIAL_TIMEOUT_S, cancel)).detach()
        except BaseException:
            broker.close()
            raise

    def _open(self, cancel: threading.Event) -> DirectConnection:
        broker, header = self._reach({}, cancel)
        try:
            return DirectConnection(broker, header, Deadline(DIAL_TIMEOUT_S, cancel))
        except BaseException:
            broker.close()
            raise

    def _reach(self, what: dict[str, Any], cancel: threading.Event) -> tuple[BrokerClient, dict[str, Any]]:
        """Have the worker listen, and dial; return the broker, and what it has to be told."""
        key = os.urandom(32).hex()
        name = self._ask_worker({**what, "key": key}, cancel)
        broker = open_broker(self._link.address, timeout=DIAL_TIMEOUT_S, cancel=cancel)
        return broker, {"socket": name, "key": key}

    def _ask_worker(self, content: dict[str, Any], cancel: threading.Event) -> str:
        """Have the worker listen; return where."""
        msg_id = uuid.uuid4().hex
        deadline = Deadline(SILENCE_TIMEOUT_S, cancel)
        with self._lock:
            self._replies[msg_id] = None
            try:
                self._link.submit(Message("direct_request", content, msg_id))
                while (reply := self._replies[msg_id]) is None:
                    if deadline.cancelled:
                        raise DialCancelledError(self._link.address)
                    if self._link.status is LinkStatus.CLOSED or deadline.expired:
                        raise self._link.error or LinkLost(self._link.address, "the Python there does not answer")
                    self._lock.wait(deadline.slice(REPLY_POLL_INTERVAL_S))
            finally:
                del self._replies[msg_id]
        if reply.sealed:  # the keeper's, where the worker has died
            raise LinkLost(self._link.address, "the Python there has ended")
        if not isinstance(name := reply.content.get("socket"), str):
            why = str(reply.content.get("evalue"))[:500]
            raise AgentError(f"On {self._link.address}: no direct connection ({why}).")
        return name
