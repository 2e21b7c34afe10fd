"""The other machine: a stock rpyc server as a process of its own, from its own venv, with its own home and folders."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests import elsewhere
from tests.compiled import put_agent
from tests.folders import Folder
from tests.servers.rpyc_servers import Server, start_server
from tests.servers.venvs import DEBUGGED, DEBUGGED_IPYTHON, WIDGET_LIBRARIES, WITH_IPYTHON, WITHOUT_IPYTHON

PACKAGES = {"ipython": WITH_IPYTHON, "plain": WITHOUT_IPYTHON, "bare": [], "widgets": WIDGET_LIBRARIES}
PACKAGES.update({"debugged ipython": DEBUGGED_IPYTHON, "debugged plain": DEBUGGED})

SPAWNED = "spawned "

# The one-liner of the README, for tests that start a server in their own way.
STOCK_LINE = (
    "from rpyc.utils.server import ThreadedServer;from rpyc.core.service import SlaveService;"
    "server = ThreadedServer(SlaveService, hostname='127.0.0.1', port={port}, reuse_addr=True);server.start();"
)


class Remote:
    """One server. A context manager: leaving it ends the server and what it left behind.

    `kind`: what its Python has, a key of PACKAGES, with SPAWNED before it if its workers are to be spawned and it sees
    nothing of POSIX; `env` is added to its environment; the rest is `start_server`'s.
    """

    def __init__(self, kind: str, *, env: dict[str, str] | None = None, **server: Any) -> None:
        self.name = kind
        self.kind = kind = kind.removeprefix(SPAWNED)
        if self.name != kind or os.environ.get("RPYC_KERNEL_TESTS_SPAWNED"):
            env = {**elsewhere.SERVER, **(env or {})}
        self._folder = Folder("rr-")
        self.folder = self._folder.path
        self.home, self.tmp, self.work = (self.folder / each for each in ("home", "tmp", "work"))
        for each in (self.home, self.tmp, self.work):
            each.mkdir(mode=0o700)
        inherited = {name: "" for name in os.environ if name.startswith(("XDG_", "JUPYTER", "IPYTHON", "LC_", "MPL"))}
        self.env = {
            **inherited, "LANG": "C.UTF-8", "HOME": str(self.home), "TMPDIR": str(self.tmp), "RK_WHERE": "there",
            "RK_REMOTE": self.folder.name, "MPLCONFIGDIR": str(_fonts()), "TERM": "dumb", **(env or {}),
        }  # fmt: skip
        self.options = {"extra_packages": PACKAGES[kind], "cwd": self.work, **server}
        self.server: Server | None = None

    def start(self) -> Self:
        """Start it, again where it was killed."""
        if self.server is not None:
            self.server.__exit__(None, None, None)
        self.server = start_server(env=self.env, **self.options)
        put_agent(self.home / ".cache", self.server.python)
        return self

    @property
    def running(self) -> Server:
        assert self.server is not None, "the server was not started"
        return self.server

    @property
    def port(self) -> int:
        return self.running.port

    @property
    def address(self) -> str:
        return self.running.address

    @property
    def python(self) -> str:
        """The Python it runs on, in its venv."""
        return Path(f"/proc/{self.running.pid}/cmdline").read_text().split("\0")[0]

    def python_says(self, expression: str) -> str:
        """What another process of the server's Python prints for an expression."""
        command = [self.python, "-c", f"import sys, platform; print({expression})"]
        return subprocess.check_output(command, text=True, timeout=30).strip()

    def processes(self) -> dict[int, str]:
        """What this server has started and still runs, itself not counted: pid to command line."""
        own = self.server.pid if self.server else 0
        return {pid: line for pid, line in processes_with("RK_REMOTE", self.folder.name).items() if pid != own}

    def files(self) -> set[str]:
        """Every path below its home, its folder for temporary files, and the one it was started in."""
        tops = (self.home, self.tmp, self.work)
        return {str(path.relative_to(self.folder)) for top in tops for path in top.rglob("*")}

    def stop(self) -> None:
        """End the server, and whatever of it is still there."""
        if self.server is not None:
            self.server.stop()
        wait_until(self._all_killed)

    def _all_killed(self) -> bool:
        """Kill what there is; whether that was nothing. What was killed may have forked meanwhile: a new session."""
        processes = self.processes()
        for pid in processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not processes

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self.server is not None:
            self.server.__exit__(kind, value, trace)
        self._folder.cleanup()


def processes_with(name: str, value: str) -> dict[int, str]:
    """The running processes that have this in their environment: pid to command line."""
    wanted = f"{name}={value}".encode()
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            environment = (folder / "environ").read_bytes()
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0") and line:  # a zombie has an empty line
            found[int(folder.name)] = line.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def wait_until(condition: Callable[[], object], timeout: float = 20) -> bool:
    """Poll `condition()` for things that send no message (files, processes). Whether it came true."""
    deadline = time.monotonic() + timeout
    while not (held := bool(condition())) and time.monotonic() < deadline:
        time.sleep(0.01)
    return held


def _fonts() -> Path:
    """matplotlib's font cache, kept: making it takes seconds."""
    folder = Path(tempfile.gettempdir()) / f"rpyc-kernel-tests-matplotlib-{os.getuid()}"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder
