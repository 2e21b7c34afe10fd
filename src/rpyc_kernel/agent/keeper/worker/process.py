"""The worker's process as its keeper sees it: it gets requests, is read in order, interrupted, and reaped.

How it is made, and how the two are connected, differs: see `forked` and `spawned`.
"""

from __future__ import annotations

import json
import os
import signal
from abc import ABC, abstractmethod

from ... import frames, wire
from ..requests import EXECUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, Dict, List, Optional, Protocol, Set, Tuple, Union

    from ...wire import Bytes
    from ..outbox.journal import Journal
    from ..requests import Requests

    Json = Dict[str, Any]
    Watched = List[Tuple[Union[int, socket.socket], int]]

    class Outgoing(Protocol):
        """The way to the worker; true while that has not taken everything."""

        def __bool__(self) -> bool: ...
        def write(self, *pieces: Bytes) -> None: ...
        def flush(self) -> None: ...


MAX_LAST_WORDS_BYTES = 2000
MAX_FRAME_BYTES = 1 << 27  #: a longer frame means that the worker's memory is corrupt
_PARENT, _GROUP, _SESSION, _START = 1, 2, 3, 19  # fields of /proc/PID/stat behind the name


class WorkerProcess(ABC):
    """One worker process.

    Args:
        journal: Takes its messages.
        requests: Knows which requests are open.

    Attributes:
        pid: Its process id.
        outgoing: The requests that it has not taken yet.
        flood: How many frames of text the last read ended with.
        ready: Whether it has said that it can run cells.
        gone: Whether it has died.
        cause: Why it couldn't go on, by its own words.
        restarts: Whether the code of a cell has asked for a fresh one.
        stops: What it has said of functions for a safe stop, until somebody takes it, each time with the socket of the
            guard that it has forked, if it has.
    """

    pid: int
    outgoing: Outgoing

    def __init__(self, journal: Journal, requests: Requests) -> None:
        self.journal = journal
        self.requests = requests
        self.flood = 0
        self.ready = False
        self.gone = False
        self.cause = ""
        self.restarts = False
        self.stops: List[Tuple[Json, Optional[socket.socket]]] = []
        self._last_words = b""  # on stderr, before it was ready
        self._tails = [b"", b""]  # of each pipe: the first bytes of a character whose rest is missing
        self._processes: Optional[CellProcesses] = None

    @abstractmethod
    def watched(self, reading: int) -> Watched:
        """The files for a selector, each with the events that are wanted of it.

        Args:
            reading: The events that are wanted of the worker's output; 0: none.
        """

    # to the worker

    def send(self, number: int, packet: Bytes) -> None:
        """Send it a request, as far as it takes that now."""
        request = self.requests.open.get(number)
        if self._processes and request and request.type == EXECUTE and self.requests.cell is None:
            self._processes.begin()  # now: once it runs it may have started some itself
        self.outgoing.write(frames.REQUEST.pack(number, len(packet)), packet)

    def interrupt(self, number: int) -> None:
        """Interrupt one request: the worker, and the processes that its cell has started."""
        started = self._processes.of_cell() if self._processes else []
        self._interrupt_worker(number)  # first, or it might take its child's end for a normal one
        for pid in started:
            kill(pid, signal.SIGINT)

    @abstractmethod
    def _interrupt_worker(self, number: int) -> None: ...

    def press(self) -> None:
        """The stop button was pressed while nothing runs: the functions of `on_interrupt` may."""
        self._interrupt_worker(0)

    def take_press(self) -> bool:
        """Take the last press of the stop button, if the worker hasn't, and another process may do it in its place."""
        return False

    @abstractmethod
    def tell_speed(self, carries: int) -> None:
        """Tell it how many bytes a second the link to the kernel carries; 0: nobody knows."""

    @abstractmethod
    def say(self, word: int, number: int = 0) -> None:
        """Send one of `frames.WORDS`."""

    def leave(self) -> None:
        """Ask it to end in order, with the cell that runs."""
        if hasattr(signal, "SIGCONT"):
            self.send_signal(signal.SIGCONT)  # a stopped one would do nothing
        self.say(frames.LEAVE)
        for request in list(self.requests.open.values()):
            if request.begun:
                self.interrupt(request.number)

    def hurry(self) -> None:
        """Ask it to run its exit functions at once."""
        self.say(frames.HURRY)

    def terminate(self) -> None:
        """Send SIGTERM to its process group; where there are no groups, `kill` it."""
        if hasattr(os, "killpg"):
            self.send_signal(signal.SIGTERM)
        else:
            self.kill()

    def send_signal(self, number: int) -> None:
        """Send a signal to its process group, or to it alone."""
        try:
            os.killpg(self.pid, number)
        except OSError:
            kill(self.pid, number)

    @abstractmethod
    def kill(self) -> None:
        """End it and every process that it has started and not detached, at once."""

    # from the worker

    @abstractmethod
    def read(self, to_the_end: bool = False) -> None:
        """Journal frames and foreign bytes, in the order in which they were written, until the journal is full.

        Args:
            to_the_end: All there is, however full the journal.
        """

    def _add_lines(self, lines_of: Tuple[int, int], lines: List[bytes]) -> None:
        kind, number = lines_of
        self.flood = len(lines)
        if not self.ready and kind == frames.STDERR:
            self._note_last_words(b"".join(lines))
        self.journal.add_text(frames.STREAMS[kind], self.requests.parent_of(number), b"".join(lines))

    def _take_frame(self, kind: int, number: int, data: bytes) -> None:
        self.flood = 0
        if kind == frames.FAILED:
            self.cause = data.decode("utf-8", "replace")
            return
        self.ready = True
        if kind == frames.RESTART:
            self.restarts = True
            return
        if kind == frames.STOPS:
            self._take_stops(data)
            return
        if kind > frames.STOPS or wire.is_sealed(data):
            return  # the agent has not written that
        if kind == frames.BEGUN:
            self.requests.begin(number)
            request = self.requests.open.get(number)
            if request is not None and request.execution_count:
                self.journal.begin_cell(request.parent, request.execution_count)
            return
        if kind == frames.ENDED:
            self._flush_tails()
            self.requests.end(number)
        if kind == frames.PICTURE:
            self.journal.add_picture(data)
        else:
            self.journal.add_packet(data, kind != frames.MESSAGE)

    def _take_stops(self, data: bytes) -> None:
        try:
            told = json.loads(data.decode("utf-8"))
            guard = self._take_guard() if told.get("guard") else None
        except (AttributeError, ValueError):
            return  # the agent has not written that
        self.stops.append((told, guard))

    def _take_guard(self) -> Optional[socket.socket]:
        """Take the socket of the guard that the worker has forked; None where it can't fork any."""
        return None

    def _take_foreign(self, index: int, data: bytes) -> None:
        """Journal the bytes that others wrote to a pipe."""
        data = self._tails[index] + data
        cut = len(data) - _torn(data)
        self._tails[index] = data[cut:]
        self._add_foreign(index, data[:cut])

    def _add_foreign(self, index: int, data: bytes) -> None:
        if data:
            if index and not self.ready:
                self._note_last_words(data)
            self.journal.add_text(("stdout", "stderr")[index], self.requests.foreign_parent, _utf8(data))

    def _flush_tails(self) -> None:
        for index in (0, 1):
            tail, self._tails[index] = self._tails[index], b""
            self._add_foreign(index, tail)

    # its end

    def _note_last_words(self, data: bytes) -> None:
        self._last_words = (self._last_words + data)[-MAX_LAST_WORDS_BYTES:]

    @property
    def why(self) -> str:
        """Why it has ended: its own sentence, or if it was never ready its last line on stderr; "" if there is none."""
        lines = self._last_words.decode("utf-8", "replace").strip().splitlines()
        return self.cause or (lines[-1] if lines and not self.ready else "")

    @abstractmethod
    def reap(self) -> Optional[int]:
        """Its exit code if it has died, with all that it had written journalled; negative for a signal, else None."""

    @abstractmethod
    def close(self) -> None:
        """Close the keeper's ends."""


