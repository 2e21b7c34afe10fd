"""Stock RPyC servers as processes of their own, each from a venv with the Python and the RPyC that a test asks for.

>>> from tests.servers.rpyc_servers import start_server
>>> with start_server(rpyc="5.3.1") as server:
...     dial(Address.parse(server.address))

A test that asks for a Python which this machine doesn't have is skipped (tests/needs.py).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests import nursery
from tests.folders import Folder
from tests.servers.venvs import CURRENT_PYTHON, CURRENT_RPYC, VERSIONS, venv

KINDS = ["threaded", "instance", "pool", "forking", "oneshot", "classic"]


# It listens before it tells its port, so that nobody comes too early; a second listen() does no harm.
_SCRIPT = """\
import os
import random
from rpyc.core.service import SlaveService, Service, VoidService
from rpyc.utils import server as servers
{before}
server = servers.{server}({service}, hostname={host!r}, port={port}, {options})
server.listener.listen(16)
with open({report!r} + "-", "w") as report:
    report.write(str(server.port))
os.rename({report!r} + "-", {report!r})
server.start()
"""
_SERVERS = {
    "threaded": "ThreadedServer",
    "instance": "ThreadedServer",
    "pool": "ThreadPoolServer",
    "forking": "ForkingServer",
    "oneshot": "OneShotServer",
}


def started(command: Sequence[str], *, env: Mapping[str, str], cwd: str | Path, log: IO[bytes]) -> Any:
    """Start a server that prints into *log*."""
    return subprocess.Popen(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )


def may_fork(command: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether a server is one that a nursery may fork: of this Python, and without what an interpreter begins with."""
    begins_with = any(name.startswith(("LC_", "PYTHON", "RPYC_BIND", "TZ")) for name in env)
    is_own = f"/py{CURRENT_PYTHON}-" in command[0] and env.get("LANG") in (None, nursery.LANG)
    return nursery.may_fork() and command[1] == "-c" and is_own and not begins_with


class Server:
    """A running server. Leaving the ``with`` block ends it, by its process number."""

    def __init__(self, command: Sequence[str], folder: Folder, env: Mapping[str, str], cwd: str | Path | None) -> None:
        self._folder = folder
        self.folder = folder.path
        self.log_file = self.folder / "log"
        self.python = command[0]
        self.port = 0
        self.host = "127.0.0.1"
        with self.log_file.open("wb") as log:
            begin = nursery.start_server if may_fork(command, env) else started
            self.process: Any = begin(command, cwd=cwd or self.folder, env=env, log=log)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def running(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, listens: Callable[[], object], timeout: float = 20.0) -> None:
        """Wait until it listens, as the function tells; where it doesn't, it is ended."""
        try:
            end = time.monotonic() + timeout
            while not listens():
                assert self.running(), f"it ended while it started:\n{self.log}"
                assert time.monotonic() < end, f"it did not start within {timeout} s:\n{self.log}"
                time.sleep(0.01)
        except BaseException:
            self.kill()
            self._folder.cleanup()
            raise

    def stop(self) -> None:
        """End it politely, and what it has forked; kill it if it doesn't listen."""
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def kill(self) -> None:
        """End it the way a power cut does."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)  # its own group (start_new_session), of which it is the first
        except ProcessLookupError:
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if value is not None:
            print(f"-- what the server printed\n{self.log[-4000:]}")
        self._folder.cleanup()


def start_server(
    kind: str = "threaded",
    *,
    rpyc: str = CURRENT_RPYC,
    python: str = "",
    extra_packages: Iterable[str] = (),
    service: str = "SlaveService",
    before: str = "",
    options: str = "",
    host: str = "127.0.0.1",
    port: int = 0,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    timeout: float = 20.0,
) -> Server:
    """Start a server and wait until it listens. To be used in a ``with`` block.

    *kind*: one of KINDS; "instance" is a ThreadedServer of ``service()``, "classic" is rpyc's own script.
    *python*: "3.9" and the like; by default the one that belongs to *rpyc* in VERSIONS, for the current RPyC the one
    that runs the tests. *service*: an expression; *before*: lines that the script begins with; *options*: further
    arguments of the server's class. *env*: added to the environment, "" takes a variable away. *port* 0: a free one.
    """
    python = python or (CURRENT_PYTHON if rpyc == CURRENT_RPYC else dict(VERSIONS)[rpyc])
    interpreter = venv(python, rpyc, extra_packages)
    folder = Folder("rk-server-")
    report = folder.path / "port"
    port = port or free_port()
    if kind == "classic":
        script = next(path for path in sorted(interpreter.parent.glob("rpyc_classic*")) if path.is_file())
        command = [str(interpreter), str(script), "--host", host, "--port", str(port)]
    else:
        text = _SCRIPT.format(
            before=before,
            server=_SERVERS[kind],
            service=f"{service}()" if kind == "instance" else service,
            host=host,
            port=port,
            options=options,
            report=str(report),
        )
        command = [str(interpreter), "-c", text]
    server = Server(command, folder, environment(env or {}), cwd)
    server.host = host
    classic = kind == "classic"
    server.wait_for(lambda: "server started on" in server.log if classic else report.exists(), timeout)
    server.port = port if classic else int(report.read_text())
    return server


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The tests' own environment, without what would change how Python or RPyC behaves there."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RPYC_", "COV_"))}
    env.update(extra)
    return {name: value for name, value in env.items() if value}


_PORTS = random.sample(range(20_000, 32_000), 12_000)
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(port for port in _PORTS if port % 8 == _WORKER % 8)


def free_port() -> int:
    """Return a TCP port that nobody listens on now.

    It is none of those that the system hands out by itself, so that it is still free when a server takes it, and when
    one that was killed is started on it again; nor one that was returned lately, here or to tests beside these.
    """
    while True:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
