"""``serve`` as a process of its own, on any of the Pythons, with a home of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import rpyc_kernel
from tests.compiled import put_agent
from tests.folders import Folder
from tests.servers.rpyc_servers import environment, free_port

# The agent is on the path by itself, as it is where only that is installed: the rest is for newer Pythons.
COMMAND = ("-m", "agent")
PATH = str(Path(rpyc_kernel.__file__).parent)
CODE = r"(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}"
PATIENCE = 30.0  # seconds


class Daemon:
    """A running ``serve``. Leaving the ``with`` block ends it.

    *python*: runs it; *command*: what makes that the daemon, or the agent in `PATH`. *home*: its home, kept by whoever
    gives it.
    """

    def __init__(
        self,
        *options: str,
        python: Path | str = sys.executable,
        command: Sequence[str] = COMMAND,
        env: Mapping[str, str] | None = None,
        home: Path | None = None,
    ) -> None:
        self._folder = Folder("rk-")
        self.folder = self._folder.path
        self.home = home or self.folder / "home"
        self.home.mkdir(exist_ok=True)
        put_agent(self.home / ".cache", str(python))
        self.env = daemon_environment(self.home, env)
        self.command = [str(python), *command, "serve"]
        self.options = options
        self.out, self.err = self.folder / "out", self.folder / "err"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, and wait until it serves."""
        with self.out.open("wb") as out, self.err.open("ab") as err:
            self.process = subprocess.Popen(
                [*self.command, *self.options], env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                cwd=self.home, start_new_session=True,
            )  # fmt: skip
        self.wait_for(r"serves at (\S+)", self.out)
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def address(self) -> str:
        """Where it serves, as a notebook says it."""
        return re.findall(r"serves at (\S+)", self.out.read_text())[-1]

    @property
    def log(self) -> str:
        return self.err.read_text(errors="replace")

    def events(self) -> list[dict[str, Any]]:
        """Read what it has logged with ``--log-format json``."""
        return [json.loads(line) for line in self.log.splitlines()]

    def wait_for(self, pattern: str, file: Path | None = None) -> re.Match[str]:
        """Wait until its log, or what it has printed, matches."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, (file or self.err).read_text(errors="replace"))):
            ended = self.process is None or self.process.poll() is not None
            assert not ended, f"it has ended:\n{self.out.read_text()}{self.log}"
            assert time.monotonic() < deadline, f"no {pattern!r}:\n{self.out.read_text()}{self.log}"
            time.sleep(0.01)
        return found

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run another ``serve`` of the same user, which ends by itself."""
        return subprocess.run(
            [*self.command, *options], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE, cwd=self.home,
        )  # fmt: skip

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        if value is not None:
            print(f"-- what the daemon logged\n{self.log[-4000:]}")
        self._folder.cleanup()


class PortDaemon(Daemon):
    """A daemon on a free port. ``port`` is it."""

    def __init__(self, *options: str, host: str = "127.0.0.1", **more: object) -> None:
        self.port = free_port()
        options = ("--port", str(self.port), "--host", host, "--log-format", "json", *options)
        super().__init__(*options, **more)  # type: ignore[arg-type]

    @property
    def code(self) -> str:
        """The code that it shows, if it was started with ``--pair``."""
        return self.wait_for(CODE, self.out)[0]

    def count(self, event: str) -> int:
        """How often that was logged."""
        return [each["event"] for each in self.events()].count(event)


def run_serve(
    *options: str, env: Mapping[str, str] | None = None, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a ``serve`` that ends by itself; *env* and *home* are `Daemon`'s."""
    daemon = Daemon(env=env, home=home)
    try:
        return daemon.run(*options)
    finally:
        daemon.__exit__(None, None, None)


def daemon_environment(home: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a user of that home."""
    inherited = {name: "" for name in os.environ if name.startswith(("XDG_", "JUPYTER"))}
    return environment({**inherited, "HOME": str(home), "PYTHONPATH": PATH, **(env or {})})
