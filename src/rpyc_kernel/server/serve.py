"""``python -m rpyc_kernel.server.serve PATH``: a classic RPyC server for this user alone, on a Unix socket.

Where the system has none (Windows), it is a port on loopback that lets in who knows the secret in the file PATH.

It serves until its standard input ends, which ends with the kernel that has started it. It removes the socket and its
folder itself, which a kernel that was killed can't do.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

from rpyc.core.service import SlaveService
from rpyc.utils.server import ThreadedServer

from rpyc_kernel.server.door import Door


def main(path: str) -> None:
    """Serve on the Unix socket *path*, or on a port that is described there, for this user alone."""
    server = _on_a_socket(path) if hasattr(socket, "AF_UNIX") else _on_a_port(Path(path))
    threading.Thread(target=server.start, daemon=True).start()
    sys.stdin.buffer.read()
    try:
        Path(path).unlink()
        Path(path).parent.rmdir()
    except OSError:
        pass
    os._exit(0)


def _on_a_socket(path: str) -> ThreadedServer:
    before = os.umask(0o177)
    server = ThreadedServer(SlaveService, socket_path=path)
    os.umask(before)
    return server


def _on_a_port(path: Path) -> ThreadedServer:
    door = Door()
    server = ThreadedServer(SlaveService, hostname="127.0.0.1", port=0, authenticator=door)
    server.listener.listen()  # before anybody is told
    door.describe(server.port, path)
    return server


if __name__ == "__main__":
    main(sys.argv[1])
