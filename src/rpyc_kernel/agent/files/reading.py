"""The bytes of a file: blocks, hashes and holes. A file that changes meanwhile is noticed."""

from __future__ import annotations

import os
import stat

from .errors import ChangedError, FileError, refusal, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

    Extent = Tuple[int, int]

HASH_BLOCK_BYTES = 1 << 20  #: of a file, of which each block has a hash
MAX_EXTENTS = 10000  #: of one file; one that has more is read as if it had no holes
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


def whole(path: str, size: int, time: int) -> bytes:
    """Return all that is in a small file.

    Args:
        path: Where it is.
        size: How large it was when it was looked at.
        time: When it had changed last.

    Raises:
        FileError: It can't be read, or has changed.
    """
    try:
        fd = os.open(path, _FLAGS)
        try:
            data = os.read(fd, size + 1)
            while len(data) < size:
                more = os.read(fd, size + 1 - len(data))
                if not more:
                    break
                data += more
            found = os.fstat(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise refusal(error, path) from None
    if len(data) != size or (found.st_size, found.st_mtime_ns) != (size, time) or not stat.S_ISREG(found.st_mode):
        raise ChangedError(path)
    return data


class Source:
    """A file that is read. To be used in a ``with`` block.

    Args:
        path: Where it is.

    Raises:
        FileError: It can't be opened, or is no regular file: a pipe could be waited for without end.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._fd = os.open(path, _FLAGS)
            self._found = os.fstat(self._fd)
        except OSError as error:
            raise refusal(error, path) from None
        if not stat.S_ISREG(self._found.st_mode):
            os.close(self._fd)
            raise FileError("%s is no regular file" % shown(path))
        self.size, self.time, self.mode = self._found.st_size, self._found.st_mtime_ns, self._found.st_mode & 0o7777

    def __enter__(self) -> Source:  # noqa: PYI034 - Self is newer than this Python
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)

    def expect(self, size: int, time: int) -> None:
        """Raise ChangedError unless it is as large and as old as it was when it was looked at."""
        if (self.size, self.time) != (size, time):
            raise ChangedError(self.path)

    def check(self) -> None:
        """Raise ChangedError if it has changed since it was opened."""
        now = os.fstat(self._fd)
        if (now.st_size, now.st_mtime_ns) != (self.size, self.time):
            raise ChangedError(self.path)

    def read_into(self, start: int, into: memoryview) -> None:
        """Fill a memoryview with the bytes from *start* on. Raises FileError."""
        done = 0
        try:
            if hasattr(os, "preadv"):
                while done < len(into):
                    count = os.preadv(self._fd, [into[done:]], start + done)
                    if not count:
                        raise ChangedError(self.path)
                    done += count
                return
            os.lseek(self._fd, start, os.SEEK_SET)
            while done < len(into):
                data = os.read(self._fd, len(into) - done)
                if not data:
                    raise ChangedError(self.path)
                into[done : done + len(data)] = data
                done += len(data)
        except OSError as error:
            raise refusal(error, self.path) from None

    def hashes(self, start: int, end: int, memory: memoryview) -> List[str]:
        """Return the SHA-256 of each block of `HASH_BLOCK_BYTES` between two places. Raises FileError.

        Args:
            start: Where the first block begins, a multiple of `HASH_BLOCK_BYTES`.
            end: Where the last one ends.
            memory: As long as a block.
        """
        import hashlib  # late: few sessions need it

        found = []
        for place in range(start, end, HASH_BLOCK_BYTES):
            block = memory[: min(HASH_BLOCK_BYTES, end - place)]
            self.read_into(place, block)
            found.append(hashlib.sha256(block).hexdigest())
        return found

    def extents(self) -> List[Extent]:
        """Return start and end of each part in which there is something; between them are holes."""
        whole = [(0, self.size)] if self.size else []
        if not hasattr(os, "SEEK_DATA") or getattr(self._found, "st_blocks", self.size) * 512 >= self.size:
            return whole
        found: List[Extent] = []
        end = 0
        while end < self.size and len(found) <= MAX_EXTENTS:
            try:
                start = os.lseek(self._fd, end, os.SEEK_DATA)
                end = os.lseek(self._fd, start, os.SEEK_HOLE)
            except OSError:  # there is nothing but a hole from here on; or its disk knows none
                break
            found.append((start, min(end, self.size)))
        return whole if len(found) > MAX_EXTENTS else found
