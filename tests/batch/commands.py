"""`rpyc-kernel` as a process of its own, as a shell runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import IO, Any, Self

from tests import nursery

LINE = "import sys; from rpyc_kernel.cli.main import main; sys.exit(main())"


class Command:
    """One command. A context manager: leaving it kills the process if it still runs.

    `stdin` is what it reads there; without it, the test writes to `process.stdin`. With its own `env` it is a process
    that this one starts, else one that the nursery forks (`tests/nursery.py`), and so is a kernel of it.
    """

    def __init__(self, *argv: object, stdin: bytes | None = b"", env: dict[str, str] | None = None) -> None:
        words = ["-c", LINE, *map(str, argv)]
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        pipes["env"] = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(env or {})}
        pipes["env"].pop("PYTHONUNBUFFERED", None)  # users have none
        if env is None:
            self.process = nursery.start(words, kernels=int(words[2] == "run"), **pipes)
        else:
            self.process = subprocess.Popen([sys.executable, *words], **pipes)
        self._texts = {"out": b"", "err": b""}
        self._changed = threading.Condition()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        if stdin is not None:
            self.process.stdin.write(stdin)
            self.process.stdin.close()
        self._threads = [
            threading.Thread(target=self._read, args=("out", self.process.stdout), daemon=True),
            threading.Thread(target=self._read, args=("err", self.process.stderr), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, name: str, pipe: IO[bytes]) -> None:
        while data := os.read(pipe.fileno(), 1 << 16):
            with self._changed:
                self._texts[name] += data
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def out(self) -> str:
        return self._texts["out"].decode()

    @property
    def err(self) -> str:
        return self._texts["err"].decode()

    def until(self, text: str, name: str = "out", timeout: float = 30.0) -> None:
        """Wait until it has written that text."""
        with self._changed:
            done = self._changed.wait_for(lambda: text.encode() in self._texts[name], timeout)
        assert done, f"{text!r} has not come; out: {self.out!r}, err: {self.err!r}"

    def write(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, timeout: float = 60.0) -> int:
        """Wait for its end, and for all that it has written; return its exit code."""
        deadline = time.monotonic() + timeout
        code = self.process.wait(timeout)
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