def kill(pid: int, number: int) -> None:
    """Send a signal to a process, which may have gone by now."""
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
    """The bytes if they are UTF-8, else read in the machine's own encoding; on Windows in its console's."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        if os.name == "nt":
            from ...windows import console_encoding

            encoding = console_encoding()
        else:
            import locale  # late, since few programs write anything else

            encoding = locale.getpreferredencoding(False)
        return data.decode(encoding, "replace").encode("utf-8", "replace")
    return data


class CellProcesses:
    """The processes that a cell has started: an interrupt reaches them, and leaves those of earlier cells alone.

    It remembers the children that a worker has when a cell begins (Linux; elsewhere it knows of none).
    """

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self._earlier: Set[int] = set()
        self._begun = 0  # in clock ticks since boot

    def begin(self) -> None:
        """A cell begins: all that runs now belongs to earlier cells."""
        try:
            with open("/proc/%d/task/%d/children" % (self.worker, self.worker)) as file:
                self._earlier = {int(pid) for pid in file.read().split()}
            with open("/proc/uptime") as file:
                self._begun = int(float(file.read().split()[0]) * os.sysconf("SC_CLK_TCK"))
        except (OSError, ValueError):
            self._earlier = set()

    def of_cell(self) -> List[int]:
        """The processes in the worker's group that this cell or its children have started."""
        processes = _processes(_GROUP, self.worker)
        found = []
        for pid, (_parent, started) in processes.items():
            if pid != self.worker and started >= self._begun and not self._is_earlier(pid, processes):
                found.append(pid)
        return found

    def _is_earlier(self, pid: int, processes: Dict[int, Tuple[int, int]]) -> bool:
        while pid in processes:
            if pid in self._earlier:
                return True
            pid = processes[pid][0]
        return False


def of_session() -> List[int]:
    """Every other process of this process's session: the worker, and those that it has started and not detached."""
    return [pid for pid in _processes(_SESSION, os.getsid(0)) if pid != os.getpid()]


def _processes(field: int, value: int) -> Dict[int, Tuple[int, int]]:
    """Parent and start time (in ticks since boot) of each process with that value in its stat (man 5 proc)."""
    processes = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return {}
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[field]) == value:
            processes[int(name)] = (int(fields[_PARENT]), int(fields[_START]))
    return processes
