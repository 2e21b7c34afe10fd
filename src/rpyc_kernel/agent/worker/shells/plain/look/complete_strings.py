"""Completion in a string: file names, and keys of the dict that is being indexed."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

_MAX_MATCHES = 500


def paths(typed: str) -> List[str]:
    """Paths that begin with what was typed, folders with a slash at the end."""
    folder, name = os.path.split(typed)
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            found = [entry for entry in entries if entry.name.startswith(name)]
    except (OSError, ValueError):
        return []
    head = typed[: len(typed) - len(name)]
    names = []
    for entry in found[:_MAX_MATCHES]:
        if entry.name.startswith(".") and not name.startswith("."):
            continue
        names.append(head + entry.name + ("/" if _is_folder(entry) else ""))
    return sorted(names)


def _is_folder(entry: Any) -> bool:
    try:
        return bool(entry.is_dir())
    except OSError:
        return False


def dict_keys(value: Any) -> List[Any]:
    """Keys of a dict, columns of a DataFrame, or what an object offers by ``_ipython_key_completions_``."""
    cls = type(value)
    if issubclass(cls, dict) and cls.keys is dict.keys and cls.__iter__ is dict.__iter__:
        return list(value)[:_MAX_MATCHES]
    offered = getattr(cls, "_ipython_key_completions_", None)
    if offered is not None:
        try:
            return list(offered(value))[:_MAX_MATCHES]
        except Exception:
            return []
    if issubclass(cls, dict):
        return list(dict.keys(value))[:_MAX_MATCHES]
    for place in cls.__mro__:
        if place.__name__ == "DataFrame" and place.__module__.partition(".")[0] == "pandas":
            return list(value.columns)[:_MAX_MATCHES]
    names = getattr(getattr(value, "dtype", None), "names", None) if cls.__module__ == "numpy" else None
    return list(names or ())
