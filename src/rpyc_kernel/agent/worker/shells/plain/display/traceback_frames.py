"""The frames of a traceback as a notebook shows them: the cell's lines with an arrow, none of our own frames.

`traceback.format_tb` shows one line of each frame, by a file's name, and it shows our frames too.
"""

from __future__ import annotations

import linecache
import os

from ....cell_frames import is_ours, is_tracer
from ..language.compiling import cell_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any, Callable, Dict, List, Optional, Tuple

    Key = Tuple[str, int, str]

RED, GREEN, CYAN, UNDERLINE, RESET = "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[4m", "\x1b[0m"
_CONTEXT_LINES = 2  #: shown before and after the line that raised
_MAX_FRAMES = 50
_MAX_REPEATS = 3  #: of the same line, before repetitions are counted instead of shown

#: what IPython calls a cell, ``("Cell", "In[3]")``, by the file name of its code; None for any other
name_cell: Optional[Callable[[str], Optional[Tuple[str, str]]]] = None


class TracebackFrame:
    """One frame of a traceback.

    Attributes:
        span: Where in its line the code was that ran, in bytes of UTF-8; None where the version of Python can't tell.
    """

    __slots__ = ("filename", "frame", "function", "lineno", "span")

    def __init__(self, frame: FrameType, lineno: int, lasti: int) -> None:
        code = frame.f_code
        self.frame = frame
        self.filename = code.co_filename
        self.function = getattr(code, "co_qualname", code.co_name)
        self.lineno = lineno
        self.span = _span(code, lasti)

    @property
    def key(self) -> Key:
        return self.filename, self.lineno, self.function


def frames_of(tb: Optional[TracebackType]) -> List[TracebackFrame]:
    """Take from a traceback the frames that are shown."""
    found = []
    while tb is not None and tb.tb_frame.f_globals.get("__name__", "").startswith("IPython.core."):
        tb = tb.tb_next  # it runs the cell
    while tb is not None and not is_tracer(tb):
        if tb.tb_next is not None and tb.tb_next.tb_frame is tb.tb_frame and is_tracer(tb.tb_next.tb_next):
            pass  # the frame stands there twice: its trace function has raised
        elif not is_ours(tb.tb_frame) and not tb.tb_frame.f_code.co_filename.startswith("<frozen importlib."):
            found.append(TracebackFrame(tb.tb_frame, tb.tb_lineno, tb.tb_lasti))
        tb = tb.tb_next
    if len(found) > 1 and _is_cell_magic(found[0]):
        del found[0]  # the line "%%time": what it ran follows, in the same cell
    return found


def _is_cell_magic(frame: TracebackFrame) -> bool:
    line = linecache.getline(frame.filename, frame.lineno)
    return cell_of(frame.filename) is not None and line.lstrip().startswith("%%")


def format_frames(frames: List[TracebackFrame]) -> List[str]:
    """Format frames, coloured; repetitions of a recursion are counted, and of many frames the middle is left out."""
    lines: List[str] = []
    many = len(frames) > _MAX_FRAMES
    count: Dict[Key, int] = {}
    skipped: Dict[Key, int] = {}
    shown = 0
    cut = 0
    for number, frame in enumerate(frames):
        last = number == len(frames) - 1
        count[frame.key] = count.get(frame.key, 0) + 1
        if many and not last and count[frame.key] > _MAX_REPEATS:
            skipped[frame.key] = skipped.get(frame.key, 0) + 1
            continue
        if many and not last and shown >= _MAX_FRAMES:
            cut += 1
            continue
        lines.extend(_skipped(skipped))
        skipped = {}
        if cut and last:
            lines.extend(["    [... %d more frames ...]" % cut, ""])
        lines.extend(_format_frame(frame))
        shown += 1
    return lines[:-1]


def _skipped(skipped: Dict[Key, int]) -> List[str]:
    """Tell in one line of the frames of a deep recursion that are not shown."""
    if not skipped:
        return []
    texts = ["%s at line %d (%d times)" % (key[2], key[1], times) for key, times in list(skipped.items())[:10]]
    if len(skipped) > 10:
        texts.append("...")
    return ["    [... skipping similar frames: %s]" % ", ".join(texts), ""]


def _format_frame(frame: TracebackFrame) -> List[str]:
    name = frame.function
    where = "" if name == "<module>" else ", in %s%s%s" % (CYAN, name, RESET)
    lines = [place(frame.filename, frame.lineno) + where]
    source = linecache.getlines(frame.filename, frame.frame.f_globals)
    if not source and not os.path.isabs(frame.filename):
        source = linecache.getlines(os.path.abspath(frame.filename))
    if 0 < frame.lineno <= len(source):
        first = max(1, frame.lineno - _CONTEXT_LINES)
        width = len(str(frame.lineno + _CONTEXT_LINES))
        for number in range(first, min(len(source), frame.lineno + _CONTEXT_LINES) + 1):
            text = source[number - 1].rstrip("\r\n")
            if number == frame.lineno:
                label = "----> ".rjust(6) + str(number).rjust(width)
                lines.append("%s%s%s %s" % (GREEN, label, RESET, _mark(text, frame.span)))
            elif text.strip() or number < frame.lineno:
                lines.append("%s%s%s %s" % (GREEN, " " * 6 + str(number).rjust(width), RESET, text))
    lines.append("")
    return lines


def place(filename: str, lineno: int) -> str:
    """Say where a line is: in a cell, or in a file."""
    cell = cell_of(filename)
    label = cell[0] if cell else " ".join((name_cell and name_cell(filename)) or ())
    if label:
        return "%s%s%s, line %d" % (GREEN, label, RESET, lineno)
    return "File %s%s:%d%s" % (GREEN, filename, lineno, RESET)


def _span(code: Any, lasti: int) -> Optional[Tuple[int, int]]:
    """Where in its line an instruction stands, in bytes of UTF-8; only Python 3.11 and later know."""
    positions = getattr(code, "co_positions", None)
    if positions is None or lasti < 0:
        return None
    import itertools

    line, end_line, start, end = next(itertools.islice(positions(), lasti // 2, None), (None,) * 4)
    if line is None or line != end_line or start is None or end is None:
        return None
    return start, end


def _mark(text: str, span: Optional[Tuple[int, int]]) -> str:
    """Underline the part of a line that was being run."""
    if span is None:
        return text
    raw = text.encode("utf-8", "surrogatepass")
    start, end = span
    # where a magic was translated, the columns are those of another text
    if end > len(raw) or start >= end or text.lstrip()[:1] in ("%", "!", "?") or "= %" in text or "= !" in text:
        return text
    if not raw[:start].strip() and not raw[end:].strip():
        return text  # all of it: nothing to point out
    parts = [part.decode("utf-8", "replace") for part in (raw[:start], raw[start:end], raw[end:])]
    return "%s%s%s%s%s" % (parts[0], UNDERLINE, parts[1], RESET, parts[2])
