"""How much processor and memory a session and its machine use, read from Linux's ``/proc``: a board has no psutil.

The fields are those of ipykernel's ``usage_reply``. A figure that isn't known is None; but for Linux, that is all.
"""

from __future__ import annotations

import os
import socket
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple

    Json = Dict[str, Any]

#: the fields of ``host_virtual_memory``, in psutil's words; ``wired`` is known on macOS only
MEMORY_FIELDS = ("total", "available", "percent", "used", "free", "active", "inactive", "buffers", "cached", "wired")
MAX_EXACT_BYTES = (
    1 << 31
)  #: bytes; of a larger process the resident size is taken, since the exact one takes the system long


class Usage:
    """Takes the figures. A percentage is that of the time since the question before; the first answer has none."""

    def __init__(self) -> None:
        self._ticks: Dict[int, Tuple[str, int]] = {}  # by pid: when it began, and its ticks so far
        self._host = (0, 0)
        self._asked = 0.0

    def content(self, pid: Optional[int]) -> Json:
        """The content of a ``usage_reply``.

        Args:
            pid: The worker's, whose children count too; None while there is none.
        """
        processes = list(_tree(pid)) if pid is not None else []
        return {
            "hostname": socket.gethostname(),
            "pid": pid,
            "kernel_cpu": self._percent(processes),
            "kernel_memory": sum(map(_memory, [each[0] for each in processes])) if processes else None,
            "host_cpu_percent": self._host_percent(),
            "cpu_count": os.cpu_count(),
            "host_virtual_memory": _host_memory(),
        }

    def _percent(self, processes: List[Tuple[int, str, int]]) -> Optional[float]:
        """Percent of one processor; several processes together may come to more than 100."""
        now, before, asked = time.monotonic(), self._ticks, self._asked
        self._ticks, self._asked = {pid: (began, ticks) for pid, began, ticks in processes}, now
        if not processes:
            return None
        if not before or now <= asked:
            return 0.0
        spent = 0
        for pid, began, ticks in processes:
            known = before.get(pid)
            spent += ticks - known[1] if known is not None and known[0] == began else ticks
        return round(100.0 * spent / os.sysconf("SC_CLK_TCK") / (now - asked), 1)

    def _host_percent(self) -> Optional[float]:
        try:
            fields = [int(field) for field in _read("/proc/stat").split("\n", 1)[0].split()[1:9]]
        except (OSError, ValueError):
            return None
        total, idle = sum(fields), sum(fields[3:5])  # the fourth waits for nothing, the fifth for a disk
        before, self._host = self._host, (total, idle)
        if not before[0] or total <= before[0]:
            return None
        return round(100.0 * (1.0 - (idle - before[1]) / (total - before[0])), 1)


def _read(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def _stat(pid: int) -> Tuple[int, str, int]:
    """The parent of a process, when it began, and its ticks so far.

    Raises:
        OSError: The process is gone, or there is no ``/proc``.
    """
    fields = _read("/proc/%d/stat" % pid).rpartition(")")[2].split()  # a program's name may have any character in it
    return int(fields[1]), fields[19], int(fields[11]) + int(fields[12])


def _tree(pid: int) -> Iterator[Tuple[int, str, int]]:
    """A process and its descendants, each as its pid, when it began, and its ticks so far."""
    children: Dict[int, List[Tuple[int, str, int]]] = {}
    try:
        _parent, began, ticks = _stat(pid)
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except (OSError, ValueError, IndexError):
        return
    for each in pids:
        try:
            parent, each_began, each_ticks = _stat(each)
        except (OSError, ValueError, IndexError):  # it has ended meanwhile
            continue
        children.setdefault(parent, []).append((each, each_began, each_ticks))
    waiting = [(pid, began, ticks)]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += children.pop(found[0], [])


def _memory(pid: int) -> int:
    """Bytes of a process, with its part of shared ones; 0 if it has ended meanwhile."""
    try:
        resident = int(_read("/proc/%d/statm" % pid).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
    if resident < MAX_EXACT_BYTES:
        try:
            for line in _read("/proc/%d/smaps_rollup" % pid).splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
        except (OSError, ValueError, IndexError):  # a kernel before 4.14, or a process of another user
            pass
    return resident


def _host_memory() -> Json:
    memory: Json = dict.fromkeys(MEMORY_FIELDS)
    found = {}
    try:
        for line in _read("/proc/meminfo").splitlines():
            name, _colon, value = line.partition(":")
            found[name] = int(value.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return memory
    total, free = found.get("MemTotal"), found.get("MemFree")
    buffers, cached = found.get("Buffers", 0), found.get("Cached", 0) + found.get("SReclaimable", 0)
    if not total or free is None:
        return memory
    available = min(found.get("MemAvailable", free + buffers + cached), total)  # before Linux 3.14 nobody said it
    memory.update(total=total, free=free, available=available, buffers=buffers, cached=cached)
    memory.update(used=max(0, total - free - buffers - cached), active=found.get("Active"))
    memory.update(inactive=found.get("Inactive"), percent=round(100.0 * (total - available) / total, 1))
    return memory
