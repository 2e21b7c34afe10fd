"""Stock RPyC servers, and the slow link in front of one."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.processes import Processes

# The server listens before it tells its port.
_SCRIPT = """\
import os
from rpyc.core.service import SlaveService
from rpyc.utils.server import ThreadedServer
server = ThreadedServer(SlaveService, hostname={host!r}, port={port})
server.listener.listen(16)
with open({report!r} + "-", "w") as file:
    file.write(str(server.port))
os.rename({report!r} + "-", {report!r})
server.start()
"""


class Server:
    """A stock server.

    Attributes:
        process: The server's process.
        mark: The mark of the sessions that it starts, see `processes.marked`.
        port: Where it listens.
    """

    def __init__(self, processes: Processes, python: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        report = processes.folder / f"port-{time.monotonic_ns()}"
        script = _SCRIPT.format(host=host, port=port, report=str(report))
        self.process, self.mark = processes.start(python, "-c", script)
        self.port = _port(report)


class SlowLink:
    """A TCP proxy that delays each byte in both directions.

    Args:
        processes: The run that it belongs to.
        port: Where the server behind it listens.
        delay: Seconds, in each direction.
    """

    def __init__(self, processes: Processes, port: int, delay: float) -> None:
        report = processes.folder / f"port-{time.monotonic_ns()}"
        proxy = Path(__file__).with_name("proxy.py")
        processes.start(sys.executable, str(proxy), str(port), str(delay), str(report))
        self.port = _port(report)


def _port(report: Path) -> int:
    end = time.monotonic() + 30
    while not report.exists():
        if time.monotonic() > end:
            raise TimeoutError("a server did not start within 30 s")
        time.sleep(0.01)
    return int(report.read_text())
