"""``sys.stdout`` and ``sys.stderr`` of the worker; before a child process writes, they are flushed."""

from __future__ import annotations

import codecs
import functools
import io
import os
import sys

from ... import frames
from ..claims import Claims
from ..import_hooks import when_imported
from ..request_context import NOBODY, current
from .user_streams import UserStreams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from ..interrupts import Interrupts
    from .keeper_channel import FrameWriter


class OutStream(Claims, io.TextIOBase):
    """A text stream whose lines go out as they are written, to the cell that the writing code belongs to."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    line_buffering = True

    def __init__(self, writer: FrameWriter, kind: int) -> None:
        super().__init__()
        self._writer = writer
        self._kind = kind
        self.name = "<%s>" % frames.STREAMS[kind]
        self.mode = "w"
        self.buffer = OutBuffer(self)

    def write(self, text: str) -> int:
        """Print text; a lone surrogate shows as an escape."""
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        if current.get() != NOBODY:
            self._writer.write(self._kind, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Print each of the lines."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Send an unfinished line now."""
        self._writer.flush()

    def fileno(self) -> int:
        """The descriptor to which children of this process may write."""
        return self._kind

    def isatty(self) -> bool:
        return False

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Does nothing: the notebook goes on printing."""

    def _is_master_process(self) -> bool:
        """Whether this is the session's own process, and none forked from it. Its name is ipykernel's."""
        return not self._writer.forked

    def reconfigure(self, **_options: Any) -> None:
        """Accepted and ignored: what is printed arrives as text, whatever the encoding of that machine."""


class OutBuffer(io.BufferedIOBase):
    """``sys.stdout.buffer``: takes bytes and prints them as UTF-8."""

    def __init__(self, stream: OutStream) -> None:
        super().__init__()
        self._stream = stream
        self.raw = self
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.user_streams: Optional[UserStreams] = None

    def write(self, data: Any) -> int:
        """Print bytes. A character that is cut at their end waits for its rest."""
        piece = bytes(data)
        self._stream.write(self._decoder.decode(piece))
        return len(piece)

    def flush(self) -> None:
        """Send an unfinished line now."""
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        self._wrapped()
        return True

    def seekable(self) -> bool:
        self._wrapped()
        return False

    def _wrapped(self) -> None:
        """Note that a stream was made on top of this one: it asks what this one can do."""
        if self.user_streams is not None:
            self.user_streams.opened = True

    def close(self) -> None:
        """Does nothing: the notebook goes on printing."""


def install(writer: FrameWriter) -> UserStreams:
    """Replace ``sys.stdout`` and ``sys.stderr``; returns what flushes the streams that cells make."""
    sys.stdout = sys.__stdout__ = OutStream(writer, frames.STDOUT)  # type: ignore[assignment,misc]
    sys.stderr = sys.__stderr__ = OutStream(writer, frames.STDERR)  # type: ignore[assignment,misc]
    streams = UserStreams()
    sys.stdout.buffer.user_streams = sys.stderr.buffer.user_streams = streams
    when_imported("wurlitzer", mind_wurlitzer)
    return streams


def mind_children(writer: FrameWriter, interrupts: Interrupts) -> None:
    """Send an unfinished line before a child process begins to print.

    ``os.system`` ignores SIGINT while its child runs. So an interrupt is looked for behind it, or a loop of such calls
    could not be stopped.
    """
    system = os.system

    @functools.wraps(system)
    def system_flushing(command: Any) -> int:
        writer.flush()
        status = system(command)
        interrupts.check()
        return status

    def mind_subprocess(subprocess: Any) -> None:
        start = subprocess.Popen.__init__

        @functools.wraps(start)
        def start_flushing(*args: Any, **kwargs: Any) -> None:
            writer.flush()
            start(*args, **kwargs)

        subprocess.Popen.__init__ = start_flushing

    os.system = system_flushing
    when_imported("subprocess", mind_subprocess)


def mind_wurlitzer(wurlitzer: Any) -> None:
    """Make wurlitzer do nothing: what C code prints is shown anyway, and it fails where ``sys.stdout`` has fd 1."""
    sys_pipes = wurlitzer.sys_pipes

    @functools.wraps(sys_pipes)
    def sys_pipes_unless_shown(*args: Any, **kwargs: Any) -> Any:
        if not (isinstance(sys.stdout, OutStream) and isinstance(sys.stderr, OutStream)):
            return sys_pipes(*args, **kwargs)
        from contextlib import nullcontext

        return nullcontext((sys.stdout, sys.stderr))

    wurlitzer.sys_pipes = sys_pipes_unless_shown
