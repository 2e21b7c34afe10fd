"""``%run``.

`runpy` runs a script in a namespace that it then takes down; here the script's names stay in the session.
"""

from __future__ import annotations

import os
import sys
import time
import types

from .options import split_options, words
from .usage import MagicUsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    from ..shell import PlainShell


def run(shell: PlainShell, line: str, _local: Any) -> None:
    """``%run [-i] [-n] [-t] [-m] FILE [ARGUMENTS]``: run a script as a program; its names stay here afterwards.

    ``-i`` runs it in the namespace of the cells, ``-n`` with another ``__name__`` than ``__main__``, ``-m`` a module,
    ``-t`` prints how long it took.
    """
    options, rest = split_options("run", line, "intme")
    args = words("run", rest)
    if not args:
        raise MagicUsageError("%run needs the name of a script.")
    name = args[0]
    path = _module_path(name) if "m" in options else _script_path(name)
    source = _read(path)
    start = time.perf_counter()
    argv, main, first = sys.argv, sys.modules.get("__main__"), sys.path[:1]
    module = types.ModuleType("__main__")
    scope: Dict[str, Any] = shell.namespace if "i" in options else module.__dict__
    had_file = scope.get("__file__", scope)
    scope["__file__"] = path
    scope["__name__"] = os.path.splitext(os.path.basename(path))[0] if "n" in options else "__main__"
    sys.argv = [path, *args[1:]]
    folder = os.path.dirname(os.path.abspath(path))
    sys.path.insert(0, folder)
    if "i" not in options:
        sys.modules["__main__"] = module
    try:
        exec(compile(source, path, "exec", 0, True), scope)
    except SystemExit as error:
        if error.code not in (None, 0) and "e" not in options:
            raise
    finally:
        sys.argv = argv
        if sys.path[:1] == [folder] and first != [folder]:
            del sys.path[0]
        elif folder in sys.path:
            sys.path.remove(folder)
        if main is not None:
            sys.modules["__main__"] = main
        if "i" in options:
            scope["__name__"] = "__main__"
            if had_file is scope:
                scope.pop("__file__", None)
            else:
                scope["__file__"] = had_file
        else:
            # pickles of its classes look for them in the __main__ of the session
            names = {key: value for key, value in module.__dict__.copy().items() if not _is_dunder(key)}
            shell.namespace.update(names)
    if "t" in options:
        from .time import format_time

        print("Wall time: %s" % format_time(time.perf_counter() - start))


def _script_path(name: str) -> str:
    path = os.path.expanduser(name)
    for candidate in (path, path + ".py"):
        if os.path.isfile(candidate):
            return candidate
    if name.endswith(".ipynb"):
        raise MagicUsageError("%run: notebooks can only be run by IPython; and there is no file %s here." % name)
    import socket

    text = (
        "%%run: there is no file %s on %s, where it is looked for (in %s). "
        "%%put FILE, in a cell of its own, brings one that is where Jupyter runs."
    )
    raise MagicUsageError(text % (name, socket.gethostname(), os.getcwd()))


def _module_path(name: str) -> str:
    import importlib.util

    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(name + ".__main__")
    except ImportError:
        spec = None
    if spec is None or not spec.origin or not os.path.isfile(spec.origin):
        raise MagicUsageError("%%run -m: there is no module %s on this machine." % name)
    return spec.origin


def _read(path: str) -> str:
    if path.endswith(".ipynb"):
        raise MagicUsageError("%run: running a notebook needs IPython, which is not installed on this machine.")
    import tokenize

    with tokenize.open(path) as file:  # honours the coding line
        return file.read()


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
