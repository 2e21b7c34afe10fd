"""``get_ipython().db``, where ``%store`` and ``%bookmark`` keep what they keep: pickles in the user's own profile.

The files are those of IPython's own database, whatever package its version takes for it: what a terminal has stored is
found here, and the other way round. A file is replaced at once, also when several sessions write it.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import MutableMapping
from fnmatch import fnmatch

from IPython.core.error import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional

VOLATILE = "rootmodules_cache"  #: what completion of imports remembers: not worth a file


class Database(MutableMapping):  # type: ignore[type-arg]
    """A mapping of names, with slashes in them, to whatever can be pickled.

    Args:
        root: The folder; made once something is stored.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._memory: Dict[str, Any] = {}

    def _path(self, key: str) -> str:
        parts = str(key).split("/")
        if not all(parts) or ".." in parts:
            raise KeyError(key)
        return os.path.join(self.root, *parts)

    def __getitem__(self, key: str) -> Any:
        if key in self._memory:
            return self._memory[key]
        try:
            with open(self._path(key), "rb") as file:
                return pickle.load(file)  # noqa: S301 - of the same user on the same machine
        except Exception:  # not there, not whole, or of a class that is not there
            raise KeyError(key) from None

    def __setitem__(self, key: str, value: Any) -> None:
        if key == VOLATILE:
            self._memory[key] = value
            return
        path = self._path(key)
        data = pickle.dumps(value, 2)
        unfinished = "%s.%d.tmp" % (path, os.getpid())
        try:
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            with open(unfinished, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # a board that loses its power then has what was stored, or what was before
            os.replace(unfinished, path)
        except OSError as error:
            try:
                os.remove(unfinished)
            except OSError:
                pass
            text = "%s can't be stored in %s on %s: %s."
            name = os.path.basename(path)
            raise UsageError(text % (name, self.root, socket.gethostname(), error.strerror or error)) from None

    def __delitem__(self, key: str) -> None:
        if self._memory.pop(key, self) is self:
            try:
                os.remove(self._path(key))
            except OSError:
                raise KeyError(key) from None

    def keys(self, globpat: Optional[str] = None) -> List[str]:  # type: ignore[override]
        """All names, or those that a pattern with wildcards matches."""
        return [name for name in self if globpat is None or fnmatch(name, globpat)]

    def __iter__(self) -> Iterator[str]:
        for folder, _folders, names in os.walk(self.root):
            inside = os.path.relpath(folder, self.root).replace(os.sep, "/")
            for name in names:
                if not name.endswith(".tmp"):
                    yield name if inside == "." else "%s/%s" % (inside, name)

    def __len__(self) -> int:
        return len(self.keys())

    def uncache(self, *_keys: str) -> None:
        """Nothing is kept in memory that is in a file."""
