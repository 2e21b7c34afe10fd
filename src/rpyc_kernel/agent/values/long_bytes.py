"""Long bytes, copied in pieces: other threads run between any two, and what was copied gives its memory back.

A single ``bytes(memory)`` of a GB keeps every other thread of the process waiting for a second, and needs the GB twice.
"""

from __future__ import annotations

import io
import mmap
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PIECE_BYTES = 1 << 20  #: of which a slow machine copies one in a few milliseconds


def to_bytes(data: Any) -> bytes:
    """The bytes of some memory, which is of no use any more where it is mapped."""
    view = memoryview(data).cast("B")
    if view.nbytes <= PIECE_BYTES:
        return bytes(view)
    out = io.BytesIO()
    for start in range(0, view.nbytes, PIECE_BYTES):
        out.write(view[start : start + PIECE_BYTES])
        _give_back(view, start)
        time.sleep(0)  # a thread that waits for its turn would get it in 5 ms only
    return out.getvalue()  # the very memory that was written to, as nobody else has it


def to_bytearray(data: Any) -> bytearray:
    """The same as an array of bytes."""
    view = memoryview(data).cast("B")
    out = bytearray()
    for start in range(0, view.nbytes, PIECE_BYTES):
        out += view[start : start + PIECE_BYTES]
        _give_back(view, start)
        time.sleep(0)
    return out


def _give_back(view: memoryview, start: int) -> None:
    """Give a piece of mapped memory back to the system, where the view is all of the mapping and nobody else's file."""
    mapped: Any = view.obj
    if (
        type(mapped) is mmap.mmap
        and len(mapped) == view.nbytes
        and not view.readonly
        and hasattr(mmap, "MADV_DONTNEED")
    ):
        try:
            mapped.madvise(mmap.MADV_DONTNEED, start, min(PIECE_BYTES, view.nbytes - start))
        except (OSError, ValueError):
            pass  # the memory is there a little longer
