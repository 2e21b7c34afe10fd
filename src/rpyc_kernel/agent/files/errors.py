"""Sentences for what can't be done with a file."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

_SENTENCES: Dict[int, str] = {
    errno.ENOSPC: "there is no room left on the disk for {}",
    getattr(errno, "EDQUOT", -1): "the quota of the disk is used up, so that {} has no room",
    errno.EFBIG: "{} would be larger than a file may be there",
    errno.EROFS: "{} is on a disk that can only be read",
    errno.EACCES: "{} may not be used: permission denied",
    errno.EPERM: "{} may not be used: the system forbids it",
    errno.ENOENT: "there is no {}",
    errno.ENOTDIR: "a part of {} is a file, and no folder",
    errno.EISDIR: "{} is a folder",
    errno.ENOTEMPTY: "{} is a folder in which something is",
    errno.ENAMETOOLONG: "{} is a longer name than files may have there",
    errno.ELOOP: "{} is a link that leads in a circle, or may not be followed",
    errno.EMFILE: "too many files are open there to open {}",
    errno.ENFILE: "too many files are open there to open {}",
}


class FileError(Exception):
    """Raised for a file that can't be read or written. Its text is a sentence without its end.

    Attributes:
        number: The system's number of the error, 0 where it isn't the system's.
    """

    def __init__(self, sentence: str, number: int = 0) -> None:
        Exception.__init__(self, sentence)
        self.number = number

    @property
    def code(self) -> str:
        """The name of the system's error, as ``ENOENT``: numbers differ between systems."""
        return errno.errorcode.get(self.number, "")


class ChangedError(FileError):
    """Raised for a file that changes while it is read."""

    def __init__(self, path: str) -> None:
        FileError.__init__(self, "%s changed while it was read" % shown(path))


def refusal(error: OSError, path: str) -> FileError:
    """Return the FileError that tells what the system said of a file."""
    number = error.errno or 0
    sentence = _SENTENCES.get(number)
    if sentence is None:
        return FileError("%s: %s" % (shown(path), error.strerror or type(error).__name__), number)
    return FileError(sentence.format(shown(path)), number)


def shown(path: str) -> str:
    """Return a name for a sentence: what can't be printed of it is escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
