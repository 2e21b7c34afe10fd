"""Blocks that are compressed on their way, by zlib."""

from __future__ import annotations

import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

WORTH = 0.9  #: of its size, below which a block has shrunk
LEVEL = 1


def shrunk(block: memoryview) -> Optional[bytes]:
    """A block, compressed; None where that isn't worth it."""
    packed = zlib.compress(block, LEVEL)
    return packed if len(packed) < WORTH * len(block) else None


def unshrunk(packed: memoryview, into: memoryview) -> None:
    """Decompress a block to where it belongs.

    Raises:
        ValueError: It is no block, or of another size.
    """
    unpacker = zlib.decompressobj()
    try:
        block = unpacker.decompress(packed, len(into) + 1)
    except zlib.error:
        raise ValueError("a block that can't be decompressed") from None
    if len(block) != len(into) or not unpacker.eof or unpacker.unused_data:
        raise ValueError("a block of another size than was asked for")
    into[:] = block
