"""Streams that a cell has made and that end in the notebook: their buffers are flushed when their cell ends.

Such a stream wraps ``sys.stdout.buffer``, or has opened fd 1 or 2 or a duplicate of one. It is looked for among all
objects, which takes some milliseconds, and therefore only after something was opened that may be one.
"""

from __future__ import annotations

import gc
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import weakref
    from typing import Any, Iterator, List, Set, Tuple

BUFFERED_KINDS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom, io.BufferedRWPair)
DEVICE_PATHS = ("/dev/std", "/dev/fd/", "/proc/self/fd/")  #: what names a descriptor that is open


class UserStreams:
    """Finds such streams, and flushes them.

    Attributes:
        opened: Whether something was opened since the last look that may be such a stream.
        found: The streams that were found.
        stdout: The worker's own ``sys.stdout``.
        stderr: The worker's own ``sys.stderr``.
    """

    def __init__(self) -> None:
        self.stdout, self.stderr = sys.stdout, sys.stderr
        self._files = {_file(1), _file(2)}
        self.found: List[weakref.ref[Any]] = []
        self._stuck: List[Any] = []  # streams whose flush somebody had to stop
        self._flushing = False
        # Python 3.7 doesn't tell what is opened: there the look follows each cell
        self.opened = self._always = not hasattr(sys, "addaudithook")
        if not self._always:
            sys.addaudithook(self._hear)

    def flush(self) -> None:
        """Flush all. A stream that fails keeps its text; one whose flush was stopped isn't flushed again."""
        if self._flushing:
            return  # by a stream that displays something when it is flushed
        self._flushing = True
        try:
            if self.opened:
                self.opened = self._always
                self._look()
            for stream in {id(each): each for each in self._known()}.values():
                try:
                    stream.flush()
                except KeyboardInterrupt:
                    self._stuck.append(stream)
                    raise
                except Exception:
                    pass
        finally:
            self._flushing = False

    def _hear(self, event: str, args: Tuple[Any, ...]) -> None:
        if event == "open":
            path = args[0]
            if type(path) is int or (isinstance(path, str) and path.startswith(DEVICE_PATHS)):
                self.opened = True

    def _known(self) -> Iterator[Any]:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and all(stream is not other for other in (self.stdout, self.stderr, *self._stuck)):
                yield stream
        for found in self.found:
            stream = found()
            if stream is not None and all(stream is not other for other in self._stuck):
                yield stream

    def _look(self) -> None:
        import weakref  # late: few sessions need it

        seen: Set[int] = {id(each()) for each in self.found}
        self.found = [each for each in self.found if each() is not None]
        for each in gc.get_objects():
            if issubclass(type(each), BUFFERED_KINDS) and id(each) not in seen:
                try:
                    ours = not each.closed and each.writable() and _file(each.fileno()) in self._files
                except Exception:
                    continue
                if ours:
                    self.found.append(weakref.ref(each))


def _file(fd: int) -> Tuple[int, int]:
    """The device and inode that a descriptor is open to."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
