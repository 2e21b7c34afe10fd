"""The other machine is a Windows: a stock RPyC server on its Python, as a process of its own."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.folders import Folder
from tests.kernel.remotes import processes_with
from tests.servers.rpyc_servers import free_port
from tests.windows.wine import START_SECONDS, Wine, windows_path

MARK = "RK_REMOTE"  # not RPYC_…, which servers don't inherit
# It listens before it says so; a second listen() does no harm.
SCRIPT = """\
import os
os.environ["LOCALAPPDATA"] = {private!r}  # where Wine's own start has put the user's
from rpyc.core.service import SlaveService
from rpyc.utils.server import ThreadedServer
server = ThreadedServer(SlaveService, hostname="127.0.0.1", port={port})
server.listener.listen(16)
print("listens", flush=True)
server.start()
"""


class WindowsServer:
    """One server, with a folder for private files of its own. A context manager: leaving it ends all that it started.

    :param kind: ``plain``, or ``ipython`` if its Python has that
    """

    def __init__(self, wine: Wine, kind: str = "plain", *, port: int = 0, **env: str) -> None:
        self.wine = wine
        self.kind = kind
        self.port = port or free_port()
        self._folder = Folder("rr-")
        self.folder = self._folder.path
        self.env = {MARK: self.folder.name, **env}
        if kind == "ipython":
            self.env.update(PYTHONPATH=windows_path(wine.packages), IPYTHONDIR=windows_path(self.folder / "ipython"))
        self.said: list[bytes] = []
        self._listens = threading.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def sessions(self) -> Path:
        """Where the records of its sessions are."""
        return self.folder / "rpyc-kernel" / "sessions"

    def start(self) -> Self:
        """Start it and wait until it listens; it may have been started, and have ended, before."""
        self._listens.clear()
        script = SCRIPT.format(port=self.port, private=windows_path(self.folder))
        self.process = subprocess.Popen(
            self.wine.command("-u", "-c", script), env=self.wine.environment(**self.env), cwd=self.folder,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=self._hear, args=(self.process,), daemon=True).start()
        self._listens.wait(START_SECONDS)
        said = b"".join(self.said).decode(errors="replace")
        assert self.said[-1:] == [b"listens\r\n"], f"exit code {self.process.poll()}, and it said {said!r}"
        return self

    def _hear(self, process: subprocess.Popen[bytes]) -> None:
        with process.stdout as lines:
            for line in lines:
                self.said.append(line)
                if line.startswith(b"listens"):
                    self._listens.set()
        self._listens.set()  # it has ended

    def kill(self) -> None:
        """End the server, and leave its sessions alone."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()

    def pythons(self, words: str = "") -> dict[int, str]:
        """What it has started and still runs, itself not counted: the system's pid to the command line."""
        found = processes_with(MARK, self.folder.name)
        return {
            pid: line for pid, line in found.items()
            if "python.exe" in line and words in line and pid != self.process.pid
        }  # fmt: skip

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.wine.end(self.pythons())
        if value is not None:
            print(f"-- what the server printed\n{b''.join(self.said).decode(errors='replace')[-4000:]}")
        self._folder.cleanup()


Servers = Callable[..., WindowsServer]
