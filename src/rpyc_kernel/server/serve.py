"""``python -m rpyc_kernel.server.serve PATH``: a classic RPyC server on a private Unix socket.

It serves until its standard input ends, which is when the kernel that started it does; a kernel that was killed can't
remove the socket and the folder that it has made for it, so this does.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from rpyc.core.service import SlaveService
from rpyc.utils.server import ThreadedServer


def main(path: str) -> None:
    """Serve on the Unix socket *path*, for this user alone."""
    before = os.umask(0o177)
    server = ThreadedServer(SlaveService, socket_path=path)
    os.umask(before)
    threading.Thread(target=server.start, daemon=True).start()
    sys.stdin.buffer.read()
    try:
        Path(path).unlink()
        Path(path).parent.rmdir()
    except OSError:
        pass
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
