"""Translates a cell to Python: ``%magic``, ``!command`` and ``object?`` become calls of ``get_ipython()``.

A magic counts only where a logical line begins, so never in a string, a bracket or a continued line; indented in a
block it stays there. The number of lines never changes: tracebacks point into the text as it was typed.
"""

from __future__ import annotations

import re

from .scan import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple

#: finds a line that could be a magic; a cell without one needs no closer look
_MAYBE = re.compile(r"^[ \t\f]*[%!?]|=[ \t]*[%!]|\?[ \t]*;?[ \t\r]*(?:#.*)?$", re.MULTILINE)
_CELL_MAGIC = re.compile(r"\s*%%([^\s?]+)[ \t]*([^\n]*)(?:\n|$)")
_LINE_MAGIC = re.compile(r"%([^\s?(]+)\s?(.*)", re.DOTALL)
_AWAITS = re.compile(r"\b(?:await|async)\b")
_HELP_LINE = re.compile(r"(\?\??)?\s*(%{0,2}(?:\*|[^\W\d])[\w.*]*(?:\[[^\]]*\][\w.]*)*)\s*(\?\??)?\s*;?\s*$")
_HELP_END = re.compile(r"(%{0,2}[^\W\d]\w*(?:\.\w+|\[[^\]]*\])*)(\?\??)\s*;?\s*$")
_MAX_HELP_CHARS = 1000  #: longer lines ask about nothing; the patterns would take long to find that out
_FIRST_PROMPT = re.compile(r"\s*^>>>(?: |$)", re.MULTILINE)
_PROMPT = re.compile(r"^(?:>>>|\.\.\.)(?: |$)", re.MULTILINE)
_JOINED = re.compile(r"\\\n\s*")

#: magics whose code may await: they are awaited where that is in their text
AWAITABLE = frozenset(["time", "capture"])


def as_typed(cell: str) -> str:
    """What was pasted, without the indentation of its first line and without the prompts of a console."""
    cell = dedent(cell)
    return _PROMPT.sub("", cell) if ">>>" in cell and _FIRST_PROMPT.match(cell) else cell


def dedent(cell: str) -> str:
    """Take the indentation of the first line from all lines that have it, as after copying from a function."""
    stripped = cell.lstrip("\n")
    indent = stripped[: len(stripped) - len(stripped.lstrip(" \t"))]
    if not indent or not stripped.strip():
        return cell
    lines = cell.split("\n")
    return "\n".join([line[len(indent) :] if line.startswith(indent) else line for line in lines])


def cell_magic(cell: str) -> Optional[Tuple[str, str, str]]:
    """``(name, rest of the line, body)`` if the cell begins with a ``%%magic``."""
    found = _CELL_MAGIC.match(cell)
    if not found or found.group(0).rstrip().endswith("?"):
        return None
    return found.group(1), found.group(2), cell[found.end() :]


def transform(cell: str) -> str:
    """Translate a cell to Python of as many lines. Text without magics comes back unchanged."""
    if not _MAYBE.search(cell):
        return cell
    whole = cell_magic(cell)
    if whole:
        name, rest, body = whole
        before = cell[: len(cell) - len(body)].count("\n", 0, max(cell.find("%%"), 0))
        return "\n" * before + _cell_call(name, rest, body)
    parts = []
    done = 0
    for line in scan(cell).lines:
        if line.kind == "code":
            continue
        text = cell[line.start : line.end]
        if line.kind == "assign":
            called = cell[line.start : line.mark] + _value(cell[line.mark : line.end])
        elif line.kind == "help":
            called = _help_end(text)
        else:
            called = cell[line.start : line.mark] + _call(cell[line.mark : line.end])
        parts.append(cell[done : line.start])
        parts.append(called + "\n" * (text.count("\n") - called.count("\n")))
        done = line.end
    parts.append(cell[done:])
    return "".join(parts)


def is_quiet(cell: str) -> bool:
    """True if the cell ends in a semicolon that is code, so that its last value isn't shown."""
    lines = [line.strip() for line in cell.split("\n")]
    last = next((line for line in reversed(lines) if line and line[0] != "#"), "")
    if ";" not in last:
        return False  # in nearly all cells
    if cell_magic(cell):
        return cell.rstrip().endswith(";")
    end = scan(cell).last_code
    return end >= 0 and cell[end] == ";"


def help_call(text: str) -> Optional[str]:
    """The call for ``obj?``, ``obj??``, ``?obj``, ``??obj``; None if the text is none of them."""
    found = _HELP_LINE.match(text.lstrip()) if len(text) < _MAX_HELP_CHARS else None
    if not found or not (found.group(1) or found.group(3)):
        return None
    return _pinfo(found.group(2), found.group(1) or found.group(3))


def _pinfo(name: str, marks: str) -> str:
    magic = "pinfo2" if marks == "??" else "pinfo"
    return "get_ipython().run_line_magic(%r, %r)" % (magic, name)


def _help_end(text: str) -> str:
    """``x = obj?`` asks about what stands directly before the question mark, as in IPython."""
    asked = help_call(text)
    found = _HELP_END.search(text) if len(text) < _MAX_HELP_CHARS else None
    if asked:
        return text[: len(text) - len(text.lstrip())] + asked
    if not found:
        return text  # a question mark in the middle: Python says what is wrong with it
    indent = text[: len(text) - len(text.lstrip())]
    return indent + _pinfo(found.group(1), found.group(2))


def _cell_call(name: str, rest: str, body: str) -> str:
    if name in AWAITABLE and _AWAITS.search(body):
        return "await get_ipython().run_cell_magic_async(%r, %r, %r)\n" % (name, rest, body)
    return "get_ipython().run_cell_magic(%r, %r, %r)\n" % (name, rest, body)


def _call(text: str) -> str:
    """A whole logical line that begins with ``%``, ``!`` or ``?``."""
    text = _JOINED.sub(" ", text).rstrip() if text[0] != "!" else text.replace("\\\n", " ").rstrip()
    if text[0] == "!":
        if text.startswith("!!"):
            return "get_ipython().getoutput(%r)" % text[2:].strip()
        return "get_ipython().system(%r)" % text[1:].strip()
    asked = help_call(text)
    if asked:
        return asked
    if text[0] == "?":
        return "get_ipython().run_line_magic('pinfo', %r)" % text.lstrip("?").strip()
    return _line_call(text)


def _value(text: str) -> str:
    """The right side of ``x = %magic`` or ``x = !command``."""
    if text[0] == "!":
        return "get_ipython().getoutput(%r)" % text.lstrip("!").replace("\\\n", " ").strip()
    return _line_call(_JOINED.sub(" ", text).rstrip())


def _line_call(text: str) -> str:
    found = _LINE_MAGIC.match(text)
    if not found:
        return "get_ipython().run_line_magic('', %r)" % text[1:]
    name, rest = found.groups()
    if name in AWAITABLE and _AWAITS.search(rest):
        return "await get_ipython().run_line_magic_async(%r, %r)" % (name, rest)
    return "get_ipython().run_line_magic(%r, %r)" % (name, rest)
