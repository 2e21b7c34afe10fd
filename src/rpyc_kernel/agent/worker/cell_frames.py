"""Tells whether a frame runs code of a cell, of the event loop, or our own; tracebacks without ours. No I/O."""

from __future__ import annotations

import builtins

from ..own_imports import PACKAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType, TracebackType
    from typing import Any, Container, Dict, FrozenSet, List, Optional, Set, Tuple

    Place = Tuple[CodeType, int]  # a function, and a line in it

OURS = PACKAGE + "."
SHELLS = (OURS, "IPython.", "comm.")  #: modules that stand between a cell's frames and ours
LOOPS = ("asyncio", "selectors")
CO_COROUTINE = 0x80  #: inspect.CO_COROUTINE, without importing inspect
DEBUGGERS = ("pdb", "IPython.core.debugger")
TRACERS = ("_pydevd", "pydevd")
MAX_EXCEPTIONS = 1000  #: of a chain, whose tracebacks are searched for frames of ours


class CellFrames:
    """Tells the frames of cells from those of the code that drives cells, the *machinery*.

    Args:
        machinery: The globals of modules whose code drives cells.

    Attributes:
        driving: The functions of the machinery that call the code of cells; set by `cells.Cells`.
    """

    def __init__(self, *machinery: Dict[str, Any]) -> None:
        self.machinery = list(machinery)
        self.driving: FrozenSet[CodeType] = frozenset()

    def is_machinery(self, frame: Optional[FrameType]) -> bool:
        """Whether a frame runs the code that drives cells: an exception raised there would be lost."""
        return frame is not None and any(frame.f_globals is each for each in self.machinery)

    def drives(self, frame: Optional[FrameType]) -> bool:
        """Whether a frame goes on with the code of cells: the machinery's, or a coroutine of the shell.

        An exception in such a coroutine, which may be about to go on with the cell's own one, would drop that: it would
        end by GeneratorExit.
        """
        if frame is None or self.is_machinery(frame):
            return frame is not None
        return bool(frame.f_code.co_flags & CO_COROUTINE) and module_of(frame).startswith(SHELLS)

    def is_driven(self, frame: Optional[FrameType]) -> bool:
        """Whether a frame belongs to the code of a cell or callback that is being driven.

        The event loop's own code runs in the context of the cell too, right behind a step of it; an exception there
        would lose the next step, and the cell would never end.
        """
        if frame is None or self.drives(frame):
            return False
        while frame is not None:
            if frame.f_code in self.driving:
                return True
            frame = frame.f_back
        return False

    def of_user(self, frame: Optional[FrameType]) -> List[FrameType]:
        """A frame and its callers, up to the outermost one of the cell, without the shell's frames and ours."""
        found = []
        while frame is not None and frame.f_code not in self.driving and not is_loops(frame):
            found.append(frame)
            frame = frame.f_back
        if frame is None:
            return []  # no request's code
        while found and module_of(found[-1]).startswith(SHELLS):
            found.pop()
        return [each for each in found if not is_ours(each)]

    def places(self, frame: Optional[FrameType]) -> List[Place]:
        """The lines at which a frame and its callers are, up to the outermost one of the cell."""
        found = []
        while frame is not None and frame.f_code not in self.driving:
            found.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back
        return found


def is_loops(frame: Optional[FrameType]) -> bool:
    """Whether a frame runs code of asyncio's."""
    return frame is not None and module_of(frame).startswith(LOOPS)


def holds_debugger(frame: Optional[FrameType]) -> bool:
    """Whether a frame or one of its callers runs a debugger's code."""
    while frame is not None:
        if module_of(frame) in DEBUGGERS:
            return True
        frame = frame.f_back
    return False


def module_of(frame: FrameType) -> str:
    """The name of the module whose code a frame runs."""
    return str(frame.f_globals.get("__name__", ""))


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs the agent's code, under whatever name the agent is mounted."""
    return is_our_module(module_of(frame))


def is_our_module(name: str) -> bool:
    """Whether a module of that name is the agent's."""
    return name == PACKAGE or name.startswith(OURS)


def user_traceback(tb: Optional[TracebackType], also: Container[str] = ()) -> Optional[TracebackType]:
    """Cut off the frames before the first one that isn't ours, and of none of these packages."""
    while tb is not None and (is_ours(tb.tb_frame) or module_of(tb.tb_frame).split(".")[0] in also):
        tb = tb.tb_next
    return tb


def without_ours(tb: Optional[TracebackType]) -> Optional[TracebackType]:
    """Take the agent's frames from a traceback, in place, and a debugger's at its end; returns its first entry."""
    first = last = user_traceback(tb)
    while last is not None:
        following = user_traceback(last.tb_next)
        while following is not None and following.tb_frame is last.tb_frame and is_tracer(following.tb_next):
            following = following.tb_next  # a trace function that raises is called by a frame that is there already
        last.tb_next = None if is_tracer(following) else following
        last = last.tb_next
    return first


def is_tracer(tb: Optional[TracebackType]) -> bool:
    """Whether an entry is of pydevd, which waits at a breakpoint in the midst of the user's code."""
    return tb is not None and module_of(tb.tb_frame).startswith(TRACERS)


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
