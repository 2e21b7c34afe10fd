"""A worker that is started as a program of its own, by what every system has: pipes and threads.

Its stdin brings it the agent, the session's configuration, and then requests. Its stdout and stderr are read here, by a
thread each, and hold its frames among what others write there (`marked_frames`).
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque

from ... import frames, marked_frames, starter
from .interrupts import CellProcesses, of_session
from .process import MAX_FRAME, WorkerProcess, kill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

    from ...boot import Agent
    from ...windows import Job
    from ..outbox.journal import Journal
    from ..requests import Requests

    Event = Tuple[int, bytes]

CHUNK = 1 << 16  #: bytes read at once
MOST = 1 << 18  #: bytes that are read before somebody takes them; then its pipe holds the worker back
SOON = 0.0005  #: seconds after which another read comes soon,
OFTEN = 6  #: and so many of these are a lot: from then on
NAP = 0.002  #: seconds lie between two, since waking a thread costs the worker more than writing
PARTIAL_SECONDS = 0.05  #: that an unfinished line waits for its end
AGAIN = 1 << 30  #: a flood after which we look again soon


class SpawnedWorker(WorkerProcess):
    """One worker process, and the threads that wait for it.

    :param wake: called on a thread when the worker has died
    """

    def __init__(
        self, journal: Journal, requests: Requests, config: Dict[str, Any], agent: Agent, wake: Callable[[], None]
    ) -> None:
        super().__init__(journal, requests)
        self._mark = marked_frames.new_mark()
        self._events: Tuple[Deque[Event], Deque[Event]] = (deque(), deque())
        self._frame = bytearray()
        self._lines: List[bytes] = []
        self._lines_of = (0, 0)
        self._line_until = 0.0  # then an unfinished line is journalled as it is
        self._code: Optional[int] = None
        self._carries = 0
        self._bell, self._rope = socket.socketpair()
        for each in (self._bell, self._rope):
            each.setblocking(False)
        pipes = [os.pipe(), os.pipe()]
        self._writes = [write for _read, write in pipes]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-c", starter.WORKER],
                stdin=subprocess.PIPE,
                stdout=self._writes[0],
                stderr=self._writes[1],
                bufsize=0,
            )
        except OSError:
            for end in (self._bell, self._rope):
                end.close()
            for fd in [fd for pipe in pipes for fd in pipe]:
                os.close(fd)
            raise
        self.pid = self._process.pid
        self._job: Optional[Job] = None
        if os.name == "nt":
            from ...windows import Job

            self._job = Job.of(self._process)
        if hasattr(os, "getsid"):
            self._processes = CellProcesses(self.pid)
        self._readers = [PipeReader(read, marked_frames.Marked(self._mark), self._ring) for read, _write in pipes]
        self.outgoing = Feeder(self._process.stdin)
        self.outgoing.write(_first_words(agent, dict(config, mark=self._mark.hex())))
        _start("rpyc-kernel-waiter", self._wait, wake)

    def watched(self, reading: int) -> List[Tuple[Any, int]]:
        """A bell that is rung when something has come."""
        return [(self._bell, reading)]

    def _ring(self) -> None:
        try:
            self._rope.send(b"!")
        except OSError:  # it was rung often enough, or nobody listens any more
            pass

    # to the worker

    def _interrupt_worker(self, number: int) -> None:
        self.say(frames.INTERRUPT, number)

    def tell_speed(self, carries: int) -> None:
        """Tell it how many bytes a second the link to the kernel carries; 0: nobody knows."""
        carries = min(carries, 0xFFFFFFFF)
        if carries != self._carries:
            self._carries = carries
            self.say(frames.CARRIES, carries)

    def say(self, word: int, number: int = 0) -> None:
        """Send one of `frames.WORDS`."""
        self.outgoing.write(frames.REQUEST.pack(number, word))

    def kill(self) -> None:
        """End it at once, and as far as the system knows it, all that it has started."""
        if self._job is not None:
            self._job.end()
        elif os.name == "nt" and self._process.poll() is None:
            from ...windows import kill_tree

            kill_tree(self.pid)
        self._process.kill()
        if hasattr(os, "killpg"):
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except OSError:
                pass
            for pid in of_session():
                kill(pid, signal.SIGKILL)

    # from the worker

    def read(self, to_the_end: bool = False) -> None:
        """Journal frames and foreign bytes, in the order in which they were written, until the journal is full."""
        self.flood = 0
        try:
            self._bell.recv(4096)
        except BlockingIOError:
            pass
        came = False
        while self._take_one(to_the_end):
            came = True
            if self.journal.full and not to_the_end:
                self._ring()  # there may be more, of which no thread will tell again
                break
        now = time.monotonic()
        if came:
            self._line_until = now + PARTIAL_SECONDS
        if self._lines and not self._lines[-1].endswith(b"\n") and now < self._line_until and not to_the_end:
            self.flood = AGAIN  # print writes its newline apart
        else:
            self._finish_lines()

    def _take_one(self, to_the_end: bool) -> bool:
        """Take what comes next; False if that isn't there yet."""
        out, err = self._events
        for events, reader in zip(self._events, self._readers):
            if not events:
                events.extend(reader.take())
        if err and err[0][0] == marked_frames.FOREIGN:
            self._finish_lines()
            self._take_foreign(1, err.popleft()[1])
        elif not out:
            if not (to_the_end and err):
                return False
            err.popleft()  # the mark of a frame that was never written
        elif out[0][0] == marked_frames.FOREIGN:
            self._finish_lines()
            self._take_foreign(0, out.popleft()[1])
        elif self._frame or err or to_the_end:
            if not self._frame and err:
                err.popleft()
            self._take_piece(out.popleft()[1])
        else:
            return False  # what others wrote to fd 2 before this frame is on its way
        return True

    def _take_piece(self, data: bytes) -> None:
        frame, size = self._frame, frames.FRAME.size
        frame += data
        if len(frame) < size:
            return
        kind, number, length, _out, _err = frames.FRAME.unpack_from(frame)
        if length > MAX_FRAME:
            self.kill()
            self._frame = bytearray()
            return
        if len(frame) < size + length:
            return
        whole = bytes(frame[size:])
        self._frame = bytearray()
        if kind > frames.STDERR:
            self._finish_lines()
            self._take_frame(kind, number, whole)
            return
        if self._lines_of != (kind, number):
            self._finish_lines()
            self._lines_of = (kind, number)
        self._lines.append(whole)

    def _finish_lines(self) -> None:
        """Journal together what follows each other of one stream and cell."""
        lines, self._lines = self._lines, []
        if lines:
            self._add_lines(self._lines_of, lines)

    # its end

    def _wait(self, wake: Callable[[], None]) -> None:
        """On a thread: until it has died, and all that it had written was read."""
        code = self._process.wait()
        for reader in self._readers:
            reader.let_go()
        for fd in self._writes:
            marked_frames.write(fd, marked_frames.last(self._mark))
            os.close(fd)
        for reader in self._readers:
            reader.thread.join()
        self.outgoing.end()
        self._code = code
        wake()

    def reap(self) -> Optional[int]:
        """Its exit code if it has died, with all that it had written journalled; negative for a signal, else None."""
        if self._code is None:
            return None
        self.read(to_the_end=True)
        self._flush_tails()
        return self._code

    def close(self) -> None:
        """Close the keeper's ends."""
        self._bell.close()
        self._rope.close()
        if self._job is not None:
            self._job.close()


