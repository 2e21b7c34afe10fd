"""``%forward`` there: connections that were accepted where the kernel is go on to a port of this machine.

One direct connection carries all of them (`..serve.mux`). The first line of each has the ``host`` and ``port`` to
connect to, and as ``local`` the port of the kernel's machine that leads here; the line that comes back has an
``error``, "" where it is connected. A line with ``forget`` says that a port isn't forwarded any more.
"""

from __future__ import annotations

import os
import socket

from ..direct.first_line import read_line, send_line
from ..direct.passing import pass_bytes
from ..direct.two_way import TwoWay
from ..serve.mux import Mux, MuxError
from .own_thread import OwnThread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

LINE_TIMEOUT_S = 30.0  #: in which the first line has come
CONNECT_TIMEOUT_S = 10.0
PIECE_BYTES = 64 << 10  #: on the way in each direction of a connection
LINGER_S = 60.0  #: that a connection of which one end has gone may be silent
LOCALHOST = ("localhost", "127.0.0.1", "::1")


def serve(sock: socket.socket, forwarded: Dict[int, int]) -> None:
    """Serve one direct connection until the kernel has gone.

    Args:
        sock: The direct connection.
        forwarded: Gets the ports of this machine's localhost that are forwarded, each with the kernel's port.
    """
    line = TwoWay(sock)
    mux = Mux(line.receive, line.send, lambda theirs: _begin(theirs, forwarded), halves=True)

    def write() -> None:
        try:
            mux.write()
        except OSError:
            pass
        finally:
            line.close()

    OwnThread(write, "rpyc-kernel-forward").start()
    try:
        mux.read()
    except (OSError, MuxError):
        pass
    finally:
        mux.end()
        line.close()


def _begin(sock: socket.socket, forwarded: Dict[int, int]) -> None:
    OwnThread(_carry, "rpyc-kernel-forward", (sock, forwarded)).start()


def _carry(sock: socket.socket, forwarded: Dict[int, int]) -> None:
    """Carry one connection."""
    with sock:
        try:
            sock.settimeout(LINE_TIMEOUT_S)
            wanted = read_line(sock)
            if "forget" in wanted:
                forwarded.pop(wanted["forget"], None)
                return
            host, port = str(wanted["host"]), int(wanted["port"])
            if host in LOCALHOST:
                forwarded[port] = int(wanted["local"])
            try:
                target = _connect(host, port)
            except _NotConnected as refused:
                send_line(sock, {"error": str(refused)})
                return
            with target:
                send_line(sock, {"error": ""})
                pass_bytes(sock, target, piece=PIECE_BYTES, halves=True, linger=LINGER_S)
        except (OSError, ValueError, LookupError, TypeError):  # one of the two has gone, or the kernel is none
            pass


class _NotConnected(Exception):
    """The port can't be connected to; the text says why."""


def _connect(host: str, port: int) -> socket.socket:
    try:
        target = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
    except socket.timeout:
        raise _NotConnected("no answer within %g s" % CONNECT_TIMEOUT_S) from None
    except (OSError, OverflowError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        known = isinstance(number, int) and not isinstance(error, socket.gaierror)
        raise _NotConnected(os.strerror(number).lower() if known and number else str(error)) from None
    target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return target
