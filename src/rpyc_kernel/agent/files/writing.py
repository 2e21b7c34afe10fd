"""Files that come to be whole or not at all: written beside their place, and then put there.

What is not whole yet is in a *part*, a file of its own in the same folder. Its name is made of the transfer's, so that
a transfer that was cut off finds it again.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from .errors import ChangedError, FileError, refusal, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Sequence

OLD_S = 7 * 86400  #: after which a part that nobody has gone on with is removed
PART_PREFIX, PART_SUFFIX = ".rpyc-kernel-", ".part"
_FLAGS = (
    os.O_RDWR
    | os.O_CREAT
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_BY_DESCRIPTOR = hasattr(os, "fchmod") and os.utime in os.supports_fd
_PERMISSIONS = 0o777  #: of a mode; whom a program acts for (setuid) stays behind


def part_of(path: str, transfer: str) -> str:
    """Return where the part of a file is. Raises FileError for a transfer whose name can be none."""
    if not (transfer.isalnum() and len(transfer) <= 64):
        raise FileError("a transfer of the name %.100r" % transfer)
    return path[: len(path) - len(os.path.basename(path))] + PART_PREFIX + transfer + PART_SUFFIX


def write(path: str, transfer: str, start: int, data: memoryview) -> None:
    """Write bytes into the part of a file, from *start* on. Raises FileError."""
    try:
        fd = os.open(part_of(path, transfer), _FLAGS, 0o600)
        try:
            _check_regular(os.fstat(fd).st_mode, path)
            _write_all(fd, start, data)
        finally:
            os.close(fd)
    except OSError as error:
        raise _unwritable(error, path) from None


def copy_within(path: str, transfer: str, start: int, memory: memoryview, sha256: str) -> None:
    """Copy a block of a file as it is now into its part, to where it stands in the file.

    Args:
        path: The file.
        transfer: The transfer's name.
        start: Where the block begins.
        memory: As long as the block.
        sha256: The block's hash, of when it was looked at.

    Raises:
        FileError: It can't be done, or is another block by now.
    """
    import hashlib  # late: few sessions need it

    from .reading import Source

    with Source(path) as source:
        source.read_into(start, memory)
    if hashlib.sha256(memory).hexdigest() != sha256:
        raise ChangedError(path)
    write(path, transfer, start, memory)


def finish(path: str, transfer: str, size: int, mode: int, time: int) -> None:
    """Put a part in its place, cut to its size, with its mode and time. It may be done twice. Raises FileError."""
    part = part_of(path, transfer)
    check_place(path)
    try:
        fd = os.open(part, _FLAGS & ~os.O_CREAT)
    except FileNotFoundError:
        if not _is_there(path, size, time):
            raise FileError("what was copied of %s is not there any more" % shown(path)) from None
        return
    except OSError as error:
        raise refusal(error, path) from None
    try:
        try:
            os.ftruncate(fd, size)
            _set_about(fd, part, mode, time)
        finally:
            os.close(fd)
        os.replace(part, path)
    except OSError as error:
        raise refusal(error, path) from None


def store(path: str, transfer: str, data: memoryview, mode: int, time: int) -> None:
    """Write a small file at once. Raises FileError."""
    part = part_of(path, transfer)
    check_place(path)
    try:
        fd = os.open(part, _FLAGS | os.O_TRUNC, 0o600)
        try:
            try:
                _write_all(fd, 0, data)
                _set_about(fd, part, mode, time)
            finally:
                os.close(fd)
            os.replace(part, path)
        except BaseException:
            _remove(part)
            raise
    except OSError as error:
        raise _unwritable(error, path) from None


def part_size(path: str, transfer: str) -> int:
    """Return how much of a file has come in that transfer."""
    try:
        return os.lstat(part_of(path, transfer)).st_size
    except OSError:
        return 0


def sweep(parts: Sequence[str]) -> None:
    """Remove what others than these parts have left in their folders, if it is old: nobody goes on with it."""
    kept = {os.path.basename(part) for part in parts}
    for folder in {os.path.dirname(part) for part in parts}:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            if name.startswith(PART_PREFIX) and name.endswith(PART_SUFFIX) and name not in kept:
                path = os.path.join(folder, name)
                if _is_old(path):
                    _remove(path)


def _is_old(path: str) -> bool:
    try:
        return time.time() - os.lstat(path).st_mtime > OLD_S
    except OSError:
        return False


def drop(path: str, transfer: str) -> None:
    """Remove the part of a file, if there is one."""
    _remove(part_of(path, transfer))


def link(path: str, transfer: str, leads: str) -> None:
    """Make a link, in the place of a file or a link that may be there. Raises FileError."""
    part = part_of(path, transfer)
    check_place(path)
    try:
        _remove(part)
        os.symlink(leads, part)
        try:
            os.replace(part, path)
        except BaseException:
            _remove(part)
            raise
    except OSError as error:
        raise _unwritable(error, path) from None
    except (NotImplementedError, AttributeError):
        raise FileError("%s is a link, and there are none" % shown(path)) from None


def make_folder(path: str) -> None:
    """Make a folder and those above it, where they aren't there. Raises FileError."""
    try:
        os.makedirs(path, exist_ok=True)
    except FileExistsError:
        raise FileError("%s is there already, and no folder" % shown(path)) from None
    except OSError as error:
        raise refusal(error, path) from None


