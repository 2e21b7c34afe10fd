"""The common part of the classes of ``IPython.display``: data that is given, or read from a file or a URL."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional


class DisplayObject:
    """Data in one format, given as it is, or by the URL or the file that has it."""

    _binary = False
    _place = "IPython.core.display"
    metadata: Optional[Dict[str, Any]] = None

    def __init__(self, data: Any = None, url: Any = None, filename: Any = None, metadata: Any = None) -> None:
        data, filename = (os.fspath(each) if hasattr(each, "__fspath__") else each for each in (data, filename))
        if isinstance(data, str):
            if url is None and data.startswith(("http://", "https://")):
                data, url, filename = None, data, None
            elif filename is None and _is_file(data):
                data, filename = None, data
        self.url = url
        self.filename = filename
        self.data = data
        if metadata is not None:
            self.metadata = metadata
        elif self.metadata is None:
            self.metadata = {}
        self.reload()
        self._check_data()

    def __repr__(self) -> str:
        return "<%s.%s object>" % (self._place, type(self).__name__)

    def _check_data(self) -> None:
        """Raises TypeError if the data is of a type that can't be shown."""

    def reload(self) -> None:
        """Read the file, or fetch the URL, again."""
        if self.filename is not None:
            with open(self.filename, "rb") as file:
                content = file.read()
            self.data = content if self._binary else content.decode("utf-8").replace("\r\n", "\n")
        elif self.url is not None:
            self.data = _fetch(self.url, self._binary)

    def _shown(self) -> Any:
        """The data, with metadata if there is any."""
        return (self.data, dict(self.metadata)) if self.metadata else self.data


def no_file(text: str) -> FileNotFoundError:
    """The error of a text that was given as data and looks like the name of a file."""
    name = text if len(text) < 200 else text[:200] + "..."
    return FileNotFoundError("There is no file %r on this machine (in %s)." % (name, os.getcwd()))


def escape(text: str) -> str:
    """Text as HTML, also in an attribute."""
    import html

    return html.escape(text)


def base64(data: bytes) -> str:
    """Bytes as base64, in one line."""
    from binascii import b2a_base64

    return b2a_base64(data, newline=False).decode("ascii")


def _is_file(text: str) -> bool:
    try:
        return os.path.exists(text)
    except ValueError:  # a null character
        return False


def _fetch(url: str, binary: bool) -> Any:
    from urllib.request import urlopen

    with urlopen(url) as response:  # noqa: S310 - the user has named it
        data = response.read()
        if "gzip" in response.headers.get("content-encoding", ""):
            import gzip

            data = gzip.decompress(data)
        charset = response.headers.get_content_charset()
    return data if binary else data.decode(charset or "utf-8", "replace")
