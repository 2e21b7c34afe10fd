"""Serves a kernel through the stdin and stdout of a program that ssh, docker, adb or the kernel itself has started.

The kernel's half is ``transport/program.py``. This process ends with its stdin, or when nothing is heard from the
kernel for a while; the sessions are processes of their own, and stay.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from .mux import READ_BYTES, Mux, MuxError
from .rpyc_server import RequestError, serve_connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import BinaryIO

MAX_SILENCE_S = 120.0  #: a kernel says something every 15 s, unless it is stopped or its network is gone
NAME = "Gateway"  #: by which a kernel knows this kind of server


def main(stream: BinaryIO, out: int) -> None:
    """Serve until the kernel has gone. It never returns.

    Args:
        stream: What comes in.
        out: The descriptor for what goes out.
    """

    def send(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(out, view) :]

    mux = Mux(lambda: stream.read1(READ_BYTES), send, _begin)  # type: ignore[attr-defined]
    threading.Thread(target=_end_with, args=(mux.read,), name="rpyc-kernel-read", daemon=True).start()
    threading.Thread(target=_end_with, args=(mux.write,), name="rpyc-kernel-write", daemon=True).start()
    while time.monotonic() - mux.heard < MAX_SILENCE_S:
        time.sleep(MAX_SILENCE_S / 10)
    os._exit(0)


def _end_with(work: object) -> None:
    """Do the work, and end the process."""
    try:
        work()  # type: ignore[operator]
    except (OSError, MuxError) as error:
        print("rpyc-kernel: the connection to the notebook broke: %s" % error, file=sys.stderr, flush=True)
    finally:
        os._exit(0)


def _begin(sock: socket.socket) -> None:
    threading.Thread(target=_serve, args=(sock,), name="rpyc-kernel-connection", daemon=True).start()


def _serve(sock: socket.socket) -> None:
    try:
        serve_connection(sock, NAME)
    except RequestError as error:
        print("rpyc-kernel: a connection was closed: %s" % error, file=sys.stderr, flush=True)
