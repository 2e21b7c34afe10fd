"""The files of cells, as a front end's debugger names them and as debugpy knows them.

A front end computes the path of a cell: a prefix that its kernel has told it, the hash of the cell's text, and ``.py``.
The prefix is a name that stays the same whichever Python runs the cells. debugpy sets breakpoints only in files that
exist, so that each cell gets a file of that name in the session's own folder.
"""

from __future__ import annotations

import os

from ...murmur2 import file_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    Json = Dict[str, Any]

MAX_SOURCE_BYTES = 4 << 20  #: of a file that is shown


class CellFiles:
    """Knows the files of cells.

    Args:
        scratch: The session's own folder; without it, a folder for temporary files is made.

    Attributes:
        prefix: What the kernel has told the front end.
    """

    def __init__(self, scratch: Optional[str]) -> None:
        self.prefix = ""
        self._scratch = scratch
        self._folder = ""

    @property
    def folder(self) -> str:
        """The folder of the files, made with the first use."""
        if not self._folder:
            if self._scratch:
                folder = os.path.join(self._scratch, "cells")
                os.makedirs(folder, mode=0o700, exist_ok=True)
            else:
                from tempfile import mkdtemp

                folder = mkdtemp(prefix="rpyc-kernel-cells-")
            self._folder = os.path.realpath(folder)
        return self._folder

    def path(self, name: str) -> str:
        """The path of the file of that name here."""
        return os.path.join(self.folder, name)

    def write(self, code: str) -> str:
        """Write the file of a cell; return the path that the front end knows."""
        name = file_name(code)
        with open(self.path(name), "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
            file.write(code)
        return self.prefix + name

    def read(self, path: str) -> str:
        """Return the text of a file, of a cell or any other. Raises OSError, SyntaxError or ValueError."""
        path = self.here(path)
        if not os.path.isfile(path) or os.path.getsize(path) > MAX_SOURCE_BYTES:
            raise ValueError("no file of text, or one that is too long")
        from tokenize import open as open_source

        with open_source(path) as file:
            return file.read(MAX_SOURCE_BYTES)

    def here(self, path: str) -> str:
        """Return the path here of what the front end names. The file of a cell exists from then on."""
        if not self.prefix or not path.startswith(self.prefix):
            return path
        name = path[len(self.prefix) :]
        if not (name.endswith(".py") and name[:-3].isdigit()):
            return path
        found = self.path(name)
        if not os.path.exists(found):
            with open(found, "w"):
                pass
        return found

    def there(self, path: str) -> str:
        """Return the path by which the front end knows a file."""
        folder, name = os.path.split(path)
        return self.prefix + name if folder == self._folder and folder else path

    def to_here(self, request: Json) -> Json:
        """Return a request with paths as they are here."""
        arguments = request.get("arguments")
        source = arguments.get("source") if isinstance(arguments, dict) else None
        if not isinstance(source, dict) or not isinstance(source.get("path"), str):
            return request
        source = dict(source, path=self.here(source["path"]))
        return dict(request, arguments=dict(arguments or {}, source=source))

    def to_there(self, value: Any) -> Any:
        """Return what debugpy says, with paths as the front end knows them."""
        if isinstance(value, list):
            return [self.to_there(each) for each in value]
        if not isinstance(value, dict):
            return value
        found = {key: self.to_there(each) for key, each in value.items()}
        if isinstance(found.get("path"), str):
            found["path"] = self.there(found["path"])
        return found
