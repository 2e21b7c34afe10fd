"""The kernels that are compared."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from jupyter_client.connect import write_connection_file

from benchmarks.client import Client

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.processes import Processes
    from benchmarks.servers import Server


class Contender:
    """A kind of kernel.

    Attributes:
        name: Its column in the table.
        command: The command that starts it; ``-f`` and the connection file follow.
        connect: The line with which its first cell begins.
        server: The server that its cells run on.
    """

    def __init__(self, name: str, command: list[str | Path], connect: str = "", server: Server | None = None) -> None:
        self.name = name
        self.command = command
        self.connect = connect
        self.server = server

    def knowing(self) -> Contender:
        """Return the same kernel, with an option instead of the line of its first cell."""
        if not self.connect:
            return self
        option = f"--RpycKernel.address={self.connect.split()[-1]}"
        return Contender(self.name, [*self.command, option], "", self.server)


def local() -> Contender:
    """The ipykernel of this Python."""
    return Contender("ipykernel", [sys.executable, "-m", "ipykernel_launcher"])


def ours(name: str, server: Server, port: int = 0) -> Contender:
    """This kernel.

    Args:
        name: Its column in the table.
        server: Where its cells run.
        port: Where a proxy in front of the server listens; 0 without one.
    """
    line = f"%connect 127.0.0.1:{port or server.port}\n"
    return Contender(name, [sys.executable, "-m", "rpyc_kernel"], line, server)


def predecessor(python: Path, server: Server, host: str) -> Contender:
    """The rpyc_ikernel of another Python, which knows one port only."""
    return Contender("rpyc_ikernel", [python, "-m", "rpyc_ikernel"], f'$connect("{host}")\n', server)


class Kernel:
    """A running kernel with its front end.

    Attributes:
        started: When its process was started (`time.perf_counter`).
        file: Its connection file.
    """

    def __init__(self, processes: Processes, contender: Contender) -> None:
        self.contender = contender
        self.file = str(processes.folder / f"kernel-{time.monotonic_ns()}.json")
        write_connection_file(self.file)
        self.started = time.perf_counter()
        self.process, self.mark = processes.start(*contender.command, "-f", self.file)
        self.client = self.front_end()

    def front_end(self) -> Client:
        """Make one more front end, which its maker closes."""
        return Client(self.file, lambda: self.process.poll() is None)

    def first(self, code: str) -> float:
        """Run the first cell, and return the seconds since the kernel was started."""
        answer = self.client.run(self.contender.connect + code, reply_only=True)
        assert answer.content["status"] == "ok", answer.content
        return time.perf_counter() - self.started

    def close(self) -> None:
        """End the kernel, which ends its session."""
        if self.process.poll() is None:
            self.client.shutdown()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.client.close()
