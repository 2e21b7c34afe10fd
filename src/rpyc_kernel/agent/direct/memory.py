"""Memory for what is to come: taken from the system only as it is written."""

from __future__ import annotations

import mmap

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
