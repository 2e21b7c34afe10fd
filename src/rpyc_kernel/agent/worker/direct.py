"""The worker's end of direct connections: a thread for each, which answers what the kernel asks.

A ``direct_request`` brings a key, and ``direct_reply`` says where the worker listens. With both a broker connects, and
gives the kernel's socket over (`..direct.handover`). From then on requests and answers are packets
(`..direct.packets`), one answer for each request, in their order. An operation's name is ``family.name``. A request
with ``live`` is for the frames of the live connection of that id (`..direct.shortcut`), one with ``forward`` for
connections to ports of this machine (`.forwarding`).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from weakref import WeakSet

from .. import local_socket, wire
from ..direct import handover, packets
from .failures import describe
from .own_thread import OwnThread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Optional, Protocol, Sequence, Tuple

    from ..wire import Bytes, Json, Message
    from .frontend import Frontend

    class Operations(Protocol):
        """The operations of one family, used by the threads of connections."""

        def room(self, name: str, header: Json, sizes: Sequence[int]) -> Optional[Sequence[memoryview]]:
            """Say where the buffers of a request go; None: into new memory. Raises DirectError."""

        def do(self, name: str, header: Json, buffers: Sequence[memoryview]) -> Tuple[Json, Sequence[Bytes]]:
            """Do one operation, and return the answer. Raises DirectError."""


#: the sockets of all that there are; a process that is forked from here may have to close them
carrying: WeakSet[socket.socket] = WeakSet()
BROKER_TIMEOUT_S = 60.0  #: in which the kernel has to dial: small boards and long ways take their time


class DirectError(Exception):
    """An operation can't be done; its text is for the user.

    Attributes:
        code: The name of the system's error, as ``ENOENT``; "" where it isn't the system's.
    """

    def __init__(self, sentence: str, code: str = "") -> None:
        Exception.__init__(self, sentence)
        self.code = code


class Direct:
    """The direct connections of this worker.

    Args:
        frontend: Sends the answer to ``direct_open``.
        families: What makes the operations of a family when the first of them is asked for, by its name.
        carry: Has a socket carry the frames of the live connection of that id, until it is of no use any more.
    """

    def __init__(
        self,
        frontend: Frontend,
        families: Dict[str, Callable[[], Operations]],
        carry: Callable[[str, socket.socket], None],
    ) -> None:
        self._frontend = frontend
        self._families = families
        self._carry = carry
        self._made: Dict[str, Operations] = {}
        self._lock = threading.Lock()  # guards the line above

    def listen(self, number: int, message: Message) -> None:
        """Listen for a broker that knows the key which the message brings. On the sorter's thread."""
        self._frontend.remember(number, message.parent)
        try:
            key = bytes.fromhex(message.content["key"])
            listener, name = local_socket.listen(None, "direct-%d-%s" % (os.getpid(), os.urandom(8).hex()))
            arguments = listener, key, self._server(message.content)
            OwnThread(self._accept, "rpyc-kernel-direct", arguments).start()
            answer: Json = {"status": "ok", "socket": name}
        except (OSError, LookupError, TypeError, ValueError, RuntimeError) as error:
            answer = {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
        self._frontend.reply(number, wire.reply_type(message.type), answer)

    def _server(self, content: Json) -> Callable[[socket.socket], None]:
        """What serves the kernel: packets, the frames of a live connection, or connections that are forwarded."""
        if content.get("forward"):
            from . import forwarding  # late: few sessions need it

            return lambda sock: forwarding.serve(sock, self._frontend.forwarded)
        live = content.get("live")
        return self._serve if live is None else lambda sock: self._carry(live, sock)

    def _accept(self, listener: socket.socket, key: bytes, serve: Callable[[socket.socket], None]) -> None:
        """Take the one broker that is expected, and serve its kernel."""
        with listener:
            broker = _broker(listener, key)
        if broker is None:
            return
        with broker:
            try:
                kernel = handover.receive_handed(broker)
                sock = broker if kernel is None else kernel
                carrying.add(sock)
                with sock:
                    sock.setblocking(True)
                    sock.sendall(packets.GREETING)
                    serve(sock)
            except (OSError, EOFError, packets.PacketError):
                pass  # the kernel has gone, or is none

    def _serve(self, sock: socket.socket) -> None:
        def receive(into: memoryview) -> None:
            while into:
                count = sock.recv_into(into, 0, getattr(socket, "MSG_WAITALL", 0))
                if not count:
                    raise EOFError
                into = into[count:]

        while True:
            request = _Request(self._operations)
            header, buffers = packets.read(receive, request.room)
            answer, more = request.answer(header, buffers)
            packets.send(sock, answer, more)

    def _operations(self, family: str) -> Operations:
        with self._lock:
            if family not in self._made:
                if family not in self._families:
                    raise DirectError("this session knows no %.40r" % family)
                self._made[family] = self._families[family]()
            return self._made[family]


def _broker(listener: socket.socket, key: bytes) -> Optional[socket.socket]:
    """Wait for the broker that knows the key, whoever else comes before; None where it doesn't come."""
    deadline = time.monotonic() + BROKER_TIMEOUT_S
    while time.monotonic() < deadline:
        listener.settimeout(BROKER_TIMEOUT_S)
        try:
            peer, _address = listener.accept()
        except OSError:
            return None
        try:
            local_socket.accept(peer, key)
        except OSError:
            peer.close()
        else:
            return peer
    return None


class _Request:
    """One request, whose operation decides where its buffers go before they come."""

    def __init__(self, operations: Callable[[str], Operations]) -> None:
        self._find = operations
        self._operations: Optional[Operations] = None
        self._name = ""
        self._error: Optional[Exception] = None

    def room(self, header: Json, sizes: Sequence[int]) -> Optional[Sequence[memoryview]]:
        """Find the operation, and room for the buffers. A request that is refused is read all the same."""
        family, _dot, self._name = str(header.get("op")).partition(".")
        try:
            self._operations = self._find(family)
            return self._operations.room(self._name, header, sizes)
        except Exception as error:
            self._error = _bare(error)
            return None

    def answer(self, header: Json, buffers: Sequence[memoryview]) -> Tuple[Json, Sequence[Bytes]]:
        """Do it, and return the answer."""
        if self._error is None and self._operations is not None:
            try:
                return self._operations.do(self._name, header, buffers)
            except Exception as error:
                self._error = _bare(error)
        if isinstance(self._error, DirectError):
            return {"error": str(self._error), "code": self._error.code}, ()
        return {"error": describe(self._error or ValueError("no operation"))}, ()


def _bare(error: Exception) -> Exception:
    """An error without the frames that it came through: in a circle with them, it would keep what they have mapped."""
    error.__context__ = None
    return error.with_traceback(None)
