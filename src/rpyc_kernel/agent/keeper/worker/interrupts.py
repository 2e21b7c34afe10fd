"""The processes that a cell has started: an interrupt reaches them, and leaves those of earlier cells alone."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Set, Tuple

_PARENT, _GROUP, _SESSION, _START = 1, 2, 3, 19  # fields of /proc/PID/stat behind the name


class CellProcesses:
    """Remembers the children that a worker has when a cell begins (Linux; elsewhere it knows of none)."""

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self._earlier: Set[int] = set()
        self._begun = 0  # in clock ticks since boot

    def begin(self) -> None:
        """A cell begins: all that runs now belongs to earlier cells."""
        try:
            with open("/proc/%d/task/%d/children" % (self.worker, self.worker)) as file:
                self._earlier = {int(pid) for pid in file.read().split()}
            with open("/proc/uptime") as file:
                self._begun = int(float(file.read().split()[0]) * os.sysconf("SC_CLK_TCK"))
        except (OSError, ValueError):
            self._earlier = set()

    def of_cell(self) -> List[int]:
        """The processes in the worker's group that this cell or its children have started."""
        processes = _processes(_GROUP, self.worker)
        found = []
        for pid, (_parent, started) in processes.items():
            if pid != self.worker and started >= self._begun and not self._is_earlier(pid, processes):
                found.append(pid)
        return found

    def _is_earlier(self, pid: int, processes: Dict[int, Tuple[int, int]]) -> bool:
        while pid in processes:
            if pid in self._earlier:
                return True
            pid = processes[pid][0]
        return False


def of_session() -> List[int]:
    """Every other process of this process's session: the worker, and those that it has started and not detached."""
    return [pid for pid in _processes(_SESSION, os.getsid(0)) if pid != os.getpid()]


def _processes(field: int, value: int) -> Dict[int, Tuple[int, int]]:
    """Parent and start time (in ticks since boot) of each process with that value in its stat (man 5 proc)."""
    processes = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return {}
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[field]) == value:
            processes[int(name)] = (int(fields[_PARENT]), int(fields[_START]))
    return processes
