"""The versions of the packages that values may be of, for the other end, which packs for them."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Optional, Tuple

PACKAGES = ("cloudpickle", "numpy", "pandas", "pillow", "polars", "pyarrow", "torch")

MIN_ARROW = (14, 0, 1)  #: before it, pyarrow unpickles what some types name
_known: Tuple[Any, Dict[str, str]] = (None, {})  # what was found, behind the folders as they were then


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
    global _known
    folders = _folders()
    if _known[0] != folders:  # to read what a package says of itself takes a millisecond
        for name in PACKAGES:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                pass
        _known = folders, found
    return dict(_known[1])


def _folders() -> Tuple[Any, ...]:
    """Where packages may be, and when something was last installed or removed there."""
    seen = []
    for path in sys.path:
        try:
            seen.append((path, os.stat(path or ".").st_mtime_ns))
        except (OSError, TypeError, ValueError):
            seen.append((path, 0))
    return (*seen, len(sys.meta_path))


def has_arrow(peer: Optional[Mapping[str, str]] = None) -> bool:
    """Whether a Python has a pyarrow that reads what comes from others without unpickling.

    Args:
        peer: The versions of its packages; None for this Python.
    """
    found = versions() if peer is None else peer
    return _numbers(found.get("pyarrow", "")) >= MIN_ARROW


def _numbers(version: str) -> Tuple[int, ...]:
    return tuple([int(part) for part in version.split(".")[:3] if part.isdigit()])
