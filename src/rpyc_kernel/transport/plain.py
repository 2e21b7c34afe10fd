"""Texts from another machine, made fit to be shown."""

from __future__ import annotations

MAX_TEXT_CHARS = 80  # of a name


def plain(text: str, longest: int = MAX_TEXT_CHARS) -> str:
    """Return *text* on one line, without control characters and those that reorder letters.

    Args:
        text: Whatever another machine, or another package, says.
        longest: How many characters are kept at most; "…" is the last one of a text that was cut.
    """
    shown = "".join(char if char.isprintable() else " " for char in text[: 4 * longest])
    shown = " ".join(shown.split())
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
