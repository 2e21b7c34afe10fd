"""The lines of a program's text, as Python counts them and `linecache` keeps them."""

from __future__ import annotations

import io

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List


def source_lines(text: str) -> List[str]:
    """Return the lines, each with its end: without the last one's, tracebacks mark the wrong columns.

    ``str.splitlines`` takes a form feed, or a line separator of Unicode in a literal, for the end of a line. To Python
    none of them is one.
    """
    return io.StringIO(text if text.endswith(("\n", "\r")) or not text else text + "\n", None).readlines()
