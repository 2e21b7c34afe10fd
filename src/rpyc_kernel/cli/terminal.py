"""Writing to a terminal."""

from __future__ import annotations

import sys


def say(text: str, *, error: bool = False) -> None:
    """Print on a terminal of whatever encoding: names may be of any script."""
    stream = sys.stderr if error else sys.stdout
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream)
