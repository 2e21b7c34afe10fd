"""``%who %who_ls %whos %reset``."""

from __future__ import annotations

import types

from .options import split_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

    from ..shell import PlainShell


def user_names(shell: PlainShell, kinds: str = "") -> List[str]:
    """Sorted names that the user made, of these types only if `kinds` names some."""
    wanted = kinds.split()
    found = []
    for name, value in list(shell.namespace.items()):
        if name in ("In", "Out") or name.startswith("_"):
            continue
        if not wanted or type(value).__name__ in wanted:
            found.append(name)
    return sorted(found)


def who_ls(shell: PlainShell, line: str, _local: Any) -> List[str]:
    """``%who_ls [TYPES]``: the names of the variables, as a list."""
    return user_names(shell, line)


def who(shell: PlainShell, line: str, _local: Any) -> None:
    """``%who [TYPES]``: print the names of the variables."""
    names = user_names(shell, line)
    print("\t".join(names) if names else "Interactive namespace is empty.")


def whos(shell: PlainShell, line: str, _local: Any) -> None:
    """``%whos [TYPES]``: a table of the variables with type and value."""
    names = user_names(shell, line)
    if not names:
        print("Interactive namespace is empty.")
        return
    rows = [(name, type(shell.namespace[name]).__name__, _summary(shell.namespace[name])) for name in names]
    width = max(len("Variable"), *(len(row[0]) for row in rows)) + 3
    middle = max(len("Type"), *(len(row[1]) for row in rows)) + 4
    print("Variable".ljust(width) + "Type".ljust(middle) + "Data/Info")
    print("-" * (width + middle + 9))
    for name, kind, text in rows:
        print(name.ljust(width) + kind.ljust(middle) + text)


def reset(shell: PlainShell, line: str, _local: Any) -> None:
    """``%reset [-f]``: forget all variables; ``-f`` doesn't ask."""
    options, _ = split_options("reset", line, "fs")
    if "f" not in options:
        answer = input("Once deleted, variables cannot be recovered. Proceed (y/[n])? ")
        if answer.strip().lower() not in ("y", "yes"):
            print("Nothing done.")
            return
    for name in list(shell.namespace):
        if not (name.startswith("__") and name.endswith("__")):
            del shell.namespace[name]
    shell.reset_history()


def _summary(value: Any) -> str:
    if isinstance(value, types.ModuleType):
        return str(value)
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and not isinstance(value, type):
        return "x".join(str(each) for each in shape) + " %s" % getattr(value, "dtype", "")
    if isinstance(value, (list, dict, tuple, set, frozenset)):
        return "n=%d" % len(value)
    try:
        text = repr(value)
    except Exception as error:
        return "<its __repr__ raised %s>" % type(error).__name__
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:28] + "<...>" + text[-27:]
