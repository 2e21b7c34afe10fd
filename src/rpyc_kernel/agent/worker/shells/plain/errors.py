"""The contents of ``error`` messages, and what ``%tb`` and ``%debug`` find. Imported with a session's first error."""

from __future__ import annotations

import sys

from ...cell_frames import hide_ours
from .magics.usage import MagicUsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ....wire import Json


def content_of(error: BaseException) -> Json:
    """The content of an error's message; `MagicUsageError` and `sys.exit` are shown without a traceback."""
    if isinstance(error, MagicUsageError):
        return _content(error.with_traceback(None))
    if not isinstance(error, SystemExit):
        return _content(error)
    tb, context, cause = error.__traceback__, error.__context__, error.__cause__
    try:
        error.__traceback__ = error.__context__ = error.__cause__ = None
        return _content(error)
    finally:
        error.__traceback__, error.__context__, error.__cause__ = tb, context, cause


def remember(error: BaseException) -> None:
    """Keep an error where Python's own prompt keeps it; a `MagicUsageError` is not kept."""
    if isinstance(error, MagicUsageError):
        return
    hide_ours(error)  # the debugger would begin in the frame that has raised an interrupt
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = error


def _content(error: BaseException) -> Json:
    try:
        from .display.tracebacks import error_content
    except Exception as broken:  # a file of the user's has the name of a module that it needs
        name, why = type(error).__name__, "(no traceback: %s: %s)" % (type(broken).__name__, broken)
        return {"ename": name, "evalue": str(error), "traceback": ["%s: %s" % (name, error), why]}
    return error_content(error)
