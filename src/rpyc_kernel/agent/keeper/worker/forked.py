"""A worker that is forked from its keeper, so that they share memory: one page of it on purpose. Linux only.

Elsewhere ``FIONREAD`` at the write end of a pipe says 0, whatever is in it.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time
from selectors import EVENT_WRITE

from ... import frames
from ...local_socket import Outgoing
from .process import MAX_FRAME_BYTES, CellProcesses, WorkerProcess, kill, of_session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional, Tuple

    from ..outbox.journal import Journal
    from ..requests import Requests
    from .process import Watched

RECEIVE_BYTES = 1 << 18  #: of frames, read at once
CLOSED = "a cell has closed the files by which its output leaves it"
PF_EXITING = 4  #: among a process's flags, of Linux
_INT = struct.Struct("=i")
_F_SETPIPE_SZ = 1031  # of Linux; the name is in fcntl from Python 3.10 on


def _fionread() -> int:
    """The number of FIONREAD; where it is the usual one, without `termios`, which takes 0.1 MiB of a session."""
    if os.uname().machine.startswith(("aarch64", "arm", "i686", "riscv", "x86_64")):
        return 0x541B
    import termios

    return termios.FIONREAD


FIONREAD = _fionread()


class Page:
    """Memory that the keeper and its worker share: counters of the pipes, the last interrupt, an unfinished line."""

    # native, so that each number is written at once
    _TURN = struct.Struct("@Q")  # odd while the keeper reads a pipe
    _COUNTERS = struct.Struct("@QQQ")  # turn, and bytes read from either pipe
    _INTERRUPT = struct.Struct("@II")
    _CARRIES = struct.Struct("@Q")
    _PRESS = struct.Struct("@I")
    _PARTIAL = struct.Struct("=BII")
    _INTERRUPT_AT = 24
    _CARRIES_AT = 32
    _PRESS_AT = 40
    _PARTIAL_AT = 48
    _TEXT_AT = _PARTIAL_AT + _PARTIAL.size
    PARTIAL_MAX = 2048

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 4096)
        self._unread = memoryview(bytearray(4)).cast("i")  # the module array would be loaded for nothing else

    @property
    def counters(self) -> Tuple[int, int]:
        """How many bytes the keeper has read from each pipe so far; only the keeper changes them, and asks."""
        _turn, out, err = self._COUNTERS.unpack_from(self._memory)
        return out, err

    def read_pipe(self, index: int, fd: int, count: int) -> bytes:
        """Read from a pipe, and count the bytes. The worker sees that this is under way, and waits for its end.

        Raises:
            BlockingIOError: The pipe is empty.
        """
        turn, *counters = self._COUNTERS.unpack_from(self._memory)
        self._TURN.pack_into(self._memory, 0, turn + 1)
        try:
            data = os.read(fd, count)
            counters[index] += len(data)
            return data
        finally:
            self._COUNTERS.pack_into(self._memory, 0, turn + 1, *counters)
            self._TURN.pack_into(self._memory, 0, turn + 2)

    def watch(self, pipes: Tuple[int, int]) -> None:
        """Before the fork: let the worker see whether something is in these pipes; it has no read ends of them.

        The worker asks for each line that it prints. ``FIONREAD`` of each pipe would take three times as long, since
        Python tells audit hooks of it, and a worker has one.
        """
        self._filled = select.epoll(2)
        for fd in pipes:
            self._filled.register(fd, select.EPOLLIN)

    def watch_no_more(self) -> None:
        """Close that look into the pipes: in the keeper, after the fork."""
        self._filled.close()

    def stamps(self, pipes: Tuple[int, int]) -> Tuple[int, int]:
        """How many bytes others have ever written to each of two pipes; ``pipes``: the write ends."""
        memory, counters, unread, ioctl = self._memory, self._COUNTERS, self._unread, fcntl.ioctl
        while True:
            turn, out, err = counters.unpack_from(memory)
            if self._filled.poll(0, 2):
                ioctl(pipes[0], FIONREAD, unread)
                out += unread[0]
                ioctl(pipes[1], FIONREAD, unread)
                err += unread[0]
            if not turn & 1 and turn == self._TURN.unpack_from(memory)[0]:
                return out, err
            time.sleep(0)  # the keeper is reading just now

    @property
    def interrupt(self) -> Tuple[int, int]:
        """The serial number of the last interrupt, and the number of its request."""
        serial, request = self._INTERRUPT.unpack_from(self._memory, self._INTERRUPT_AT)
        return serial, request

    @interrupt.setter
    def interrupt(self, value: Tuple[int, int]) -> None:
        self._INTERRUPT.pack_into(self._memory, self._INTERRUPT_AT, *value)

    def take_press(self) -> bool:
        """Take the last interrupt's press of the stop button; returns whether nobody has.

        The functions of `on_interrupt` run where it is taken. Worker and keeper may both take it in one moment, which
        does no harm: what stops a motor may run twice.
        """
        serial = self.interrupt[0]
        if self._PRESS.unpack_from(self._memory, self._PRESS_AT)[0] == serial:
            return False
        self._PRESS.pack_into(self._memory, self._PRESS_AT, serial)
        return True

    def note_interrupt(self, _number: int) -> bool:
        """The keeper has set `interrupt` and sent the signal. Returns whether the worker has to send it: no."""
        return False

    @property
    def carries(self) -> int:
        """How many bytes a second the link to the kernel carries; 0 while that isn't known."""
        return self._CARRIES.unpack_from(self._memory, self._CARRIES_AT)[0]  # type: ignore[no-any-return]

    @carries.setter
    def carries(self, value: int) -> None:
        self._CARRIES.pack_into(self._memory, self._CARRIES_AT, value)

    def hold_partial(self, kind: int, request: int, text: bytes) -> None:
        """Keep an unfinished line where a crash of the worker can't take it; `PARTIAL_MAX` bytes at most."""
        self._memory[self._TEXT_AT : self._TEXT_AT + len(text)] = text
        self._PARTIAL.pack_into(self._memory, self._PARTIAL_AT, kind, request, len(text))

    def drop_partial(self) -> None:
        """Forget the unfinished line: it was sent."""
        self._memory[self._PARTIAL_AT] = 0

    @property
    def partial(self) -> Tuple[int, int, bytes]:
        """Kind, request and text of the unfinished line; kind 0 if there is none."""
        kind, request, length = self._PARTIAL.unpack_from(self._memory, self._PARTIAL_AT)
        return kind, request, bytes(self._memory[self._TEXT_AT : self._TEXT_AT + min(length, self.PARTIAL_MAX)])


