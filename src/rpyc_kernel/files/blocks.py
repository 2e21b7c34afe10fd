"""Which blocks of a large file are there already: by their hashes, at both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpyc_kernel.agent.files.reading import HASH_BLOCK_BYTES, Source
from rpyc_kernel.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpyc_kernel.files.carrier import Ask

HASHED_AT_ONCE_BYTES = 16 * HASH_BLOCK_BYTES  # in one request, so that none is silent for long


def hashes_there(ask: Ask, path: str, size: int, transfer: str | None = None) -> list[str]:
    """Ask for the hashes of a file's blocks, or of what has come of it in a transfer; [] where there is nothing.

    Args:
        ask: Makes a request.
        path: The file.
        size: How far.
        transfer: The transfer.
    """
    found: list[str] = []
    for start in range(0, size, HASHED_AT_ONCE_BYTES):
        end = min(start + HASHED_AT_ONCE_BYTES, size)
        answer = ask("hashes", {"path": path, "start": start, "end": end, "transfer": transfer})
        hashes = answer.get("hashes")
        if not isinstance(hashes, list) or len(hashes) > HASHED_AT_ONCE_BYTES // HASH_BLOCK_BYTES:
            raise ProtocolError(path, "hashes of another form")
        found += [str(each) for each in hashes]
        if len(hashes) * HASH_BLOCK_BYTES < end - start:
            break
    return found


def hashes_here(source: Source, count: int) -> list[str]:
    """Return the hashes of the first blocks of a file of this machine."""
    memory = memoryview(bytearray(HASH_BLOCK_BYTES))
    return source.hashes(0, min(count * HASH_BLOCK_BYTES, source.size), memory)


def alike_at_first(one: list[str], other: list[str]) -> int:
    """Return how many blocks are the same before the first that isn't."""
    pairs = zip(one, other, strict=False)
    return next((number for number, (here, there) in enumerate(pairs) if here != there), min(len(one), len(other)))


def pieces(extents: list[tuple[int, int]], start: int) -> Iterator[tuple[int, int]]:
    """Give out the parts of a file that hold something, from *start* on."""
    for begin, end in extents:
        if end > start:
            yield max(begin, start), end