def set_about(path: str, mode: Optional[int], time: int) -> None:
    """Give a file or folder its mode, if one is given, and its time. Raises FileError."""
    try:
        if mode is not None:
            os.chmod(path, mode & _PERMISSIONS)
        os.utime(path, ns=(time, time))
    except OSError as error:
        raise refusal(error, path) from None


def remove(path: str) -> None:
    """Remove a file, a link or an empty folder; nothing where nothing is. Raises FileError."""
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            os.rmdir(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise refusal(error, path) from None


def rename(path: str, target: str) -> None:
    """Move a file or folder; a file that is there already is replaced. Raises FileError."""
    try:
        os.replace(path, target)
    except OSError as error:
        raise refusal(error, path) from None


def check_place(path: str) -> None:
    """Raise FileError where something else than a file or a link is in the place of a file."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return  # nothing, or the next thing says so
    if stat.S_ISDIR(mode):
        raise FileError("%s is a folder, and no file can take its place" % shown(path))
    if not stat.S_ISLNK(mode):
        _check_regular(mode, path)


def _unwritable(error: OSError, path: str) -> FileError:
    folder = os.path.dirname(path)
    if error.errno == errno.ENOENT and not os.path.isdir(folder):
        return FileError("there is no folder %s" % shown(folder), errno.ENOENT)
    return refusal(error, path)


def _check_regular(mode: int, path: str) -> None:
    if not stat.S_ISREG(mode):
        raise FileError("%s is there already, and no regular file" % shown(path))


def _write_all(fd: int, start: int, data: memoryview) -> None:
    if start:
        os.lseek(fd, start, os.SEEK_SET)
    written = os.write(fd, data)
    while written < len(data):
        data = data[written:]
        written = os.write(fd, data)


def _set_about(fd: int, path: str, mode: int, time: int) -> None:
    """Set mode and time of an open file; where it can be, by its descriptor: that needs no look at the path."""
    if _BY_DESCRIPTOR:
        os.fchmod(fd, mode & _PERMISSIONS)
        os.utime(fd, ns=(time, time))
    else:
        os.chmod(path, mode & _PERMISSIONS)
        os.utime(path, ns=(time, time))


def _is_there(path: str, size: int, time: int) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (size, time)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def ignores_case(folder: str) -> bool:
    """Tell whether a folder's disk takes names that differ in upper and lower case for one. Raises FileError."""
    name = part_of(os.path.join(folder, "x"), "case%d" % os.getpid())
    try:
        os.close(os.open(name, _FLAGS, 0o600))
        try:
            return os.path.lexists(os.path.join(folder, os.path.basename(name).upper()))
        finally:
            _remove(name)
    except OSError as error:
        raise refusal(error, folder) from None
