"""Runs a whole program in the place of a cell, to its end, as ``python file.py`` does: for ``rpyc-kernel exec``."""

from __future__ import annotations

import atexit
import io
import linecache
import sys
import threading
import traceback

from .cell_frames import hide_ours
from .source_lines import source_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

    from ..wire import Json
    from .frontend import Frontend

INTERRUPTED_CODE = 130  #: 128 + SIGINT, as shells have it
NAMES = {"-c": "<string>", "-": "<stdin>"}  #: of the code, by ``sys.argv[0]``


def run(frontend: Frontend, source: str, argv: List[str]) -> Json:
    """Run a program in ``__main__``; its threads are awaited and its exit functions run, so nothing can follow it.

    Args:
        frontend: Is asked for lines by ``input()`` and ``sys.stdin``.
        source: The program's text.
        argv: The program's ``sys.argv``.

    Returns:
        The content of the reply, with an ``exit_code``. What the program raises is printed to its stderr.
    """
    name = NAMES.get(argv[0], argv[0])
    linecache.cache[name] = (len(source), None, source_lines(source), name)
    sys.argv, sys.stdin = list(argv), Questions(frontend)
    others = threading.enumerate()
    code = _exit_code(lambda: exec(compile(source, name, "exec", dont_inherit=True), vars(sys.modules["__main__"])))
    for finish in (lambda: _join(others), atexit._run_exitfuncs):
        code = _exit_code(finish) or code
    frontend.flush()
    return {"status": "ok", "exit_code": code & 0xFF}


def _join(others: List[threading.Thread]) -> None:
    for thread in threading.enumerate():
        if not (thread.daemon or thread in others):
            thread.join()


def _exit_code(part: Any) -> int:
    """Run a part of a program, and return the exit code that it ends with."""
    hook = sys.excepthook
    try:
        part()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException as error:
        hide_ours(error)
        show = traceback.print_exception if sys.excepthook is hook else sys.excepthook  # which knows no linecache
        show(type(error), error, error.__traceback__)
        return INTERRUPTED_CODE if isinstance(error, KeyboardInterrupt) else 1
    return 0


class Questions(io.TextIOBase):
    """The program's ``sys.stdin``: each line is asked for where the program was started."""

    encoding = "utf-8"

    def __init__(self, frontend: Frontend) -> None:
        self._frontend = frontend

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        """Return the next line, whatever its *size*, and "" at the end."""
        try:
            return self._frontend.input() + "\n"
        except EOFError:
            return ""

    def read(self, size: int = -1) -> str:  # type: ignore[override]
        """Return all lines that are left, whatever their *size*."""
        return "".join(self)
