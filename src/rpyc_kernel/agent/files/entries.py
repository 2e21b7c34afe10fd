"""Entries of folders: what lies where, how large and how old it is.

A name travels as the bytes that it has on its disk, which need not be UTF-8, in a text of as many characters (as
Latin-1 has them), which JSON carries. Within a tree its parts are separated by ``/`` on every system.

An entry is a list ``[name, kind, size, time, mode, more]``. Its kind is ``f`` (a file), ``d`` (a folder), ``l`` (a
link), ``s`` (a device, a socket or a pipe) or ``!`` (what can't be listed or looked at). Its time is that of its last
change, in nanoseconds since 1970. There is more of a link: where it leads; of a file: whether it has holes; of ``!``:
the sentence that says why.
"""

from __future__ import annotations

import os
import stat

from .errors import FileError, refusal, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, List, Optional, Sequence

    Entry = List[Any]

FILE, FOLDER, LINK, SPECIAL, UNREADABLE = "f", "d", "l", "s", "!"
BLOCK_BYTES = 512  #: of what `st_blocks` counts (stat(2))
MAX_MATCHES = 100000  #: of one pattern


def encoded(name: str) -> str:
    """Return a name as it travels."""
    return name if name.isascii() else os.fsencode(name).decode("latin-1")


def decoded(text: Any) -> str:
    """Return the name that has travelled.

    Raises:
        FileError: It can be no name here.
    """
    try:
        name = str(text) if text.isascii() else os.fsdecode(text.encode("latin-1"))
    except (AttributeError, UnicodeError):
        raise FileError("a name that can be none here: %.100r" % (text,)) from None
    if "\0" in name:
        raise FileError("a name with a NUL in it: %.100r" % name)
    return name


def resolved(name: str) -> str:
    """Return the path of what a user has named: ``~`` is expanded, and it begins where the process is."""
    path = os.path.expanduser(name)
    if not os.path.isabs(path):
        try:
            path = os.path.join(os.getcwd(), path)
        except OSError:
            raise FileError("the folder that relative names begin in was removed") from None
    return path if os.pardir in path else os.path.normpath(path)  # behind a link, .. leads elsewhere than it reads


def looked_at(path: str, *, follow: bool = True) -> Optional[Entry]:
    """Return the entry of a path, which is its name; None where nothing is. A link that leads nowhere is a link.

    Raises:
        FileError: It can't be looked at.
    """
    try:
        try:
            found = os.stat(path) if follow else os.lstat(path)
        except FileNotFoundError:
            found = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refusal(error, path) from None
    return _entry(encoded(path), path, found)


def listed(folder: str) -> List[Entry]:
    """Return the entries of a folder; links are not followed. Raises FileError."""
    found = []
    try:
        with os.scandir(folder) as scanned:
            for each in scanned:
                try:
                    found.append(_entry(encoded(each.name), each.path, each.stat(follow_symlinks=False)))
                except FileNotFoundError:
                    pass  # it has gone meanwhile
                except OSError as error:
                    found.append([encoded(each.name), UNREADABLE, 0, 0, 0, str(refusal(error, each.path))])
    except OSError as error:
        raise refusal(error, folder) from None
    return found


def walked(folder: str, left_out: Sequence[str] = ()) -> Iterator[Entry]:
    """Give out all that is below a folder, a folder before what is in it. Links are not followed.

    Args:
        folder: Its path.
        left_out: Names of folders below which nothing is looked at.

    Raises:
        FileError: The folder itself can't be listed.
    """
    waiting = [("", listed(folder))]
    while waiting:
        prefix, found = waiting.pop()
        for entry in found:
            own = entry[0]
            entry[0] = prefix + own
            yield entry
            if entry[1] == FOLDER and own not in left_out:
                try:
                    inside = listed(os.path.join(folder, decoded(entry[0])))
                except FileError as error:
                    yield [entry[0], UNREADABLE, 0, 0, 0, str(error)]
                else:
                    waiting.append((entry[0] + "/", inside))


def matching(pattern: str) -> List[str]:
    """Return the paths that a shell's pattern means, in order; without ``*``, ``?`` or ``[`` the path itself.

    Raises:
        FileError: They are too many.
    """
    import glob  # late: few sessions need it

    path = resolved(pattern)
    if not glob.has_magic(pattern) or os.path.lexists(path):
        return [path]
    found = []
    for each in glob.iglob(path, recursive=True):
        found.append(each)
        if len(found) > MAX_MATCHES:
            raise FileError("%s means more than %d files" % (shown(pattern), MAX_MATCHES))
    return sorted(found)


def _entry(name: str, path: str, found: os.stat_result) -> Entry:
    mode = found.st_mode
    more: Any = None
    if stat.S_ISREG(mode):
        kind, more = FILE, getattr(found, "st_blocks", found.st_size) * BLOCK_BYTES < found.st_size
    elif stat.S_ISDIR(mode):
        kind = FOLDER
    elif stat.S_ISLNK(mode):
        kind, more = LINK, encoded(os.readlink(path))
    else:
        kind = SPECIAL
    return [name, kind, found.st_size, found.st_mtime_ns, stat.S_IMODE(mode), more]
