"""The private folder in which a server keeps its certificate, its clients and its pairing code."""

from __future__ import annotations

import os
import stat

from ..boot import write_file
from ..records import is_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

MAX_NAME_CHARS = 64
MAX_CLIENTS = 10000
_MAX_FILE_BYTES = 1024
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-")
_KEY = ".key"
KEY_BYTES = 32


def home() -> str:
    """Make the server's folder, which only this user can use, and return its path.

    Raises:
        OSError: It can't be made, or somebody else can use it.
    """
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".config")
    return private_folder(os.path.join(base, "rpyc-kernel", "serve"))


def private_folder(path: str) -> str:
    """Make a folder that only this user can use, and return its path.

    Raises:
        OSError: It can't be made, or somebody else can use it.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "geteuid") and found.st_uid != os.geteuid()):
        raise PermissionError(13, "is no folder of this user's", path)
    if hasattr(os, "geteuid") and found.st_mode & 0o077:
        raise PermissionError(13, "can be used by others: chmod 700 it", path)
    return path


def read_private(path: str, limit: int = _MAX_FILE_BYTES) -> bytes:
    """Read a file that only this user can read and write.

    Raises:
        OSError: It isn't there, or isn't such a file.
    """
    flags = [getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")]
    fd = os.open(path, os.O_RDONLY | sum(flags))
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or not is_private(found):
            raise PermissionError(13, "is no file of this user's alone", path)
        if hasattr(os, "geteuid") and found.st_mode & 0o077:
            raise PermissionError(13, "can be read by others: chmod 600 it, or remove it", path)
        return file.read(limit)


def is_name(name: str) -> bool:
    """Tell whether a client may have that name, like ``ada@laptop``; it is the name of a file, too."""
    return 0 < len(name) <= MAX_NAME_CHARS and name[0] not in ".-" and _NAME_CHARS.issuperset(name)


class Clients:
    """The clients that are paired with this server: a file for each, with 256 bits that only the two know."""

    def __init__(self, folder: str) -> None:
        """Use a folder below the server's own. Raises OSError where that isn't private."""
        self._folder = private_folder(os.path.join(folder, "clients"))

    def names(self) -> List[str]:
        """Return the names of all, sorted."""
        found = [name[: -len(_KEY)] for name in os.listdir(self._folder) if name.endswith(_KEY)]
        return sorted(name for name in found if is_name(name))

    def key(self, name: str) -> Optional[bytes]:
        """Return the secret that the client of that name has; None where there is none."""
        try:
            key = bytes.fromhex(read_private(self._path(name)).decode("ascii")) if is_name(name) else b""
        except (OSError, ValueError):
            return None
        return key if len(key) == KEY_BYTES else None

    def free_name(self, wanted: str) -> str:
        """Return that name, or where a client has it, the name with a number behind it.

        Raises:
            OSError: There are too many clients.
        """
        for number in range(1, MAX_CLIENTS):
            name = wanted if number == 1 else "%s-%d" % (wanted[: MAX_NAME_CHARS - 5], number)
            if not os.path.lexists(self._path(name)):
                return name
        raise OSError(28, "there are too many clients of that name", self._folder)

    def add(self, name: str, key: bytes) -> None:
        """Keep a client. Raises OSError where it can't be kept; nothing has changed then."""
        write_file(self._path(name), key.hex().encode("ascii"))

    def forget(self, name: str) -> bool:
        """Forget a client, which gets in no more. Returns whether there was one. Raises OSError if that fails."""
        if not is_name(name):
            return False
        try:
            os.unlink(self._path(name))
        except FileNotFoundError:
            return False
        return True

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name + _KEY)
