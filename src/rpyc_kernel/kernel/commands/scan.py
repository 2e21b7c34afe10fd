"""Finds where the lines of a cell begin. Text in, positions out.

A cell need not be Python (``!ls``, ``%timeit``, ``obj?``, ``%%bash``), so neither `ast` nor `tokenize` can say. This
small scanner knows strings, brackets, comments, continuations and IPython's escaped lines; after anything else it goes
on at the next line. It takes an f-string to end at its next quote, as Python 3.11 does.

The built-in shell has a scanner of its own (``shells/plain/language/scan.py``): it tells what is open at a text's end,
while commands need the place where a call's parenthesis closes, and the three kinds of newlines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

NEWLINE = re.compile(r"\r\n|\r|\n")
_TOKEN = re.compile(
    r"""
      (?P<triple> \"{3} | '{3})
    | (?P<quote> ["'])
    | (?P<comment> \#[^\r\n]*)
    | (?P<continuation> \\(?:\r\n|\r|\n))
    | (?P<newline> \r\n|\r|\n)
    | (?P<open> [(\[{])
    | (?P<close> [)\]}])
    | (?P<escape> !(?!=) | (?<![=<>!])=[ \t]*%(?=\w))  # x = !ls (   and   x = %env (   are IPython's to the line's end
    """,
    re.VERBOSE,
)
_STRING_END = {
    '"""': re.compile(r'\\.|"""', re.DOTALL),
    "'''": re.compile(r"\\.|'''", re.DOTALL),
    '"': re.compile(r'\\(?:\r\n|.)|["\r\n]', re.DOTALL),
    "'": re.compile(r"\\(?:\r\n|.)|['\r\n]", re.DOTALL),
}
_BLANKS = frozenset(" \t\f")
NOT_CODE = frozenset(("", "\r", "\n", "#"))  # what a blank line or a comment begins with
_LINE_ESCAPES = frozenset("%!?,;/")  # what begins a line that IPython reads by itself, quotes and brackets and all


class Line(NamedTuple):
    """A logical line, ``text[start:end]`` with its newline. Its first character that is no blank is at *content*."""

    start: int
    content: int
    end: int


def logical_lines(text: str) -> Iterator[Line]:
    """Yield the logical lines of *text* in their order."""
    start = 0
    while start < len(text):
        content = start
        while text[content : content + 1] in _BLANKS:
            content += 1
        end = _line_end(text, content)
        yield Line(start, content, end)
        start = end


def _line_end(text: str, position: int) -> int:
    if text[position : position + 1] in _LINE_ESCAPES:
        return _escaped_line_end(text, position)
    depth = 0
    for kind, _, end in tokens(text, position):
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(depth - 1, 0)
        elif kind == "newline" and not depth:
            return end
        elif kind == "escape" and not depth:
            return _escaped_line_end(text, end)
    return len(text)


def _escaped_line_end(text: str, position: int) -> int:
    """Return where a line ends that IPython reads by itself: only a backslash at its very end continues it."""
    while newline := NEWLINE.search(text, position):
        if text[newline.start() - 1] != "\\":
            return newline.end()
        position = newline.end()
    return len(text)


def tokens(text: str, position: int) -> Iterator[tuple[str, int, int]]:
    """Yield each token that matters for the ends of lines, as (kind, start, end).

    A string is one token, of the kind "string" or "unclosed"; the other kinds are the names of the groups in `_TOKEN`.
    """
    while match := _TOKEN.search(text, position):
        kind, position = match.lastgroup or "", match.end()
        if kind in ("triple", "quote"):
            kind, position = _string_end(text, position, match[0])
        yield kind, match.start(), position


def _string_end(text: str, position: int, quote: str) -> tuple[str, int]:
    for match in _STRING_END[quote].finditer(text, position):
        if match[0] == quote:
            return "string", match.end()
        if match[0] in "\r\n":  # a short string ends with its line, closed or not
            return "unclosed", match.start()
    return "unclosed", len(text)


def closing(text: str, position: int) -> int | None:
    """Return the position behind the bracket that closes the one at *position*, None where none does."""
    depth = 0
    for kind, _, end in tokens(text, position):
        depth += (kind == "open") - (kind == "close")
        if not depth:
            return end
    return None
