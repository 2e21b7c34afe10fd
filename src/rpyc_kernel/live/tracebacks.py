"""The two tracebacks of an exception that came from another machine, in the style of the notebook."""

from __future__ import annotations

import functools
import types
from pathlib import Path
from typing import Any

import rpyc
from rpyc.core.netref import BaseNetref

BEGIN = "========= Remote Traceback "
_INTERNALS = (str(Path(rpyc.__file__).parent), str(Path(__file__).parents[1]), functools.__file__)


def render(error: BaseException, trace: str = "", where: str = "") -> list[str]:
    """Render an exception for IPython, without the frames of RPyC and of this package.

    Args:
        error: The exception.
        trace: Its remote traceback.
        where: The machine that the remote traceback comes from.

    Returns:
        The lines of both tracebacks.
    """
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only IPython calls this

    shell = get_ipython()
    notes = getattr(error, "__notes__", [])
    error.__notes__ = [note for note in notes if BEGIN not in note]
    tb = without_internals(error.__traceback__)
    try:
        lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, tb, tb_offset=1)
    finally:
        error.__notes__ = notes
    return [*lines, f"\n\x1b[36mOn {where}:\x1b[0m", _coloured(trace)] if "  File " in trace else lines


def has_internals(tb: types.TracebackType | None) -> bool:
    """Tell whether a frame of RPyC or of this package follows the first frame."""
    return any(map(_is_internal, _frames(tb)[1:]))


def advise(error: BaseException) -> None:
    """Add a note about ``remote.value`` to a local TypeError, if the function that raised it was given a netref."""
    frames = _frames(error.__traceback__)
    if not isinstance(error, TypeError) or not frames or _is_internal(frames[-1]) or hasattr(error, "_remote_tb"):
        return
    frame = frames[-1].tb_frame
    given = [frame.f_locals.get(name) for name in frame.f_code.co_varnames[: frame.f_code.co_argcount]]
    if any(issubclass(type(each), BaseNetref) for each in given):
        error.add_note("It was given a netref, an object of another machine: remote.value(netref) brings a copy.")


def without_internals(tb: types.TracebackType | None) -> types.TracebackType | None:
    """Return the traceback without the frames of RPyC and of this package, or all of it if there are no others."""
    frames = _frames(tb)
    following: types.TracebackType | None = None
    for each in reversed([each for each in frames if not _is_internal(each)] or frames):
        following = types.TracebackType(following, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return following


def _frames(tb: types.TracebackType | None) -> list[types.TracebackType]:
    frames = []
    while tb is not None:
        frames.append(tb)
        tb = tb.tb_next
    return frames


def _is_internal(tb: types.TracebackType) -> bool:
    return tb.tb_frame.f_code.co_filename.startswith(_INTERNALS)


def _coloured(trace: str) -> str:
    """Colour the places and the last line of a plain traceback as IPython does."""
    lines: list[Any] = trace.rstrip().splitlines()
    for index, line in enumerate(lines):
        if line.startswith("  File "):
            lines[index] = f"\x1b[32m{line}\x1b[0m"
    if lines:
        kind, colon, text = lines[-1].partition(":")
        lines[-1] = f"\x1b[31m{kind}\x1b[0m{colon}{text}"
    return "\n".join(lines)
