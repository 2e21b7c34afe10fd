"""The log of a session, a few lines in a file beside its record: it tells people why the session has ended."""

from __future__ import annotations

import os
import time

from ..boot import write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

MAX_LOG_BYTES = 64 << 10
MAX_LINE_CHARACTERS = 4096


class Log:
    """Appends lines to a file that only this user can read. Where it can't be written, there is no log.

    Args:
        path: The file; None where there is no folder for it.
    """

    def __init__(self, path: Optional[str]) -> None:
        self.path = path
        self._born = time.monotonic()

    def write(self, text: str) -> None:
        """Append a line, behind the time, and behind the age of the session, since the clock may be wrong."""
        if not self.path:
            return
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
        line = "%s +%.1f s  %s\n" % (stamp, time.monotonic() - self._born, text[:MAX_LINE_CHARACTERS])
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
            if size + len(line) > MAX_LOG_BYTES:
                os.lseek(fd, size - MAX_LOG_BYTES // 2, os.SEEK_SET)
                kept = os.read(fd, MAX_LOG_BYTES // 2)
                kept = b"(what came before was dropped)\n" + kept[kept.find(b"\n") + 1 :]
                write_file(path, kept + line, sync=False)
            else:
                os.write(fd, line)
        finally:
            os.close(fd)

    def write_exception(self) -> None:
        """Append the exception that is being handled, with its traceback: a bug has ended the keeper."""
        import traceback  # late: only bugs need it

        self.write(traceback.format_exc()[-MAX_LINE_CHARACTERS:])

    def remove(self) -> None:
        """Remove the file: the session has ended as it should, and nobody will ask."""
        if self.path:
            try:
                os.unlink(self.path)
            except OSError:
                pass
