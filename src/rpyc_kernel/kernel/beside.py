"""Says which command brings what an import or ``open`` has not found there, and which lies beside the notebook here."""

from __future__ import annotations

import ast
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_EVALUE_CHARS = 4096
_MODULE = re.compile(r"No module named '([^\W\d]\w*)[\w.]*'")
_FILE = re.compile(r"""(?s)\[(?:Errno|WinError) \d+\] .*?: b?(['"].*['"])""")


class BesideHints:
    """What was told already: each name is told once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def hint(self, reply: Mapping[str, Any], machine: str) -> str:
        """Return a sentence about the error of a cell, "" where there is none.

        Args:
            reply: The content of the ``execute_reply``.
            machine: What the machine is called.
        """
        ename, evalue = reply.get("ename"), str(reply.get("evalue"))[:MAX_EVALUE_CHARS]
        if ename == "ModuleNotFoundError" and (found := _MODULE.fullmatch(evalue)):
            return self._once(found[1], _module(found[1]), machine)
        if ename == "FileNotFoundError" and (found := _FILE.fullmatch(evalue)):
            try:
                name = str(ast.literal_eval(found[1]))
            except (ValueError, SyntaxError):
                return ""
            return self._once(name, _file(name), machine)
        return ""

    def _once(self, name: str, told: tuple[str, str] | None, machine: str) -> str:
        if told is None or name in self._told:
            return ""
        self._told.add(name)
        what, command = told
        return f"{what} lies here, beside the notebook: {command} brings it to {machine}."


def _module(name: str) -> tuple[str, str] | None:
    """Return the file or folder of a module here, and the command that brings it."""
    if Path(f"{name}.py").is_file():
        return f"{name}.py", f"%put {name}.py"
    if any(Path(name).glob("*.py")):
        return f"{name}/", f"%sync {name}"
    return None


def _file(name: str) -> tuple[str, str] | None:
    """Return a file or folder of that name here, and the command that brings it."""
    path = PurePath(name)
    if not name.isprintable() or path.is_absolute() or ".." in path.parts or not path.parts:
        return None
    here = Path(path)
    try:
        if not here.exists():
            return None
    except OSError:  # a name that can be none
        return None
    top = path.parts[0]
    if here.is_dir() or len(path.parts) > 1:
        return name, f"%sync {_quoted(top)}"
    return name, f"%put {_quoted(name)}"


def _quoted(name: str) -> str:
    return f'"{name}"' if re.search(r"[\s#']", name) else name
