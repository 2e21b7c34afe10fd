"""Errors as a notebook shows them: the cell's lines with an arrow, causes first, none of our own frames."""

from __future__ import annotations

import builtins
import linecache
import os
import sys

from .....own_imports import PACKAGE
from ....error_hints import hints
from ..language.compiling import cell_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any, Callable, Dict, List, Optional, Set, Tuple

    Key = Tuple[str, int, str]

RED, GREEN, CYAN, BOLD, UNDERLINE, RESET = "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[1m", "\x1b[4m", "\x1b[0m"
_CONTEXT = 2  #: lines shown before and after the one that raised
_MAX_FRAMES = 50
_REPEATS = 3  #: of the same line, before repetitions are counted instead of shown
_MAX_CHAIN = 20
_MAX_FOLLOWED = 100_000  #: exceptions of a chain; one whose ``__cause__`` is made when it is asked for has no end
_MAX_GROUP = 15  #: exceptions of a group that are shown
_MAX_DEPTH = 8  #: groups in groups
_MAX_SHOWN = 60  #: exceptions, after which no more of a group are shown
_MAX_HIDDEN = 1000  #: exceptions of a chain whose tracebacks are searched for frames of ours
_RULE = RED + "-" * 75 + RESET

#: what IPython calls a cell, ``("Cell", "In[3]")``, by the file name of its code; None for any other
name_cell: Optional[Callable[[str], Optional[Tuple[str, str]]]] = None

#: the package of the agent, under whatever name it is mounted: its frames are nobody's business


class Entry:
    """One frame of a traceback. `span` is where in the line it was, in columns, if the version tells."""

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


def error_content(error: BaseException) -> Dict[str, Any]:
    """Content of an ``error`` message: ``ename``, ``evalue``, ``traceback``."""
    return {"ename": type(error).__name__, "evalue": safe_str(error), "traceback": format_error(error)}


def safe_str(error: BaseException) -> str:
    """``str(error)``, or a text that says why there is none."""
    try:
        return str(error)
    except Exception as broken:
        return "<unprintable %s: its __str__ raised %s>" % (type(error).__name__, type(broken).__name__)


def format_error(error: BaseException) -> List[str]:
    """The lines of a traceback, coloured, the causes of the error first. Never raises."""
    try:
        return [*_format_chain(error), *hints(error)]
    except Exception as broken:
        # user code runs here too: properties of the exception, a loader's get_source
        return ["%s%s%s: %s" % (RED, type(error).__name__, RESET, safe_str(error)), "(no traceback: %r)" % (broken,)]


def user_traceback(tb: Optional[TracebackType]) -> Optional[TracebackType]:
    """The traceback from the first frame on that isn't ours."""
    while tb is not None and is_ours(tb.tb_frame):
        tb = tb.tb_next
    return tb


def without_ours(tb: Optional[TracebackType]) -> Optional[TracebackType]:
    """The traceback without the agent's frames, wherever they are in it; it is changed in place."""
    first = last = user_traceback(tb)
    while last is not None:
        last.tb_next = user_traceback(last.tb_next)
        last = last.tb_next
    return first


def hide_ours(error: Optional[BaseException]) -> None:
    """Take the agent's frames from the traceback of an error, and of all that it holds and comes from."""
    group = getattr(builtins, "BaseExceptionGroup", ())  # from Python 3.11 on
    waiting: List[Optional[BaseException]] = [error]
    seen: Set[int] = set()
    while waiting and len(seen) < _MAX_HIDDEN:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = without_ours(each.__traceback__)
        waiting += [each.__cause__, each.__context__]
        if isinstance(each, group):
            waiting += each.exceptions


def is_ours(frame: FrameType) -> bool:
    """True for a frame of the agent."""
    name = frame.f_globals.get("__name__")
    return isinstance(name, str) and (name == PACKAGE or name.startswith(PACKAGE + "."))


