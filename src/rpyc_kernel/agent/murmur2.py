"""The hash by which ipykernel, and hence a front end's debugger, names the file of a cell. No I/O."""

from __future__ import annotations

SEED = 0xC70F6907  #: ipykernel's
_M = 0x5BD1E995
_32 = 0xFFFFFFFF


def murmur2(data: bytes, seed: int = SEED) -> int:
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


def file_name(code: str) -> str:
    """Return the name of the file of a cell, by its text."""
    return "%d.py" % murmur2(code.encode("utf-8", "surrogatepass"))
