"""The broker's part of a direct connection: the kernel's socket becomes the worker's.

A Unix socket can carry the descriptor of another socket, so that the worker reads what the kernel has sent without
anybody between. Where it can't (TLS belongs to the process that has negotiated it; Windows), the broker passes bytes
both ways. Either way the server's thread waits here, and leaves the connection alone, until the worker is done.
"""

from __future__ import annotations

import array
import socket

from .passing import pass_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

HANDED, PASSED = b"H", b"P"  #: what the worker is told: the kernel's socket comes with it; or the broker stays between


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
            pass_bytes(kernel, worker)
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