def _format_chain(error: BaseException, shown: Optional[Dict[int, BaseException]] = None, depth: int = 0) -> List[str]:
    """Format an exception, and before it the exceptions that led to it.

    Args:
        error: the exception.
        shown: by id, the exceptions that have been shown: each is shown once, however they hang together.
        depth: of the group that holds the exception; 0 outside of groups.
    """
    shown = {} if shown is None else shown
    chain: List[Tuple[BaseException, str]] = []
    within: Set[int] = set()
    current: Optional[BaseException] = error
    link = ""
    while current is not None and id(current) not in shown and len(chain) < _MAX_FOLLOWED:
        shown[id(current)] = current
        within.add(id(current))
        chain.append((current, link))
        if current.__cause__ is not None:
            current, link = current.__cause__, "The above exception was the direct cause of the following exception:"
        elif current.__context__ is not None and not current.__suppress_context__:
            current, link = current.__context__, "During handling of the above exception, another exception occurred:"
        else:
            current = None
    lines: List[str] = []
    if current is not None and id(current) in within:
        name = "%s: %s" % (type(current).__name__, safe_str(current))
        lines.extend(["[... the chain goes round: before the next one comes %s, which is shown below ...]" % name, ""])
    middle = len(chain) - _MAX_CHAIN
    for number, (each, _) in enumerate(reversed(chain)):
        if 0 < number <= middle:  # the first one is what it all began with
            if number == middle:
                lines.extend(["", "[... %d exceptions in between are not shown ...]" % middle])
            continue
        if number:
            lines.extend(["", chain[len(chain) - number][1], ""])
        lines.extend(_format_one(each, shown, depth))
    return lines


def _format_one(error: BaseException, shown: Dict[int, BaseException], depth: int) -> List[str]:
    name = type(error).__name__
    entries = _entries(error.__traceback__)
    lines = []
    if entries:
        title = "Traceback (most recent call last)"
        if depth == 0:
            lines.append(_RULE)
        lines.append("%s%s%s%s" % (RED, name, RESET, title.rjust(75 - len(name))))
        lines.extend(_format_entries(entries))
        lines.append("")
    lines.extend(final(error))
    lines.extend(_group(error, shown, depth))
    return lines


def _entries(tb: Optional[TracebackType]) -> List[Entry]:
    found = []
    while tb is not None and tb.tb_frame.f_globals.get("__name__", "").startswith("IPython.core."):
        tb = tb.tb_next  # it runs the cell
    while tb is not None:
        if not is_ours(tb.tb_frame) and not tb.tb_frame.f_code.co_filename.startswith("<frozen importlib."):
            found.append(Entry(tb.tb_frame, tb.tb_lineno, tb.tb_lasti))
        tb = tb.tb_next
    if len(found) > 1 and _is_cell_magic(found[0]):
        del found[0]  # the line "%%time": what it ran follows, in the same cell
    return found


def _is_cell_magic(entry: Entry) -> bool:
    line = linecache.getline(entry.filename, entry.lineno)
    return cell_of(entry.filename) is not None and line.lstrip().startswith("%%")


def _format_entries(entries: List[Entry]) -> List[str]:
    lines: List[str] = []
    many = len(entries) > _MAX_FRAMES
    count: Dict[Key, int] = {}
    skipped: Dict[Key, int] = {}
    shown = 0
    cut = 0
    for number, entry in enumerate(entries):
        last = number == len(entries) - 1
        count[entry.key] = count.get(entry.key, 0) + 1
        if many and not last and count[entry.key] > _REPEATS:
            skipped[entry.key] = skipped.get(entry.key, 0) + 1
            continue
        if many and not last and shown >= _MAX_FRAMES:
            cut += 1
            continue
        lines.extend(_skipped(skipped))
        skipped = {}
        if cut and last:
            lines.extend(["    [... %d more frames ...]" % cut, ""])
        lines.extend(_format_entry(entry))
        shown += 1
    return lines[:-1]


def _skipped(skipped: Dict[Key, int]) -> List[str]:
    """What a recursion that went deep looks like, in one line."""
    if not skipped:
        return []
    texts = ["%s at line %d (%d times)" % (key[2], key[1], times) for key, times in list(skipped.items())[:10]]
    if len(skipped) > 10:
        texts.append("...")
    return ["    [... skipping similar frames: %s]" % ", ".join(texts), ""]


def _format_entry(entry: Entry) -> List[str]:
    name = entry.function
    where = "" if name == "<module>" else ", in %s%s%s" % (CYAN, name, RESET)
    lines = [_place(entry.filename, entry.lineno) + where]
    source = linecache.getlines(entry.filename, entry.frame.f_globals)
    if not source and not os.path.isabs(entry.filename):
        source = linecache.getlines(os.path.abspath(entry.filename))
    if 0 < entry.lineno <= len(source):
        first = max(1, entry.lineno - _CONTEXT)
        width = len(str(entry.lineno + _CONTEXT))
        for number in range(first, min(len(source), entry.lineno + _CONTEXT) + 1):
            text = source[number - 1].rstrip("\r\n")
            if number == entry.lineno:
                label = "----> ".rjust(6) + str(number).rjust(width)
                lines.append("%s%s%s %s" % (GREEN, label, RESET, _mark(text, entry.span)))
            elif text.strip() or number < entry.lineno:
                lines.append("%s%s%s %s" % (GREEN, " " * 6 + str(number).rjust(width), RESET, text))
    lines.append("")
    return lines


