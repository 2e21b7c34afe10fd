"""What a copied value is, in a few words: its kind, how many rows or items it has, and its size."""

from __future__ import annotations

from typing import Any

_BYTES = (bytes, bytearray)
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def described(name: str, value: Any) -> str:
    """Return ``df: DataFrame, 1,000,000 by 5``; sizes are read from the value's shape or length."""
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape and all(isinstance(each, int) for each in shape):
        return f"{name}: {kind}, {' by '.join(f'{each:,}' for each in shape)}"
    try:
        unit = "character" if isinstance(value, str) else "byte" if isinstance(value, _BYTES) else "item"
        return f"{name}: {kind}, {len(value):,} {unit}{'' if len(value) == 1 else 's'}"
    except Exception:  # noqa: BLE001 - it has no length, or its class has an opinion of its own
        return f"{name}: {kind}"


def size_text(nbytes: float) -> str:
    """Return a number of bytes as people read it: ``1.5 MiB``."""
    for unit in _UNITS:
        if nbytes < 1024 or unit == _UNITS[-1]:
            break
        nbytes /= 1024
    return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
