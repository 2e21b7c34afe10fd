"""The versions of the packages that values may be of, for the other end, which packs for them."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

PACKAGES = ("cloudpickle", "numpy", "pandas", "pillow", "polars", "pyarrow", "torch")


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
