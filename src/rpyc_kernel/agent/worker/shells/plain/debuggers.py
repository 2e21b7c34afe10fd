"""Keeps pdb, and whatever else is made of `bdb`, in the code of cells: it doesn't stop in our frames, nor show them."""

from __future__ import annotations

import sys

from ...cell_frames import LOOPS, is_our_module, is_ours, module_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any, List, Optional, Tuple

    Stack = List[Tuple[FrameType, int]]


def keep_in_cells(bdb: Any) -> None:
    """Have the debuggers of this module, `bdb`, leave out our frames: no step stops there, nor in what they call."""
    cls = bdb.Bdb
    if is_our_module(cls.trace_dispatch.__module__):
        return
    dispatch, get_stack = cls.trace_dispatch, cls.get_stack

    def trace_dispatch(self: Any, frame: FrameType, event: str, arg: Any) -> Any:
        back = frame.f_back
        if is_ours(frame):
            if event == "call" and self.stopframe is None and back is not None and not _drives(back):
                self.set_next(back)
            return None
        if event == "call" and back is not None and is_ours(back) and frame.f_code.co_name == "<module>":
            return self.trace_dispatch  # the next part of the cell, whose first line follows
        return dispatch(self, frame, event, arg)

    def get_cell_stack(self: Any, frame: Optional[FrameType], tb: Optional[TracebackType]) -> Tuple[Stack, int]:
        stack, current = get_stack(self, frame, tb)
        return cut(stack, current)

    cls.trace_dispatch, cls.get_stack = trace_dispatch, get_cell_stack


def let_go() -> None:
    """Have a debugger that still steps when its cell has ended go on as with ``c``: it isn't for the next cell."""
    traced = sys.gettrace()
    debugger = getattr(traced, "__self__", None)
    if isinstance(debugger, sys.modules["bdb"].Bdb):
        sys.settrace(None)  # or it would step through what follows
        debugger.set_continue()
        if debugger.breaks:
            sys.settrace(traced)


def _drives(frame: FrameType) -> bool:
    return is_ours(frame) or module_of(frame).split(".")[0] in LOOPS


def cut(stack: Stack, current: int) -> Tuple[Stack, int]:
    """Leave out our frames, and those in which ours were called; what is current stays.

    Args:
        stack: Frames with their lines, the outermost first.
        current: The index of the one that is looked at.
    """
    ours = [number for number, (frame, _line) in enumerate(stack) if is_ours(frame)]
    main = sys.modules["__main__"].__dict__
    begin = next((number for number in range(current) if stack[number][0].f_globals is main), current)
    if not any(number < begin for number in ours):
        begin = 0  # of an error, or in a thread
    kept = [number for number in range(begin, len(stack)) if number == current or number not in ours]
    return [stack[number] for number in kept], kept.index(current) if kept else 0
