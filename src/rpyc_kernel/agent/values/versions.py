"""The versions of the packages that values may be of, for the other end, which packs for them."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Mapping, Optional, Tuple

PACKAGES = ("cloudpickle", "numpy", "pandas", "pillow", "polars", "pyarrow", "torch")

MIN_ARROW = (14, 0, 1)  #: before it, pyarrow unpickles what some types name


def versions() -> Dict[str, str]:
    """The versions of ``python`` and of those `PACKAGES` that are installed; nothing is imported for it."""
    found = {"python": sys.version.split()[0]}
    try:
        from importlib.metadata import PackageNotFoundError, version
    except ImportError:  # Python 3.7: of what isn't loaded nobody knows the version
        for name in PACKAGES:
            told = getattr(sys.modules.get(name), "__version__", None)
            if isinstance(told, str):
                found[name] = told
        return found
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found


def has_arrow(peer: Optional[Mapping[str, str]] = None) -> bool:
    """Whether a Python has a pyarrow that reads what comes from others without unpickling.

    Args:
        peer: The versions of its packages; None for this Python.
    """
    found = versions() if peer is None else peer
    return _numbers(found.get("pyarrow", "")) >= MIN_ARROW


def _numbers(version: str) -> Tuple[int, ...]:
    return tuple([int(part) for part in version.split(".")[:3] if part.isdigit()])
