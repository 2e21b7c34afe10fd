"""Our own RPyC server (``agent/serve/rpyc_server.py``) on a port of loopback, on any of the Pythons."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rpyc_kernel

# The agent is on the path by itself, since the rest of the package is for newer Pythons.
_SCRIPT = f"""
import socket, sys, threading
sys.path.insert(0, {str(Path(rpyc_kernel.__file__).parent)!r})
from agent.serve.rpyc_server import RequestError, serve_connection

def serve(sock):
    try:
        serve_connection(sock, "the test's")
    except RequestError as error:
        print("refused:", error, flush=True)

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@contextmanager
def own_server(python: Path | str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run the server with that Python. Gives its port, and its process, whose stdout tells whom it refused."""
    process = subprocess.Popen(
        [str(python), "-c", _SCRIPT], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout
            yield int(process.stdout.readline()), process
        finally:
            process.kill()