class ForkedWorker(WorkerProcess):
    """One worker process, and the three pipes by which it speaks.

    Args:
        journal: Takes its messages.
        requests: Knows which requests are open.
        run: Called in the worker's process, with its socket, its pipe, the pipes for fd 1 and 2, and the shared page.

    Attributes:
        socket: The way for requests; it is closed as soon as the worker dies.
        sources: The read ends of the pipe of frames and of those behind fd 1 and 2.
    """

    def __init__(self, journal: Journal, requests: Requests, run: Callable[..., None]) -> None:
        super().__init__(journal, requests)
        self._received = bytearray()
        self._needed = 0  # so many bytes make the first frame whole
        self._serial = 0
        pipes: List[Tuple[int, int]] = []
        self.socket, other = socket.socketpair()
        try:
            self.page = Page()
            pipes.extend(os.pipe() for _ in range(3))
            self.page.watch((pipes[1][0], pipes[2][0]))
            self.pid = os.fork()
        except OSError:
            for end in (self.socket, other):
                end.close()
            for fd in [fd for pipe in pipes for fd in pipe]:
                os.close(fd)
            raise
        reads, writes = zip(*pipes)
        self.sources: List[int] = list(reads)
        if self.pid == 0:
            try:
                self.socket.close()
                for fd in reads:
                    os.close(fd)
                run(other, writes[0], writes[1:], self.page)
            except BaseException:  # the keeper was told of it
                os._exit(frames.FAILED_CODE)
            raise SystemExit(0)  # through all of the keeper's frames: so Python ends as it always does
        _enlarge(writes[0])
        self.page.watch_no_more()
        other.close()
        for fd in writes:
            os.close(fd)
        try:
            os.setpgid(self.pid, self.pid)  # on both sides of the fork: one of them comes first
        except OSError:
            pass
        self.socket.setblocking(False)
        self.outgoing = Outgoing(self.socket)
        for fd in self.sources:
            os.set_blocking(fd, False)
        self._processes = CellProcesses(self.pid)

    def watched(self, reading: int) -> Watched:
        """The socket as long as that has not taken everything, and the pipes."""
        return [(self.socket.fileno(), EVENT_WRITE if self.outgoing else 0), *[(fd, reading) for fd in self.sources]]

    # to the worker

    def _interrupt_worker(self, number: int) -> None:
        self._serial += 1
        self.page.interrupt = (self._serial, number)
        kill(self.pid, signal.SIGINT)  # at once, also where C code holds the sorter up, which repeats it if it must
        self.say(frames.INTERRUPT, number)

    def take_press(self) -> bool:
        """Take the last press of the stop button; returns whether the worker hasn't yet."""
        return self.page.take_press()

    def tell_speed(self, carries: int) -> None:
        """Tell it how many bytes a second the link to the kernel carries; 0: nobody knows."""
        self.page.carries = carries

    def say(self, word: int, number: int = 0) -> None:
        """Send one of `frames.WORDS`."""
        self.outgoing.write(frames.REQUEST.pack(number, word))

    def kill(self) -> None:
        """End it and every process that it has started and not detached, at once."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except OSError:
            kill(self.pid, signal.SIGKILL)
        for pid in of_session():
            kill(pid, signal.SIGKILL)

    # from the worker

    def _take_guard(self) -> Optional[socket.socket]:
        try:
            _data, rights, _flags, _address = self.socket.recvmsg(1, socket.CMSG_SPACE(_INT.size))
            return socket.socket(fileno=_INT.unpack(rights[0][2][: _INT.size])[0])
        except (OSError, IndexError, struct.error):
            return None

    def read(self, to_the_end: bool = False) -> None:
        """Journal frames and foreign bytes, in the order in which they were written, until the journal is full.

        What waited in the pipes *before* the frames were read goes after them, since frames carry stamps and foreign
        bytes don't.

        Args:
            to_the_end: All there is, however full the journal.
        """
        self.flood = 0
        known = self.page.counters
        ends = [known[index] + bytes_in_pipe(self.sources[1 + index]) for index in (0, 1)]
        if self._read_frames(to_the_end):
            for index in (0, 1):
                self._read_pipe(index, ends[index] - self.page.counters[index])

    def _read_frames(self, to_the_end: bool) -> bool:
        """Take frames until there are no more; False if the journal became full before."""
        while to_the_end or not self.journal.full:
            try:
                data = os.read(self.sources[0], RECEIVE_BYTES)
            except BlockingIOError:
                return True
            if not data:  # the worker's end of the pipe is closed
                self.gone = True
                if not _ends(self.pid):
                    self.cause = CLOSED
                    self.kill()
                return True
            self._received += data
            if len(self._received) >= self._needed:
                self._take_frames()
        return False

    def _take_frames(self) -> None:
        """Take the received bytes apart. Lines in a row of one stream and cell are journalled together."""
        received = bytes(self._received)
        self._needed = 0
        position, end_of_all, size, unpack = 0, len(received), frames.FRAME.size, frames.FRAME.unpack_from
        counters = self.page.counters
        lines: List[bytes] = []
        lines_of = (0, 0)
        while end_of_all - position >= size:
            kind, number, length, out, err = unpack(received, position)
            if length > MAX_FRAME_BYTES:
                self.kill()
                break
            end = position + size + length
            if end > end_of_all:
                self._needed = end - position
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

    def _read_pipe(self, index: int, count: int) -> None:
        """Journal ``count`` bytes of a pipe, or fewer if it has no more."""
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
            self._take_foreign(index, data)

    # its end

    def reap(self) -> Optional[int]:
        """Its exit code if it has died, with all that it had written journalled; negative for a signal, else None."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 0
        if pid == 0:
            return None
        self.read(to_the_end=True)  # no more than the buffers of the pipes held
        self._flush_tails()
        kind, number, text = self.page.partial
        if kind in frames.STREAMS:
            self.journal.add_text(frames.STREAMS[kind], self.requests.parent_of(number), text)
        if self.cause == CLOSED:
            return frames.FAILED_CODE
        return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def close(self) -> None:
        """Close the keeper's ends."""
        self.socket.close()
        for fd in self.sources:
            os.close(fd)


def bytes_in_pipe(fd: int) -> int:
    """How many bytes wait in a pipe; ``fd``: either end of it."""
    return _INT.unpack(fcntl.ioctl(fd, FIONREAD, b"\0\0\0\0"))[0]  # type: ignore[no-any-return]


def _ends(pid: int) -> bool:
    """Whether a process has ended or is about to: it closes its files somewhat before it can be waited for."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return bool(int(file.read().rpartition(b")")[2].split()[6]) & PF_EXITING)
    except (OSError, ValueError, IndexError):
        return True


def _enlarge(fd: int) -> None:
    if sys.platform == "linux":
        try:
            fcntl.fcntl(fd, _F_SETPIPE_SZ, frames.PIPE_BYTES)
        except OSError:
            pass
