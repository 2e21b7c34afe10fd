"""Which processes a cell has started, so that an interrupt reaches them and leaves those of earlier cells alone."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Set, Tuple

_TICKS = os.sysconf("SC_CLK_TCK")


class CellProcesses:
    """Remembers, when a cell begins, what its worker's children were then (Linux; elsewhere it knows of none)."""

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self._earlier: Set[int] = set()
        self._begun = 0  # in clock ticks since boot

    def begin(self) -> None:
        """A cell begins: whatever runs now belongs to earlier ones."""
        try:
            with open("/proc/%d/task/%d/children" % (self.worker, self.worker)) as file:
                self._earlier = {int(pid) for pid in file.read().split()}
            with open("/proc/uptime") as file:
                self._begun = int(float(file.read().split()[0]) * _TICKS)
        except (OSError, ValueError):
            self._earlier = set()

    def of_cell(self) -> List[int]:
        """The processes in the worker's group which this cell has started, or its children have."""
        processes = _group(self.worker)
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


def _group(group: int) -> Dict[int, Tuple[int, int]]:
    """Parent and start time (in ticks since boot) of each process of a process group."""
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
        if int(fields[2]) == group:
            processes[int(name)] = (int(fields[1]), int(fields[19]))
    return processes
