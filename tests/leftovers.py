"""What a run of the tests has left behind: processes, records and sockets of sessions, folders.

What the run starts is known by a mark in the environment, which a server hands on to its keepers and those to their
workers. Others may run tests, and use the kernel, on the same machine at the same time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path

MARK = "TESTS_OF_RPYC_KERNEL"  # not RPYC_…, which servers in tests don't inherit
PATIENCE = 15.0  # seconds until what was told to end has ended
MOST = 20  # paths that are told of one folder
_TELLS = sys.platform == "linux"  # elsewhere nobody knows the processes
FOLDERS = ("rk-", "rj-", "rr-", "rpyc-kernel-")  # in the folder for temporary files


class Leftovers:
    """Begins with the run; `found` tells at its end what is there still."""

    def __init__(self) -> None:
        self.run = os.environ.setdefault(MARK, uuid.uuid4().hex)
        self.before = set(_files()) if _TELLS else set()

    def found(self) -> list[str]:
        """One line for each thing that was left. The processes among them are ended."""
        if not _TELLS:
            return []
        give_up = time.monotonic() + PATIENCE
        while (processes := self._processes()) and time.monotonic() < give_up:
            time.sleep(0.1)
        lines = [f"process {pid} of {_test(pid)}: {_command(pid)}" for pid in processes]
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not self._is_alone():
            return lines  # the files may be of others
        _clean_up()
        return lines + [_told(path) for path in sorted(set(_files()) - self.before)]

    def _processes(self) -> list[int]:
        mine = {os.getpid(), os.getppid()}
        return [pid for pid, run in _marked().items() if run == self.run and pid not in mine]

    def _is_alone(self) -> bool:
        """Whether nobody else runs tests here, nor uses a session."""
        return set(_marked().values()) <= {self.run} and not any(map(_is_keeper, _pids()))


def _pids() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def _marked() -> dict[int, str]:
    """The processes that belong to runs of tests, and to which; no zombies."""
    found = {}
    for pid in _pids():
        with contextlib.suppress(OSError):
            environment = (Path(f"/proc/{pid}/environ")).read_bytes().split(b"\0")
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            marks = [each for each in environment if each.startswith(MARK.encode() + b"=")]
            if marks and state not in "ZX":
                found[pid] = marks[0].partition(b"=")[2].decode()
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
    except OSError:
        return "(gone by now)"


def _test(pid: int) -> str:
    """The test that has started a process, or the first one with the server that has."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "(gone by now)"
    return next((each.partition("=")[2] for each in environment if each.startswith("PYTEST_CURRENT_TEST=")), "no test")


def _told(path: Path) -> str:
    """A path, and of a folder what is in it: who has written last is seen there."""
    inside = sorted(str(each.relative_to(path)) for each in path.rglob("*"))
    more = [f"and {len(inside) - MOST} more"] if len(inside) > MOST else []
    return f"{path}: {', '.join(inside[:MOST] + more)}" if inside else str(path)


def _is_keeper(pid: int) -> bool:
    return "s['start_keeper'](f)" in _command(pid)


def _clean_up() -> None:
    """As the next ``list`` of sessions does, for those whose keeper was killed."""
    from rpyc_kernel.agent import broker

    broker._every_session()


def _files() -> list[Path]:
    """Records, sockets and folders of sessions (a log stays for a week), and folders that tests make."""
    from rpyc_kernel.agent import records

    found = [path for folder in records.sessions_folders(create=False) for path in Path(folder).iterdir()]
    found = [path for path in found if not path.name.endswith(records.LOG)]
    private = {path.parents[1] for path in found} | {Path(tempfile.gettempdir()) / f"rpyc-kernel-{os.geteuid()}"}
    temporary = [path for path in Path(tempfile.gettempdir()).iterdir() if path.name.startswith(FOLDERS)]
    return found + [path for path in temporary if path not in private and not path.name.startswith("rpyc-kernel-tests")]
