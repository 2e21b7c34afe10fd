"""The agent's imports find Python's own modules, whatever files lie in the user's folders.

A file ``asyncio.py`` in a session's folder is an exercise, and no reason to fall over. The imports of the agent, of
IPython and of installed modules find Python's own module first, and so do all imports while a worker begins. A cell
that imports such a name gets the user's file, unless Python's own module was loaded before, or is in `CLAIMED`: the
agent may need it at any time, and any notebook's kernel would have loaded it.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional

PACKAGE = __name__.rpartition(".")[0]  #: the agent's package, whatever its name is
OURS = (__name__.partition(".")[0], "IPython")  #: packages whose late imports find the same as early ones
STDLIB = os.path.dirname(getattr(os, "__file__", "") or "")

#: modules that a worker imports late, so that a cell may have asked for the name before
CLAIMED = frozenset(
    [
        "ast",
        "asyncio",
        "codeop",
        "ctypes",
        "difflib",
        "fnmatch",
        "inspect",
        "linecache",
        "locale",
        "logging",
        "pdb",
        "pkgutil",
        "resource",
        "select",
        "selectors",
        "shlex",
        "string",
        "subprocess",
        "textwrap",
        "tokenize",
        "traceback",
        "warnings",
    ]
)


class OwnFirst:
    """A meta path finder that stands before all others.

    Attributes:
        user_path: ``sys.path`` as the user's code is to have it.
        always: Whether whoever imports finds Python's own modules first.
    """

    def __init__(self, user_path: List[str]) -> None:
        self.user_path = user_path
        self.always = True
        around = os.path.dirname(STDLIB)  # a zip file and a folder of compiled modules are there too
        packages = ("site-packages", "dist-packages")
        self._places = [each for each in sys.path if each.startswith(around) and not each.endswith(packages)]

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """The spec of a module of Python's own, where that comes first."""
        if path is not None or fullname in sys.builtin_module_names:  # no folder is read for it
            return None
        if not (self.always or fullname in CLAIMED or _asked_by_own(sys._getframe(1))):
            return None
        return PathFinder.find_spec(fullname, self._places)


def _asked_by_own(frame: Any) -> bool:
    """Whether the agent or IPython imports, or an installed module while it is loaded."""
    while frame is not None and _passes_on(frame):
        frame = frame.f_back
    if frame is None:
        return False
    file = frame.f_code.co_filename
    if _root(frame) in OURS:
        return True
    return frame.f_code.co_name == "<module>" and (file.startswith(STDLIB + os.sep) or "-packages" in file)


def _passes_on(frame: Any) -> bool:
    """Whether a frame is part of the import itself: importlib, a finder, or a replacement of ``__import__``."""
    code = frame.f_code
    return _root(frame) == "importlib" or code.co_name == "find_spec" or code.co_varnames[:2] == ("name", "globals")


def _root(frame: Any) -> str:
    return str(frame.f_globals.get("__name__") or "").partition(".")[0]


_finder: Optional[OwnFirst] = None


def install(user_path: Optional[List[str]]) -> None:
    """Let all imports find Python's own modules first, from now on.

    Args:
        user_path: ``sys.path`` as Python has begun with it, see `starter`.
    """
    global _finder
    if STDLIB and _finder is None:
        _finder = OwnFirst(list(sys.path) if user_path is None else user_path)
        sys.meta_path.insert(0, _finder)


def give_path() -> None:
    """Give the user's code, which will run soon, its own ``sys.path``."""
    if _finder is not None:
        sys.path[:] = _finder.user_path


def release() -> None:
    """Let the code of cells find the user's files first: the worker has begun."""
    if _finder is not None:
        _finder.always = False
