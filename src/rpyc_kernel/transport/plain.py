"""Texts from another machine, made fit to be shown: by themselves, and in columns."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_TEXT_CHARS = 80  # of a name
MAX_CAUSE_CHARS = 600


def plain(text: str, longest: int = MAX_TEXT_CHARS) -> str:
    """Return *text* on one line, without control characters and those that reorder letters.

    Args:
        text: Whatever another machine, or another package, says.
        longest: How many characters are kept at most; "…" is the last one of a text that was cut.
    """
    shown = "".join(char if char.isprintable() else " " for char in text[: 4 * longest])
    shown = " ".join(shown.split())
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def cause(end: dict[str, Any]) -> str:
    """Return how a Python has ended, as its keeper describes the *end*: the rest of a sentence about that Python."""
    memory = ", as happens when its memory runs out" if end.get("signal") == "SIGKILL" else ""
    return plain(str(end.get("text", "ended")), MAX_CAUSE_CHARS) + memory


class WholeLines:
    """Cuts a text that comes in pieces into lines, and holds the last one until it has its end.

    Args:
        most: The characters of an unfinished line from which on it is taken for a whole one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._unfinished = ""

    def feed(self, text: str) -> list[str]:
        """Take the next piece; return the lines that are whole now, without their ends."""
        *lines, self._unfinished = (self._unfinished + text).split("\n")
        return lines + self.end() if len(self._unfinished) > self._most else lines

    def end(self) -> list[str]:
        """Return the unfinished line, if there is one."""
        rest, self._unfinished = self._unfinished, ""
        return [rest] if rest else []


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return *rows* as lines with aligned columns, two spaces apart."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _width(text: str) -> int:
    """Return the width of a text in columns: East Asian characters take two, combining characters none."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(bool(unicodedata.combining(char)) for char in text)
