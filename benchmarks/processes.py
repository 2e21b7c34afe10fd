"""The processes of a run: all of them end with it, whoever their parents are by then.

A keeper has left its parent. It is found by a mark in the environment that it has inherited.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

MARK = "RPYC_KERNEL_BENCHMARK"


class Processes:
    """The processes of a run. Leaving the ``with`` block ends them, and removes their folder.

    Attributes:
        mark: What the marks of all processes of the run begin with.
        folder: A folder of the run's own.
    """

    def __init__(self) -> None:
        self.mark = secrets.token_hex(8)
        self._folder = tempfile.TemporaryDirectory(prefix="rk-bench-")
        self.folder = Path(self._folder.name)
        self._count = 0
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str | Path) -> tuple[subprocess.Popen[bytes], str]:
        """Start a process in an environment and a folder of the run; return both it and its mark."""
        self._count += 1
        mark = f"{self.mark}-{self._count}"
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "JUPYTER", "IPY"))}
        env.update({MARK: mark, "IPYTHONDIR": str(self.folder / "ipython"), "JUPYTER_RUNTIME_DIR": str(self.folder)})
        env.update({name: str(self.folder / "home") for name in ("XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "TMPDIR")})
        (self.folder / "home").mkdir(mode=0o700, exist_ok=True)
        with (self.folder / f"log-{self._count}").open("wb") as log:
            process = subprocess.Popen(
                command, env=env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self._started.append(process)
        return process, mark

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + 3.0
            while (left := marked(self.mark)) and time.monotonic() < end:
                for pid in left:
                    _kill(pid, number)
                time.sleep(0.1)
        for process in self._started:
            process.wait()
        self._folder.cleanup()


def marked(mark: str) -> list[int]:
    """Find the processes whose mark begins like this, but for zombies."""
    wanted = f"\0{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = b"\0" + (folder / "environ").read_bytes()
            zombie = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if wanted in environment and not zombie:
            found.append(int(folder.name))
    return found


def private_memory(pids: list[int]) -> float:
    """Add up the MiB of memory of some processes; a page that several share is divided among them (Pss_Anon)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss_Anon:"):
                total += int(line.split()[1])
    return total / 1024


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
