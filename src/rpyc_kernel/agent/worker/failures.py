"""Messages, replies and sentences for what fails outside of the shell."""

from __future__ import annotations

import os
import sys

from ..own_imports import STDLIB
from .cell_frames import user_traceback
from .main_loop import MACHINERY
from .request_context import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import List, Optional

    from ..wire import Json
    from .frontend import Frontend


def interrupted_reply(frontend: Frontend) -> Json:
    """Publish the error of a request that was interrupted outside of the shell; returns the reply's content."""
    content = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": ["KeyboardInterrupt"]}
    return _publish(frontend, content)


def failed_reply(frontend: Frontend, error: BaseException) -> Json:
    """As `interrupted_reply`, where the shell itself has failed: by a bug of ours, or by the user's patch."""
    evalue = "the shell could not run this cell: %s" % error
    return _publish(frontend, {"ename": type(error).__name__, "evalue": evalue, "traceback": [evalue]})


def failed_callback(frontend: Frontend, error: BaseException) -> Json:
    """As `interrupted_reply`, where a comm's callback has raised what its manager lets through, as SystemExit."""
    import traceback  # late: few sessions need it

    lines = traceback.format_exception(type(error), error, user_traceback(error.__traceback__, MACHINERY))
    content = {"ename": type(error).__name__, "evalue": str(error), "traceback": "".join(lines).splitlines()}
    return _publish(frontend, content)


def show_stray(frontend: Frontend, error: BaseException, trace: Optional[TracebackType], number: int) -> None:
    """Print the exception of a task or callback in the cell that it belongs to.

    Args:
        frontend: Prints it.
        error: The exception.
        trace: Its traceback, without the frames of the event loop.
        number: The number of the cell's request; 0 if none is known.
    """
    import traceback  # late: few sessions need it

    lines = traceback.format_exception(type(error), error, trace)
    token = current.set(number)
    try:
        frontend.stream("stderr", "Exception in a task or callback:\n" + "".join(lines))
    finally:
        current.reset(token)


def describe(error: BaseException) -> str:
    """Say what has failed, and which files of the user's shadow modules of Python's own, which may be why."""
    text = "%s: %s" % (type(error).__name__, error) if str(error) else type(error).__name__
    found = shadowing()
    if found:
        text += " (%s)" % "; ".join(found)
    return text


def shadowing() -> List[str]:
    """Name the file of each loaded module that has the name of a module of Python's own and isn't that module."""
    found = []
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if "." in name or not isinstance(file, str) or os.path.abspath(file).startswith(STDLIB + os.sep):
            continue
        if any(os.path.exists(os.path.join(STDLIB, name + ending)) for ending in (".py", os.sep + "__init__.py")):
            found.append("%s stands before Python's own module %s: rename it" % (file, name))
    return found


def _publish(frontend: Frontend, content: Json) -> Json:
    frontend.publish("error", content)
    return dict(content, status="error")
