"""The use of any RPyC service: ``rpyc_kernel.service``."""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING, Any

from rpyc.core import consts

from rpyc_kernel.errors import (
    NoAnswerError,
    ProtocolError,
    RemoteClosedError,
    RpycKernelError,
    again,
)
from rpyc_kernel.live.connection import LiveConnection
from rpyc_kernel.transport.deadline import STOP_POLL_INTERVAL_S, Deadline, Silence
from rpyc_kernel.transport.dial import dial
from rpyc_kernel.transport.discovery.names import meant
from rpyc_kernel.transport.servers import first_server

if TYPE_CHECKING:
    from rpyc_kernel.transport.rpyc_wire.stream import FrameStream

SEND_TIMEOUT_S = 60.0  # until the network must have taken a request

FRAME_TIMEOUT_S = 30.0  # until a frame that has begun must have grown
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)  # select() itself ends at descriptor 1023


def service(where: str, *, registry: str | None = None, timeout: float = 10.0, **config: Any) -> Any:
    """Connect to an RPyC service: ``service("host:18861").name()`` calls the function ``name`` that it exposes.

    Args:
        where: The address of the service, or its name (``transport.discovery.names.meant``). Of several servers, the
            first that accepts the connection is used.
        registry: The address of the registry that knows the name.
        timeout: Seconds for connecting.
        config: RPyC's options of the connection, such as ``sync_request_timeout`` (seconds).

    Returns:
        The root of the service. ``root.____conn__`` is the connection: ``close()`` closes it, and it closes by itself
        when none of its objects is used any more.

    Raises:
        AddressError: `where` isn't an address.
        DialError: No server accepts the connection.
        DiscoveryError: The name isn't found.
    """
    address = meant(where)
    servers = address.locate(registry)
    connection = first_server(address, servers, lambda server, seconds: dial(server, timeout=seconds), timeout)
    stream, first = connection.hand_over()
    root = connection.root()
    channel = SocketChannel(stream)
    live = LiveConnection(channel, str(stream.address), dialect=connection.dialect, first=first, **config)
    live._remote_root = live._unbox((consts.LABEL_REMOTE_REF, (root.name, root.type_id, root.object_id)))
    return live.root


class SocketChannel:
    """A channel in RPyC's sense: the frames of one connection, over a socket of its own."""

    def __init__(self, stream: FrameStream) -> None:
        self.closed = False
        self._stream = stream
        self._error: RpycKernelError | None = None
        self._next: bytes | bytearray | None = None

    def poll(self, deadline: Deadline) -> bool:
        """Wait for a frame; return whether one came. Raises the RpycKernelError for which the connection has ended."""
        while self._next is None:
            self._check()
            before = self._stream.progress
            try:
                if self._stream.waiting or self._ready(deadline.slice(STOP_POLL_INTERVAL_S)):
                    self._next = self._stream.read(deadline.part(FRAME_TIMEOUT_S))
                elif deadline.expired:
                    return False
            except NoAnswerError:
                if deadline.expired:
                    return False
                if self._stream.progress == before:
                    raise self._end(ProtocolError(self._stream.address, "a message that never ended")) from None
            except (RpycKernelError, OSError, ValueError) as error:
                raise self._end(error) from None
        return True

    def _ready(self, seconds: float | None) -> bool:
        with _Selector() as selector:
            selector.register(self._stream, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def recv(self) -> bytes | bytearray:
        """Return the frame that `poll` has found."""
        frame, self._next = self._next, None
        assert frame is not None
        return frame

    def send(self, data: bytes) -> None:
        """Send a frame.

        Raises:
            RpycKernelError: The connection has ended, for this reason.
        """
        self._check()
        try:
            self._stream.send([data], Silence(SEND_TIMEOUT_S))
        except BaseException as error:  # noqa: BLE001 - half a frame may be on its way
            raise self._end(error) from None

    def abandon(self, request: int) -> None:
        """Do nothing: the service finishes the request, since it serves one request at a time."""

    def fail(self, error: RpycKernelError) -> None:
        """Close the connection after a message that isn't RPyC."""
        self._end(error)

    def close(self) -> None:
        """Close the socket without a message."""
        self.closed = True
        self._stream.close()

    def fileno(self) -> int:
        """Return the socket's number, for selectors."""
        return self._stream.fileno()

    def _check(self) -> None:
        if self._error is not None:
            raise again(self._error)
        if self.closed:
            raise RemoteClosedError(self._stream.address, "it was closed here")

    def _end(self, error: BaseException) -> BaseException:
        if not isinstance(error, Exception):
            self.close()
            return error
        if not isinstance(error, (ProtocolError, RemoteClosedError)):
            reason = getattr(error, "reason", "") or str(error)
            error = RemoteClosedError(self._stream.address, reason)
        self._error = self._error or error
        self.close()
        return self._error
