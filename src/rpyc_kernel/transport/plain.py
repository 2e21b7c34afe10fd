"""What another machine says, fit to be shown to somebody."""

from __future__ import annotations

MAX_TEXT = 80  # characters of a name or of what somebody is called


def plain(text: str, longest: int = MAX_TEXT) -> str:
    """*text* on one line: without control characters and what reorders letters, and cut to *longest* characters."""
    shown = "".join(char if char.isprintable() else " " for char in text[: 4 * longest])
    shown = " ".join(shown.split())
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
