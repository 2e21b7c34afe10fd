"""Makes file names for cells as ipykernel does: paths, since rich and profilers show no source of ``<...>``."""

from __future__ import annotations

import os

from IPython.core.compilerop import CachingCompiler

SEED = 0xC70F6907  #: ipykernel's, which front ends compute the name of a cell by, too
_M = 0x5BD1E995
_32 = 0xFFFFFFFF


class CellCompiler(CachingCompiler):  # type: ignore[misc]
    """Compiles cells, and keeps their source in `linecache`. No file of the name need exist."""

    def get_code_name(self, raw_code: str, _transformed_code: str, _number: int) -> str:
        """The path of a cell, by its text and this process."""
        folder = "ipykernel_%d" % os.getpid()
        name = "%d.py" % murmur2(raw_code.encode("utf-8", "surrogatepass"), SEED)
        return os.path.join(_temporary_folder(), folder, name)


def _temporary_folder() -> str:
    """The folder that `tempfile` would choose, mostly without importing it, which takes 5 ms: no file is written."""
    folder = next(filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))), "/tmp")  # noqa: S108
    if os.path.isabs(folder) and os.access(folder, os.W_OK):
        return folder
    from tempfile import gettempdir

    return gettempdir()


def murmur2(data: bytes, seed: int) -> int:
    """MurmurHash2, of 32 bits (https://github.com/aappleby/smhasher)."""
    whole = len(data) // 4 * 4
    value = seed ^ len(data)
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _M & _32
        value = (value * _M & _32) ^ ((word ^ word >> 24) * _M & _32)
    if whole < len(data):
        value = (value ^ int.from_bytes(data[whole:], "little")) * _M & _32
    value = (value ^ value >> 13) * _M & _32
    return value ^ value >> 15
