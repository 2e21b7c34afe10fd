"""Errors as messages, and those that IPython can't show: groups, deep recursions, and chains without an end."""

from __future__ import annotations

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Optional

    from ....wire import Json

MAX_CHAIN = 20  #: exceptions that IPython is given to format
MAX_FRAMES = 150  #: of an exception that IPython is given to format: of 1000 it makes 3000 lines, in 8 s


def describe(error: BaseException, kind: Optional[type] = None) -> Json:
    """The content of an ``error`` message, without the traceback."""
    try:
        text = str(error)
    except Exception:
        text = "<exception whose __str__ failed>"
    return {"ename": (kind or type(error)).__name__, "evalue": text, "traceback": []}


def is_too_much(error: BaseException) -> bool:
    """Whether IPython can't format an exception: a recursion went deep, its chain is long or circular, or has a group.

    IPython follows ``__context__`` also where ``raise ... from None`` hides it.
    """
    group = getattr(builtins, "BaseExceptionGroup", ())
    found = [error]
    for each in found:
        if isinstance(each, group) or len(found) > MAX_CHAIN or _is_deep(each.__traceback__):
            return True
        found.extend({id(next_): next_ for next_ in (each.__cause__, each.__context__) if next_ is not None}.values())
    return False


def _is_deep(trace: Optional[TracebackType]) -> bool:
    for _ in range(MAX_FRAMES):
        if trace is None:
            return False
        trace = trace.tb_next
    return trace is not None
