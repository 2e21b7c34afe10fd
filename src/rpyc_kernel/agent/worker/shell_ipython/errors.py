"""Errors as messages, and those that IPython's own formatter can't show: groups, and chains without an end."""

from __future__ import annotations

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from ...wire import Json

MAX_CHAIN = 20  #: exceptions that IPython is given to format


def describe(error: BaseException, kind: Optional[type] = None) -> Json:
    """The content of an ``error`` message, without the traceback."""
    try:
        text = str(error)
    except Exception:
        text = "<exception whose __str__ failed>"
    return {"ename": (kind or type(error)).__name__, "evalue": text, "traceback": []}


def is_too_much(error: BaseException) -> bool:
    """Whether IPython can't format an exception: its chain is long, bites its tail, or has a group in it.

    IPython follows ``__context__`` also where ``raise ... from None`` hides it.
    """
    group = getattr(builtins, "BaseExceptionGroup", ())
    found = [error]
    for each in found:
        if isinstance(each, group) or len(found) > MAX_CHAIN:
            return True
        found.extend({id(next_): next_ for next_ in (each.__cause__, each.__context__) if next_ is not None}.values())
    return False
