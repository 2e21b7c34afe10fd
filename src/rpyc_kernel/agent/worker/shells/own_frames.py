"""Tracebacks without the agent's frames, for either shell."""

from __future__ import annotations

import builtins

from ..cell_frames import is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import List, Optional, Set

MAX_EXCEPTIONS = 1000  #: of a chain, whose tracebacks are searched for frames of ours


def user_traceback(tb: Optional[TracebackType]) -> Optional[TracebackType]:
    """Cut off the frames before the first one that isn't ours."""
    while tb is not None and is_ours(tb.tb_frame):
        tb = tb.tb_next
    return tb


def without_ours(tb: Optional[TracebackType]) -> Optional[TracebackType]:
    """Take the agent's frames from a traceback, in place; returns its first entry."""
    first = last = user_traceback(tb)
    while last is not None:
        last.tb_next = user_traceback(last.tb_next)
        last = last.tb_next
    return first


def hide_ours(error: Optional[BaseException]) -> None:
    """Take the agent's frames from the tracebacks of an error, its causes and contexts, and a group's members."""
    group = getattr(builtins, "BaseExceptionGroup", ())  # from Python 3.11 on
    waiting: List[Optional[BaseException]] = [error]
    seen: Set[int] = set()
    while waiting and len(seen) < MAX_EXCEPTIONS:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = without_ours(each.__traceback__)
        waiting += [each.__cause__, each.__context__]
        if isinstance(each, group):
            waiting += each.exceptions
