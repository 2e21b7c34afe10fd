"""Finds in shown HTML what a page looks for on its own machine: files of this machine, servers on ``localhost``.

Files become a part of the HTML (`.page_files`); what is too large for that, and servers, are named in a sentence.
"""

from __future__ import annotations

import os
import re
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

MAX_HTML_CHARS = 4096  #: characters of what is looked at; whoever embeds a file sends more
_LINK = re.compile(r"""\b(?:src|href)\s*=\s*["']([^"'<>]+)["']""", re.IGNORECASE)
_LOCAL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::(\d+))?(?:[/?#]|$)", re.IGNORECASE)
_FILE = "%s is a file of %s, and too large to be sent with what is shown. %%get %s brings it to where Jupyter runs."
_SERVER = "%s is opened by the page on its own machine, not on %s. %%forward %s opens that port here, too."
_OTHER = "%s is opened by the page on its own machine; that port of %s is http://localhost:%s there."


class PageHints:
    """Finds the first link of each kind in a session.

    Args:
        page_host: The name of the machine that Jupyter runs on; nothing is found if it is this machine.
        forwarded: The ports of this machine that are forwarded, each with the port of the kernel's machine.
    """

    def __init__(self, page_host: str, forwarded: Dict[int, int]) -> None:
        self._forwarded = forwarded
        self._elsewhere = page_host not in ("", socket.gethostname())
        self._left = {_FILE, _SERVER} if self._elsewhere else set()

    def embed(self, html: Any) -> Any:
        """Return the HTML of a display with the files that it names."""
        if not self._elsewhere or not isinstance(html, str) or len(html) > MAX_HTML_CHARS or not _LINK.search(html):
            return html
        from .page_files import embedded  # late: few sessions show links

        return embedded(html)

    def look(self, html: Any) -> str:
        """Return a sentence about the HTML of a display, or an empty text."""
        if not self._left or not isinstance(html, str) or len(html) > MAX_HTML_CHARS:
            return ""
        for link in _LINK.findall(html):
            server = _LOCAL.match(link)
            host = socket.gethostname()
            if server and _SERVER in self._left:
                port = server.group(1) or "80"
                local = self._forwarded.get(int(port))
                if local == int(port):
                    continue
                self._left.remove(_SERVER)
                return _SERVER % (link, host, port) if local is None else _OTHER % (link, host, local)
            if _FILE in self._left and ":" not in link and os.path.isfile(link.partition("?")[0]):
                self._left.remove(_FILE)
                return _FILE % (link, host, link)
        return ""
