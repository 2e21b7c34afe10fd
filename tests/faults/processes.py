"""The processes behind a notebook, by what each is; and stopping and killing them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kernel.remotes import Remote, wait_until

WORKER_AND_KEEPER = "import os\nprint(os.getpid(), os.getppid())"
"""A cell that prints the numbers of the two."""


def pids(printed: str) -> tuple[int, int]:
    """Of the worker and the keeper, from what that cell has printed."""
    worker, keeper = printed.split()
    return int(worker), int(keeper)


def kill(pid: int) -> None:
    """`kill -9`, and see it gone."""
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: gone(pid), 10), f"{pid} outlived kill -9"


def gone(pid: int) -> bool:
    """Whether it has ended; one that only waits to be reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Inside, that process stands still. It goes on afterwards whatever happens."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def stop_for(pid: int, seconds: float) -> None:
    with stopped(pid):
        time.sleep(seconds)  # the fault is that it lasts


def start_again(remote: Remote, *, port: int) -> None:
    """The server of that machine once more, on that port: same home, same folders. 0: another one."""
    remote.options["port"] = port
    remote.start()
