"""Errors as a notebook shows them: coloured, causes first, each exception once, and none of our own frames.

`traceback` shows one line of each frame, a group or a chain of any length, and on Python before 3.11 neither groups nor
notes; its suggestions for misspelt names are used.
"""

from __future__ import annotations

import linecache
import sys

from ....error_hints import hints
from .traceback_frames import RED, RESET, format_frames, frames_of, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set, Tuple

    Key = Tuple[str, int, str]

_MAX_CHAIN = 20
_MAX_FOLLOWED = 100_000  #: exceptions of a chain; one whose ``__cause__`` is made when it is asked for has no end
_MAX_GROUP = 15  #: exceptions of a group that are shown
_MAX_DEPTH = 8  #: groups in groups
_MAX_SHOWN = 60  #: exceptions, after which no more of a group are shown
_RULE = RED + "-" * 75 + RESET


def error_content(error: BaseException) -> Dict[str, Any]:
    """Content of an ``error`` message: ``ename``, ``evalue``, ``traceback``."""
    return {"ename": type(error).__name__, "evalue": safe_str(error), "traceback": format_error(error)}


def safe_str(error: BaseException) -> str:
    """Return ``str(error)``, or a text that says why there is none."""
    try:
        return str(error)
    except Exception as broken:
        return "<unprintable %s: its __str__ raised %s>" % (type(error).__name__, type(broken).__name__)


def format_error(error: BaseException) -> List[str]:
    """Format an error and what led to it, coloured, the causes first. Never raises."""
    try:
        return [*_format_chain(error), *hints(error)]
    except Exception as broken:
        # user code runs here too: properties of the exception, a loader's get_source
        return ["%s%s%s: %s" % (RED, type(error).__name__, RESET, safe_str(error)), "(no traceback: %r)" % (broken,)]


def _format_chain(error: BaseException, shown: Optional[Dict[int, BaseException]] = None, depth: int = 0) -> List[str]:
    """Format an exception, and before it the exceptions that led to it.

    Args:
        error: The exception.
        shown: By id, the exceptions that have been shown: each is shown once, however they hang together.
        depth: The depth of the group that holds the exception; 0 outside of groups.
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
    entries = frames_of(error.__traceback__)
    lines = []
    if entries:
        title = "Traceback (most recent call last)"
        if depth == 0:
            lines.append(_RULE)
        lines.append("%s%s%s%s" % (RED, name, RESET, title.rjust(75 - len(name))))
        lines.extend(format_frames(entries))
        lines.append("")
    lines.extend(final(error))
    lines.extend(_group(error, shown, depth))
    return lines


def final(error: BaseException) -> List[str]:
    """Format the lines that name an error, and its notes."""
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
    """Format the line of a SyntaxError, with a caret below it."""
    filename, lineno = error.filename, error.lineno
    if not isinstance(filename, str) or not isinstance(lineno, int):
        return []
    lines = ["  " + place(filename, lineno)]
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
    """Format the exceptions of an ExceptionGroup, each in a box of its own."""
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
    """Whether an error is a group, by its name: so is the backport's for older versions."""
    return any(cls.__name__ == "BaseExceptionGroup" for cls in type(error).__mro__)
