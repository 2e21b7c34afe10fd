"""The broker's part of a direct connection: the kernel's socket becomes the worker's.

A Unix socket can carry the descriptor of another socket, so that the worker reads what the kernel has sent without
anybody between. Where it can't (TLS belongs to the process that has negotiated it; Windows), the broker passes bytes
both ways. Either way the server's thread waits here, and leaves the connection alone, until the worker is done.
"""

from __future__ import annotations

import array
import socket

from .nonblocking import attempt, wait_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional

HANDED, PASSED = b"H", b"P"  #: what the worker is told: the kernel's socket comes with it; or the broker stays between
PIECE_BYTES = 256 << 10


def hand_over(kernel: Any, worker: socket.socket) -> None:
    """Connect a kernel with a worker until one of the two has gone.

    Args:
        kernel: The socket of the kernel, of TLS or not.
        worker: The broker's connection to the worker.
    """
    try:
        if _can_be_handed(kernel, worker):
            descriptors = array.array("i", [kernel.fileno()])
            worker.sendmsg([HANDED], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
            worker.recv(1)  # at its end
        else:
            worker.sendall(PASSED)
            _pass(kernel, worker)
    except OSError:
        pass
    finally:
        worker.close()
        try:
            kernel.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _can_be_handed(kernel: Any, worker: socket.socket) -> bool:
    unix = getattr(socket, "AF_UNIX", None)
    return hasattr(socket, "SCM_RIGHTS") and worker.family == unix and not hasattr(kernel, "pending")


def receive_handed(broker: socket.socket) -> Optional[socket.socket]:
    """Take the socket that the broker's end gives away; None where the broker stays between. It blocks.

    Raises:
        OSError: The broker has gone.
    """
    if not hasattr(broker, "recvmsg"):
        word = broker.recv(1)
    else:
        room = socket.CMSG_SPACE(array.array("i", [0]).itemsize)
        word, ancillary, _flags, _address = broker.recvmsg(1, room)
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors = array.array("i")
                descriptors.frombytes(data[: descriptors.itemsize])
                return socket.socket(fileno=descriptors[0])
    if word != PASSED:
        raise OSError("the broker has gone")
    return None


class _Way:
    """One direction: what was read from one socket and the other has not taken yet."""

    def __init__(self, source: Any, target: Any) -> None:
        self.source, self.target = source, target
        self._memory = memoryview(bytearray(PIECE_BYTES))
        self._start = self._end = 0
        self.ended = False

    @property
    def full(self) -> bool:
        return self._start < self._end

    def step(self) -> bool:
        """Read once and write as much as is taken. Returns whether anything moved."""
        moved = False
        if not self.full and not self.ended:
            count = attempt(lambda: self.source.recv_into(self._memory))
            if count is not None:
                self.ended, self._start, self._end, moved = count == 0, 0, count, count > 0
        if self.full:
            count = attempt(lambda: self.target.send(self._memory[self._start : self._end]))
            if count:
                self._start += count
                moved = True
        return moved


def _pass(kernel: Any, worker: socket.socket) -> None:
    """Pass bytes both ways until one end has gone."""
    for sock in (kernel, worker):
        sock.setblocking(False)
    ways = [_Way(kernel, worker), _Way(worker, kernel)]
    while True:
        moved = [way.step() for way in ways]
        if any(way.ended and not way.full for way in ways):
            return
        if any(moved):
            continue
        readers: List[Any] = [way.source for way in ways if not way.full and not way.ended]
        writers: List[Any] = [way.target for way in ways if way.full]
        wait_ready(readers, writers)
