"""The worker process as its keeper sees it: forked, fed, read in order, interrupted, and mourned."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import sys
import time

from .. import frames
from .interrupts import CellProcesses, of_session
from .requests import EXECUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional, Tuple

    from ..wire import Bytes
    from .journal import Journal
    from .requests import Requests

RECEIVE = 1 << 18  #: bytes of frames read at once
_F_SETPIPE_SZ = 1031  # of Linux; the name is in fcntl from Python 3.10 on
MAX_FRAME = 1 << 30  #: bytes; a longer frame means that the worker's memory is corrupt


class Child:
    """One worker process and the three ways on which it speaks.

    :ivar socket: requests go there; closed at once when the worker dies
    :ivar sources: its frames, and the two pipes behind its fd 1 and 2, all to be watched for reading
    """

    def __init__(self, journal: Journal, requests: Requests, run: Callable[..., None]) -> None:
        self.journal = journal
        self.requests = requests
        self.page = frames.Page()
        self._received = bytearray()
        self._tails = [b"", b""]  # characters of which a pipe has given only the first bytes
        self._serial = 0
        self.flood = 0  # how many frames of text the last read ended with
        self.ready = False  # whether it has said that it lives
        self.gone = False  # whether it has died
        self.born = time.monotonic()
        self.socket, other = socket.socketpair()
        reads, writes = zip(os.pipe(), os.pipe(), os.pipe())
        _enlarge(writes[0])
        self.sources: List[int] = list(reads)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.socket.close()
                for fd in reads:
                    os.close(fd)
                run(other, writes[0], writes[1:], self.page)
            finally:
                os._exit(70)
        other.close()
        for fd in writes:
            os.close(fd)
        try:
            os.setpgid(self.pid, self.pid)  # here and there: whoever comes first
        except OSError:
            pass
        self.socket.setblocking(False)
        self.outgoing = frames.Outgoing(self.socket)
        for fd in self.sources:
            os.set_blocking(fd, False)
        self._processes = CellProcesses(self.pid)

    # to the worker

    def send(self, number: int, packet: bytes) -> None:
        """Hand it a request, as far as its socket takes it now."""
        request = self.requests.open.get(number)
        if request and request.type == EXECUTE and self.requests.cell is None:
            self._processes.begin()  # now, since once it runs it may have started some itself
        self.outgoing.write(frames.REQUEST.pack(number, len(packet)), packet)

    def interrupt(self, number: int) -> None:
        """SIGINT for one request: to the worker, and to the processes which its cell has started."""
        self._serial += 1
        self.page.interrupt = (self._serial, number)
        started = self._processes.of_cell()
        for pid in [self.pid, *started]:  # the worker first, or it might take its child's end for a normal one
            _kill(pid, signal.SIGINT)

    def end_input(self) -> None:
        """Tell it that nothing more will come; when idle, it ends by itself then."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def kill(self) -> None:
        """End it and every process that it has started and not detached, at once."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except OSError:
            _kill(self.pid, signal.SIGKILL)
        for pid in of_session():
            _kill(pid, signal.SIGKILL)

    # from the worker

    def read(self, to_the_end: bool = False) -> None:
        """Journal frames and foreign bytes, in the order in which they were written, until the journal is full.

        What waited in the pipes *before* the frames were read goes after them, since frames carry stamps and foreign
        bytes don't.

        :param to_the_end: all there is, however full the journal
        """
        self.flood = 0
        known = self.page.counters
        ends = [known[index] + frames.bytes_in_pipe(self.sources[1 + index]) for index in (0, 1)]
        if self._read_frames(to_the_end):
            for index in (0, 1):
                self._read_pipe(index, ends[index] - self.page.counters[index])

    def _read_frames(self, to_the_end: bool) -> bool:
        """Take frames until there are no more; False if the journal became full before."""
        while to_the_end or not self.journal.full:
            try:
                data = os.read(self.sources[0], RECEIVE)
            except BlockingIOError:
                return True
            if not data:
                self.gone = True  # its end of the pipe is closed: there is nothing more to watch for
                return True
            self._received += data
            self._take_frames()
        return False

    def _take_frames(self) -> None:
        """Take apart what was received. Lines of one stream and cell that follow each other are journalled together."""
        received = bytes(self._received)
        position, end_of_all, size, unpack = 0, len(received), frames.FRAME.size, frames.FRAME.unpack_from
        counters = self.page.counters
        lines: List[bytes] = []
        lines_of = (0, 0)
        while end_of_all - position >= size:
            kind, number, length, out, err = unpack(received, position)
            if length > MAX_FRAME:
                self.kill()
                break
            end = position + size + length
            if end > end_of_all:
                break
            foreign = out > counters[0] or err > counters[1]
            if lines and (foreign or lines_of != (kind, number)):
                self._add_lines(lines_of, lines)
                lines = []
            if foreign:
                self._read_pipe(0, out - counters[0])
                self._read_pipe(1, err - counters[1])
                counters = self.page.counters
            if kind <= frames.STDERR:
                lines_of = (kind, number)
                lines.append(received[position + size : end])
            else:
                self._take_frame(kind, number, received[position + size : end])
            position = end
        if lines:
            self._add_lines(lines_of, lines)
        del self._received[:position]

    def _add_lines(self, lines_of: Tuple[int, int], lines: List[bytes]) -> None:
        kind, number = lines_of
        self.flood = len(lines)
        self.journal.add_text(frames.STREAMS[kind], self.requests.parent_of(number), b"".join(lines))

    def _take_frame(self, kind: int, number: int, data: bytes) -> None:
        self.flood = 0
        self.ready = True
        if kind == frames.BEGUN:
            self.requests.begin(number)
            request = self.requests.open.get(number)
            if request is not None and request.execution_count:
                self.journal.retention.begin(request.parent, request.execution_count)
            return
        if kind == frames.ENDED:
            self._flush_tails()
            self.requests.end(number)
        if kind == frames.PICTURE:
            self.journal.add_picture(data)
        else:
            self.journal.add_packet(data, kind != frames.MESSAGE)

    def _read_pipe(self, index: int, count: int) -> None:
        """Journal ``count`` bytes of a pipe, or what it has."""
        fd = self.sources[1 + index]
        while count > 0:
            try:
                data = self.page.read_pipe(index, fd, min(count, 1 << 16))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                break
            if not data:
                break
            count -= len(data)
            data = self._tails[index] + data
            cut = len(data) - _torn(data)
            self._tails[index] = data[cut:]
            self._add_foreign(index, data[:cut])

    def _add_foreign(self, index: int, data: bytes) -> None:
        if data:
            self.journal.add_text(("stdout", "stderr")[index], self.requests.foreign_parent, _utf8(data))

    def _flush_tails(self) -> None:
        for index in (0, 1):
            tail, self._tails[index] = self._tails[index], b""
            self._add_foreign(index, tail)

    # its end

    def reap(self) -> Optional[int]:
        """The status that waitpid gave if it has died, with all that it had written journalled; else None."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 0
        if pid == 0:
            return None
        self.read(to_the_end=True)  # at most what the buffers held
        self._flush_tails()
        kind, number, text = self.page.partial
        if kind in frames.STREAMS:
            self.journal.add_text(frames.STREAMS[kind], self.requests.parent_of(number), text)
        return status

    def close(self) -> None:
        """Close the keeper's ends."""
        self.socket.close()
        for fd in self.sources:
            os.close(fd)


def _enlarge(fd: int) -> None:
    if sys.platform == "linux":
        try:
            fcntl.fcntl(fd, _F_SETPIPE_SZ, frames.PIPE_SIZE)
        except OSError:
            pass


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass


def _torn(data: bytes) -> int:
    """How many bytes at the end are the beginning of a UTF-8 character whose rest is missing."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        needed = 2 if byte & 0xE0 == 0xC0 else 3 if byte & 0xF0 == 0xE0 else 4 if byte & 0xF8 == 0xF0 else 1
        return back if needed > back else 0
    return 0


def _utf8(data: bytes) -> Bytes:
    """The bytes if they are UTF-8, else read in the machine's own encoding."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        import locale  # late, since few programs write anything else

        return data.decode(locale.getpreferredencoding(False), "replace").encode("utf-8", "replace")
    return data
