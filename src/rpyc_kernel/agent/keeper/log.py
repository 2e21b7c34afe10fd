"""What happened to a session, in a few lines beside its record: for whoever wonders why it has ended."""

from __future__ import annotations

import os
import time

from ..boot import write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

LIMIT = 64 << 10  #: bytes of the file
MAX_LINE = 4096  #: characters


class Log:
    """Appends lines to a file that only this user can read. Where that can't be written, nothing is lost but the log.

    :param path: None where there is no folder for it
    """

    def __init__(self, path: Optional[str]) -> None:
        self.path = path
        self._born = time.monotonic()

    def write(self, text: str) -> None:
        """A line, behind the time and the age of the session, since the clock may be wrong."""
        if not self.path:
            return
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
        line = "%s +%.1f s  %s\n" % (stamp, time.monotonic() - self._born, text[:MAX_LINE])
        try:
            self._append(self.path, line.encode("utf-8", "backslashreplace"))
        except OSError:
            pass

    @staticmethod
    def _append(path: str, line: bytes) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        fd = os.open(path, flags, 0o600)
        try:
            size = os.fstat(fd).st_size
            if size + len(line) > LIMIT:
                os.lseek(fd, size - LIMIT // 2, os.SEEK_SET)
                kept = os.read(fd, LIMIT // 2)
                kept = b"(what came before was dropped)\n" + kept[kept.find(b"\n") + 1 :]
                write_file(path, kept + line, sync=False)
            else:
                os.write(fd, line)
        finally:
            os.close(fd)

    def write_exception(self) -> None:
        """The exception that is handled just now, with its traceback: the end of a keeper by a bug."""
        import traceback  # late: it is not needed as long as all goes well

        self.write(traceback.format_exc()[-MAX_LINE:])

    def remove(self) -> None:
        """The session ended as it should: nobody will ask."""
        if self.path:
            try:
                os.unlink(self.path)
            except OSError:
                pass
