"""How much room this machine has, in memory and on a disk."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

MARGIN_BYTES = 64 << 20  #: so much stays free, or
MARGIN_SHARE = 20  #: the whole divided by this, if that is more


def memory_bytes() -> int:
    """Bytes of memory of the machine; very many if it doesn't tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 1 << 40


def give_back_memory() -> None:
    """Give freed memory back to the system: glibc keeps nearly all that was cut into small pieces."""
    if sys.platform != "linux":
        return
    try:
        import ctypes  # late: it costs 0.4 MiB

        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError):
        pass


def spare_bytes(folder: str, margin: Optional[int] = None) -> int:
    """How many bytes may be written to a folder: those that are free, less a margin.

    A disk in memory has no more room than memory has.

    Args:
        folder: The folder.
        margin: Bytes that stay free; None: see `MARGIN_BYTES`.
    """
    if not hasattr(os, "statvfs"):
        import shutil  # late: Windows

        usage = shutil.disk_usage(folder)
        return _less(usage.free, usage.total, margin)
    disk = os.statvfs(folder)
    spare = _less(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, margin)
    if sys.platform == "linux":
        try:
            if _is_in_memory(os.stat(folder).st_dev):
                with open("/proc/meminfo") as file:
                    sizes = {line.split(":")[0]: int(line.split()[1]) << 10 for line in file}
                spare = min(spare, _less(sizes["MemAvailable"], sizes["MemTotal"], margin))
        except (OSError, ValueError, LookupError):
            pass
    return spare


def _less(free: int, whole: int, margin: Optional[int]) -> int:
    return free - (max(MARGIN_BYTES, whole // MARGIN_SHARE) if margin is None else margin)


def _is_in_memory(device: int) -> bool:
    """Whether the files of a device are in memory, see mountinfo in man 5 proc."""
    number = "%d:%d" % (os.major(device), os.minor(device))
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            left, _dash, right = line.partition(" - ")
            if left.split()[2] == number:
                return right.split()[0] in ("tmpfs", "ramfs")
    return False
