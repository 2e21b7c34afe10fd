"""Puts files of this machine that shown HTML names into the HTML itself: a page on another machine can't load them."""

from __future__ import annotations

import base64
import mimetypes
import os
import re
from html import escape, unescape
from urllib.parse import unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Match, Optional

MAX_BYTES = 4 << 20  #: of all files of one display
_TAG = re.compile(r"<(a|audio|embed|iframe|img|source|video)\b([^<>]*)>", re.IGNORECASE)
_LINK = re.compile(r"""(\b(?:src|href)\s*=\s*)(["'])([^"'<>]+)\2""", re.IGNORECASE)


def embedded(html: str) -> str:
    """Return HTML with the contents of the files that it names, as long as they are small.

    What ``FileLink`` shows becomes a link that saves the file.
    """
    left = MAX_BYTES

    def tag(found: Match[str]) -> str:
        name, rest = found.group(1), found.group(2)
        return "<%s%s>" % (name, _LINK.sub(lambda link: attribute(link, name), rest))

    def attribute(link: Match[str], name: str) -> str:
        nonlocal left
        written = link.group(3).partition("?")[0]
        path = written if os.path.isfile(written) else unquote(unescape(written))
        data = read(path, left)
        if data is None:
            return link.group(0)
        left -= len(data)
        mime = mimetypes.guess_type(path)[0] or "application/octet-stream"
        quote = link.group(2)
        uri = "%s%sdata:%s;base64,%s%s" % (link.group(1), quote, mime, base64.b64encode(data).decode("ascii"), quote)
        return uri + (
            " download=%s%s%s" % (quote, escape(os.path.basename(path)), quote) if name.lower() == "a" else ""
        )

    return _TAG.sub(tag, html)


def read(path: str, most: int) -> Optional[bytes]:
    """Return what is in a file of this machine; None where there is none, or it is larger."""
    if ":" in path or not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except OSError:
        return None
    return data if len(data) <= most else None