def _place(filename: str, lineno: int) -> str:
    cell = cell_of(filename)
    label = cell[0] if cell else " ".join((name_cell and name_cell(filename)) or ())
    if label:
        return "%s%s%s, line %d" % (GREEN, label, RESET, lineno)
    return "File %s%s:%d%s" % (GREEN, filename, lineno, RESET)


def _span(code: Any, lasti: int) -> Optional[Tuple[int, int]]:
    """Where in its line an instruction stands, in UTF-8 bytes; only 3.11 and later know."""
    positions = getattr(code, "co_positions", None)
    if positions is None or lasti < 0:
        return None
    import itertools

    line, end_line, start, end = next(itertools.islice(positions(), lasti // 2, None), (None,) * 4)
    if line is None or line != end_line or start is None or end is None:
        return None
    return start, end


def _mark(text: str, span: Optional[Tuple[int, int]]) -> str:
    """The line with the part that was being run underlined."""
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


def final(error: BaseException) -> List[str]:
    """The lines that name the error, with what was noted about it."""
    lines = []
    if isinstance(error, SyntaxError):
        lines.extend(_syntax(error))
        message: Any = error.msg  # anybody may set it to anything
        text = message if isinstance(message, str) else safe_str(error)
    else:
        text = safe_str(error) + _suggestion(error)
    name = type(error).__name__
    lines.append("%s%s%s%s" % (RED, name, RESET, ": " + text if text else ""))
    if isinstance(error, SystemExit):
        lines.append("The session goes on: sys.exit() ends the cell only. To end the session, shut down the kernel.")
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, (list, tuple)):
        lines.extend([str(note) for note in notes])
    return lines


def _syntax(error: SyntaxError) -> List[str]:
    """Where a SyntaxError is, with a caret below it."""
    filename, lineno = error.filename, error.lineno
    if not isinstance(filename, str) or not isinstance(lineno, int):
        return []
    lines = ["  " + _place(filename, lineno)]
    known = linecache.getline(filename, lineno)
    text = known or (error.text if isinstance(error.text, str) else "")
    if not text.strip():
        return lines
    text = text.rstrip("\r\n")
    lines.append("    %s%s%s" % (RED, text.lstrip(), RESET))
    offset = error.offset
    if isinstance(offset, int) and offset > 0 and (not known or _same(known, error.text)):
        indent = len(text) - len(text.lstrip())
        width = 1
        end = getattr(error, "end_offset", None)
        if getattr(error, "end_lineno", None) == lineno and isinstance(end, int) and end > offset:
            width = min(end, len(text) + 1) - offset
        lines.append("    " + " " * max(0, min(offset - 1, len(text)) - indent) + "^" * max(1, width))
    return lines


def _same(line: str, text: Optional[str]) -> bool:
    return isinstance(text, str) and line.strip() == text.strip()


def _suggestion(error: BaseException) -> str:
    """``. Did you mean: 'name'?`` where the standard library has an idea (3.12 and later)."""
    if sys.version_info < (3, 12) or not isinstance(error, (NameError, AttributeError, ImportError)):
        return ""
    try:
        import traceback

        text = str(traceback.TracebackException(type(error), error, error.__traceback__, limit=0, lookup_lines=False))
        plain = str(error)
    except Exception:
        return ""
    return text[len(plain) :] if text.startswith(plain) else ""


def _group(error: BaseException, shown: Dict[int, BaseException], depth: int) -> List[str]:
    """The exceptions of an ExceptionGroup, each in a box of its own."""
    inner = getattr(error, "exceptions", None)
    if not _is_group(error) or not isinstance(inner, tuple):
        return []
    if depth >= _MAX_DEPTH:
        return ["  | ... (%d exceptions, too deep to show)" % len(inner)]
    lines = []
    for number, each in enumerate(inner):
        if number >= _MAX_GROUP or len(shown) >= _MAX_SHOWN:
            lines.append("  +---------------- and %d more" % (len(inner) - number))
            break
        lines.append("  +---------------- %d ----------------" % (number + 1))
        if id(each) in shown:
            lines.append("  | %s: %s (shown already)" % (type(each).__name__, safe_str(each)))
            continue
        for line in _format_chain(each, shown, depth + 1):
            lines.extend(["  | " + part for part in line.split("\n")])
    lines.append("  +------------------------------------")
    return lines


def _is_group(error: BaseException) -> bool:
    """By name too, for the backport on older versions."""
    return any(cls.__name__ == "BaseExceptionGroup" for cls in type(error).__mro__)
