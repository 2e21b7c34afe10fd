"""A stock RPyC server in a process of its own, for the demo, the examples and measurements."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEFAULT_PORT = 18812
START_TIMEOUT_S = 30.0

# What the README tells a user to type on the other machine, but for loopback only.
SERVER = """\
from rpyc.utils.server import ThreadedServer
from rpyc.core.service import SlaveService
server = ThreadedServer(SlaveService, hostname="127.0.0.1", port={port}, reuse_addr=True)
server.start()
"""


def choose_port(preferred: int = DEFAULT_PORT) -> int:
    """Choose a port if nobody listens on it, and else a free one.

    Args:
        preferred: RPyC's own, or 0 for a free one at once.

    Raises:
        OSError: No port is free.
    """
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    msg = "no free port on 127.0.0.1"
    raise OSError(msg)


@contextmanager
def stock_server(log: Path, preferred: int = DEFAULT_PORT) -> Iterator[int]:
    """Run the server.

    Args:
        log: The file for the server's output.
        preferred: See `choose_port`. On RPyC's own port, notebooks that name no machine find the server.

    Yields:
        The port on which the server listens.

    Raises:
        SystemExit: The server doesn't listen; the text says where its output is.
    """
    port = choose_port(preferred)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER.format(port=port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,  # Ctrl-C in this terminal is for the notebook
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _listens(port):
            if process.poll() is not None:
                sys.exit(f"The RPyC server ended at once; {log} says why.")
            if time.monotonic() > deadline:
                sys.exit(f"The RPyC server does not listen after {START_TIMEOUT_S:.0f} s; see {log}.")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
