"""A worker that is started as a program of its own, with nothing but pipes and threads, which every system has.

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
from .process import MAX_FRAME_BYTES, CellProcesses, WorkerProcess, kill, of_session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Callable, Deque, Dict, List, Optional, Tuple

    from ...boot import Agent
    from ...windows import Job
    from ...wire import Bytes
    from ..outbox.journal import Journal
    from ..requests import Requests
    from .process import Watched

    Event = Tuple[int, bytes]

READ_BYTES = 1 << 16  #: at once
MAX_HELD_BYTES = 1 << 18  #: read ahead of whoever takes them; then the pipe holds the worker back
QUICK_S = 0.0005  #: a read is quick that comes so soon after the one before;
QUICK_READS = 6  #: after so many quick ones
NAP_S = 0.002  #: lie between two, since waking a thread costs the worker more than writing
PARTIAL_LINE_S = 0.05  #: an unfinished line waits so long for its end
LOOK_AGAIN_FRAMES = 1 << 30  #: a flood by which the keeper looks again soon


class SpawnedWorker(WorkerProcess):
    """One worker process, and the threads that wait for it.

    Args:
        journal: Takes its messages.
        requests: Knows which requests are open.
        config: See `keeper.main.main`.
        agent: The agent, for the worker.
        wake: Called on a thread when the worker has died.
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
        assert self._process.stdin is not None
        self.outgoing = self._feeder = Feeder(self._process.stdin)
        self.outgoing.write(_first_words(agent, dict(config, mark=self._mark.hex())))
        _start("rpyc-kernel-waiter", self._wait, wake)

    def watched(self, reading: int) -> Watched:
        """The bell, a socket that becomes readable when something has come."""
        return [(self._bell, reading)]

    def _ring(self) -> None:
        try:
            self._rope.send(b"!")
        except OSError:  # it is full, or closed
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
        """End it at once, and all that it has started, as far as the system knows."""
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
                self._ring()  # there may be more, and no thread will ring for it again
                break
        now = time.monotonic()
        if came:
            self._line_until = now + PARTIAL_LINE_S
        if self._lines and not self._lines[-1].endswith(b"\n") and now < self._line_until and not to_the_end:
            self.flood = LOOK_AGAIN_FRAMES  # print writes its newline apart
        else:
            self._finish_lines()

    def _take_one(self, to_the_end: bool) -> bool:
        """Take the next event; False if that isn't there yet."""
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
            return False  # bytes that others wrote to fd 2 before this frame are on their way
        return True

    def _take_piece(self, data: bytes) -> None:
        frame, size = self._frame, frames.FRAME.size
        frame += data
        if len(frame) < size:
            return
        kind, number, length, _out, _err = frames.FRAME.unpack_from(frame)
        if length > MAX_FRAME_BYTES:
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
        """Journal the lines in a row of one stream and cell together."""
        lines, self._lines = self._lines, []
        if lines:
            self._add_lines(self._lines_of, lines)

    # its end

    def _wait(self, wake: Callable[[], None]) -> None:
        """Wait on a thread until it has died, and all that it had written was read."""
        code = self._process.wait()
        for reader in self._readers:
            reader.let_go()
        for fd in self._writes:
            marked_frames.write(fd, marked_frames.last(self._mark))
            os.close(fd)
        for reader in self._readers:
            reader.thread.join()
        self._feeder.end()
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
    """Reads one of the worker's pipes on a thread of its own, up to `MAX_HELD_BYTES` ahead of `take`.

    Args:
        fd: The read end of the pipe.
        marked: Takes the bytes apart.
        ring: Called when events have come and there were none.
    """

    def __init__(self, fd: int, marked: marked_frames.Marked, ring: Callable[[], None]) -> None:
        self._fd = fd
        self._marked = marked
        self._ring = ring
        self._events: Deque[Event] = deque()
        self._held = 0  # bytes
        self._most = MAX_HELD_BYTES
        self._changed = threading.Condition()
        self.thread = _start("rpyc-kernel-reader", self._run)

    def take(self) -> List[Event]:
        """All events that have come."""
        with self._changed:
            taken = list(self._events)
            self._events.clear()
            if self._held >= self._most:
                self._changed.notify()
            self._held = 0
        return taken

    def let_go(self) -> None:
        """Read to the end, however much that is: the worker is dead, and its pipe holds little."""
        with self._changed:
            self._most = sys.maxsize
            self._changed.notify()

    def _run(self) -> None:
        last, often = 0.0, 0
        while self._read():
            now = time.monotonic()
            often = min(often + 1, QUICK_READS) if now - last < QUICK_S else max(often - 1, 0)
            if often == QUICK_READS:
                time.sleep(NAP_S)
                last = time.monotonic()
            else:
                last = now
            with self._changed:
                while self._held >= self._most:
                    self._changed.wait()
        os.close(self._fd)

    def _read(self) -> bool:
        """Wait for bytes, and take them apart; False at the end."""
        data = os.read(self._fd, READ_BYTES)
        events = self._marked.feed(data)
        ended = not data
        with self._changed:
            was_empty = not self._events
            for event in events:
                if event[0] == marked_frames.END:  # all behind it is nobody's
                    ended = True
                    break
                self._events.append(event)
            self._held += len(data)
        if was_empty and events:
            self._ring()
        return not ended


class Feeder:
    """Writes to the worker's stdin, on a thread of its own, since that may have no room."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._pieces: queue.SimpleQueue[Optional[bytes]] = queue.SimpleQueue()
        _start("rpyc-kernel-feeder", self._run)

    def __bool__(self) -> bool:
        return False  # no selector has to wait for it

    def write(self, *pieces: Bytes) -> None:
        """Write, soon."""
        self._pieces.put(b"".join(pieces))

    def flush(self) -> None:
        """Do nothing: the thread writes."""

    def end(self) -> None:
        """Close the stdin behind all that was written."""
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
