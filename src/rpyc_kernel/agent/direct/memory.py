"""Memory for what is to come: taken from the system only as it is written, and only if there is enough."""

from __future__ import annotations

import mmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

MAPPED_BYTES = 1 << 20  #: from which on memory is mapped; a process may have 65,530 mappings


def new_memory(size: int) -> memoryview:
    """Return so many bytes of new memory.

    Large memory is mapped, in huge pages where Linux has them: that halves the time of reading into it.

    Raises:
        OSError: The system has not so much.
        MemoryError: The same.
    """
    if size < MAPPED_BYTES:
        return memoryview(bytearray(size))
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows
        return memoryview(mmap.mmap(-1, size))
    mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            mapped.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            pass  # this kernel has none
    return memoryview(mapped)


def check_room(nbytes: int) -> None:
    """Refuse what memory has no room for, before the system ends a process for it.

    Raises:
        MemoryError: So much isn't free. Its text is a part of a sentence.
    """
    free = free_bytes()
    if free is not None and nbytes > free:
        raise MemoryError("{:,} MiB are needed, and {:,} MiB of memory are free".format(nbytes >> 20, free >> 20))


def free_bytes() -> Optional[int]:
    """How much memory is free for programs, in bytes; None where the system doesn't tell."""
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        pass
    return None
