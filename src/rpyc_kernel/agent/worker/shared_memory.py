"""What came to one session, for the others of this user on this machine: a file without a name, mapped by each.

The kernel has the bytes of a draft written into such a file (Linux's memfd) by one session, and *shared*: it is sealed,
so that nobody can change or cut it any more, and the session tells its process, its descriptor and a random mark at the
file's end. Another session *adopts* it by ``/proc``: it has to be this user's, without a name, of the right size, with
that mark. Its size is sealed from the beginning, so that it can be adopted, and mapped, while it is still written; what
is in it is given to nobody before all of it is sealed. Each maps it privately: a write copies the page, and nobody else
sees it. The file is gone with the last of them.
"""

from __future__ import annotations

import mmap
import os
import queue
import stat
import threading

from .own_thread import OwnThread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Sequence, Tuple

    from ..wire import Json

    Blocks = queue.SimpleQueue[Optional[Tuple[int, memoryview, threading.Event]]]

MARK_BYTES = 16
_ALIGNMENT = 64  # of each buffer, for arrays
_ADD_SEALS, _GET_SEALS = 1033, 1034  # of fcntl, which names them from Python 3.8 on
_SIZE_SEALS = 2 | 4  # against shrinking and growing, so that what is mapped stays there
_ALL_SEALS = _SIZE_SEALS | 1 | 8  # and against other seals, and writing
_ALLOW_SEALING = 2
_CLOEXEC = 1


class CannotShareError(Exception):
    """It has to be brought in the usual way."""


class SharedDraft:
    """Buffers in a file without a name, into which one session is written.

    It is written, and mapped only at the end: to write into a mapping takes twice as long, page by page.

    Args:
        sizes: The bytes of each buffer.

    Attributes:
        told: What another session needs to adopt it, which it may do while it is still written.

    Raises:
        CannotShareError: This system has no such files, or no room.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        if not hasattr(os, "memfd_create"):  # Python 3.7, and all but Linux
            raise CannotShareError("no memfd")
        self._sizes = list(sizes)
        self._end = _end(sizes)
        self._buffers: Optional[List[memoryview]] = None
        self._blocks: Blocks = queue.SimpleQueue()
        self._failed: List[OSError] = []
        self._writer: Optional[OwnThread] = None
        self._fd = -1
        mark = os.urandom(MARK_BYTES)
        try:
            import fcntl

            self._fd = os.memfd_create("rpyc-kernel", _CLOEXEC | _ALLOW_SEALING)
            os.pwrite(self._fd, mark, self._end)
            fcntl.fcntl(self._fd, _ADD_SEALS, _SIZE_SEALS)
        except OSError as error:
            raise CannotShareError(str(error)) from None
        self.told: Json = {"pid": os.getpid(), "fd": self._fd, "mark": mark.hex()}

    def write(self, buffer: int, start: int, block: memoryview) -> None:
        """Write a part of a buffer. Raises an OSError or ValueError where it can't be."""
        _write(self._fd, self._place(buffer, start, block), block)

    def begin_write(self, buffer: int, start: int, block: memoryview) -> threading.Event:
        """Have a part of a buffer written beside what the caller does: to write takes as long as to receive.

        Returns:
            An event that is set as soon as the block may change.

        Raises:
            ValueError: There is no such part. Where it can't be written, `share` and `buffers` say so.
        """
        place, written = self._place(buffer, start, block), threading.Event()
        if self._writer is None:
            arguments = self._fd, self._blocks, self._failed
            self._writer = OwnThread(_write_blocks, "rpyc-kernel-share", arguments)
            self._writer.start()
        self._blocks.put((place, block, written))
        return written

    def _place(self, buffer: int, start: int, block: memoryview) -> int:
        if not (0 <= buffer < len(self._sizes) and 0 <= start <= start + len(block) <= self._sizes[buffer]):
            raise ValueError("a part that isn't there")
        return _end(self._sizes[:buffer]) + start

    def _finish(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            self._blocks.put(None)
            writer.join()

    @property
    def buffers(self) -> List[memoryview]:
        """The buffers, mapped privately: from then on nothing is written that others wrote. Raises an OSError."""
        self._finish()
        if self._failed:
            raise self._failed[0]
        if self._buffers is None:
            self._buffers = _cut(_private(self._fd, self._end), self._sizes)
        return self._buffers

    def share(self) -> Json:
        """Seal the file; returns what another session needs to adopt it."""
        import fcntl

        self._finish()
        try:
            if self._failed:
                raise self._failed[0]
            fcntl.fcntl(self._fd, _ADD_SEALS, _ALL_SEALS)
        except OSError as error:
            raise CannotShareError(str(error)) from None
        return self.told

    def close(self) -> None:
        """Let nobody adopt it from now on. What was mapped stays."""
        self._finish()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    __del__ = close


def _write(fd: int, place: int, block: memoryview) -> None:
    while block:
        count = os.pwrite(fd, block, place)
        block, place = block[count:], place + count


def _write_blocks(fd: int, blocks: Blocks, failed: List[OSError]) -> None:
    while True:
        item = blocks.get()
        if item is None:
            return
        place, block, written = item
        try:
            _write(fd, place, block)
        except OSError as error:
            failed.append(error)
        finally:
            written.set()


class Adopted:
    """What another session on this machine shares, mapped. It may still be written until it is *sealed*.

    Args:
        told: The `SharedDraft.told` of there.
        sizes: The bytes of each buffer.

    Raises:
        CannotShareError: It isn't there, or isn't what was told.
    """

    def __init__(self, told: Json, sizes: Sequence[int]) -> None:
        path, end = "/proc/%d/fd/%d" % (told["pid"], told["fd"]), _end(sizes)
        self._fd = -1
        try:
            import fcntl

            _check(os.stat(path), end)  # before it is opened: to open a device may do something
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            _check(os.fstat(self._fd), end)
            if fcntl.fcntl(self._fd, _GET_SEALS) & _SIZE_SEALS != _SIZE_SEALS or os.pread(
                self._fd, MARK_BYTES, end
            ) != bytes.fromhex(told["mark"]):
                raise CannotShareError("another file")
            self._buffers = _cut(_private(self._fd, end), sizes)
        except (ImportError, OSError, ValueError) as error:
            raise CannotShareError(str(error)) from None

    @property
    def sealed(self) -> bool:
        """Whether nobody can change it any more."""
        import fcntl

        return fcntl.fcntl(self._fd, _GET_SEALS) == _ALL_SEALS

    @property
    def buffers(self) -> List[memoryview]:
        """The buffers. Raises CannotShareError as long as it isn't sealed: what a session has must not change."""
        if not self.sealed:
            raise CannotShareError("it may still change")
        return self._buffers

    def __del__(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _check(status: os.stat_result, end: int) -> None:
    if not (
        stat.S_ISREG(status.st_mode)
        and status.st_uid == os.geteuid()
        and status.st_nlink == 0
        and status.st_size == end + MARK_BYTES
    ):
        raise CannotShareError("another file")


def _private(fd: int, size: int) -> mmap.mmap:
    return mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)


def _end(sizes: Sequence[int]) -> int:
    return sum(-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes)


def _cut(mapped: mmap.mmap, sizes: Sequence[int]) -> List[memoryview]:
    buffers, start = [], 0
    for size in sizes:
        buffers.append(memoryview(mapped)[start : start + size])
        start += -(-size // _ALIGNMENT) * _ALIGNMENT
    return buffers