class PipeReader:
    """Reads one of the worker's pipes on a thread of its own, up to `MOST` bytes ahead of whoever takes them.

    :param ring: called when something is there that wasn't
    """

    def __init__(self, fd: int, marked: marked_frames.Marked, ring: Callable[[], None]) -> None:
        self._fd = fd
        self._marked = marked
        self._ring = ring
        self._events: Deque[Event] = deque()
        self._held = 0  # bytes
        self._most = MOST
        self._changed = threading.Condition()
        self.thread = _start("rpyc-kernel-reader", self._run)

    def take(self) -> List[Event]:
        """All that has come."""
        with self._changed:
            taken = list(self._events)
            self._events.clear()
            if self._held >= self._most:
                self._changed.notify()
            self._held = 0
        return taken

    def let_go(self) -> None:
        """Read on, however much that is: the worker is dead, and its pipe holds little."""
        with self._changed:
            self._most = sys.maxsize
            self._changed.notify()

    def _run(self) -> None:
        last, often = 0.0, 0
        while self._read():
            now = time.monotonic()
            often = min(often + 1, OFTEN) if now - last < SOON else max(often - 1, 0)
            if often == OFTEN:
                time.sleep(NAP)
                last = time.monotonic()
            else:
                last = now
            with self._changed:
                while self._held >= self._most:
                    self._changed.wait()
        os.close(self._fd)

    def _read(self) -> bool:
        """Wait for something, and take it in; False at the end."""
        data = os.read(self._fd, CHUNK)
        events = self._marked.feed(data)
        ended = not data
        with self._changed:
            was_empty = not self._events
            for event in events:
                if event[0] == marked_frames.END:  # what others write after it is nobody's
                    ended = True
                    break
                self._events.append(event)
            self._held += len(data)
        if was_empty and events:
            self._ring()
        return not ended


class Feeder:
    """Writes to the worker's stdin, on a thread of its own: that may have no room."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._pieces: queue.SimpleQueue[Optional[bytes]] = queue.SimpleQueue()
        _start("rpyc-kernel-feeder", self._run)

    def __bool__(self) -> bool:
        return False  # nobody else has to see to it

    def write(self, *pieces: bytes) -> None:
        """Write, soon."""
        self._pieces.put(b"".join(pieces))

    def flush(self) -> None:
        """There is nothing to be done."""

    def end(self) -> None:
        """Close it behind all that was written."""
        self._pieces.put(None)

    def _run(self) -> None:
        try:
            piece = self._pieces.get()
            while piece is not None:
                marked_frames.write(self._stream.fileno(), piece)
                piece = self._pieces.get()
        except OSError:
            pass  # it has died
        self._stream.close()


def _first_words(agent: Agent, config: Dict[str, Any]) -> bytes:
    boot = agent.sources["boot.py"].encode("utf-8")
    text = json.dumps(config).encode("utf-8")
    head = "%s\n%d %d\n" % (agent.digest, len(agent.packed), len(text))
    return b"%s%s%s%s" % (starter.first_words(boot), head.encode("ascii"), agent.packed, text)


def _start(name: str, function: Callable[..., None], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=function, args=args, name=name, daemon=True)
    thread.start()
    return thread
