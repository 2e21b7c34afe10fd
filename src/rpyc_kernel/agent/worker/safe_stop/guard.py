"""The guard: a process forked from the worker that waits for the keeper's word, and runs functions of the user's.

It has the worker's memory and files as they were when it was forked. It runs each function in a child of its own, so
that one that hangs or crashes leaves it as it was, for the next time. When the keeper is killed, the worker is too: the
guard then runs what was registered for that.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import struct
import sys
import time

from ..interrupts import set_handler
from .function import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from types import ModuleType
    from typing import Any, Dict, List, Optional

    from .function import RegisteredStop

    Json = Dict[str, Any]

MAX_PRINTED_BYTES = 8192  #: of a run, that are shown
_BEGAN = struct.Struct("=d")
_MODULES: Dict[str, ModuleType] = sys.modules  # a cell may put another in its place


class _Run:
    """A function that runs in a child.

    Attributes:
        began: When it began, by the monotonic clock; None while that isn't known.
        told: What the child has said at the end.
        printed: What the function has printed, as far as that is kept. The worker's own pipes end with the worker.
    """

    def __init__(self, stop: RegisteredStop, pid: int, pipe: int, output: int) -> None:
        self.stop = stop
        self.pid = pid
        self.pipe = pipe
        self.output = output
        self.printed = b""
        self.asked = time.monotonic()
        self.began: Optional[float] = None
        self.told = b""

    @property
    def due(self) -> float:
        """When its time is over."""
        return (self.began or self.asked) + self.stop.deadline

    def read_output(self) -> bool:
        """Read what the function prints; returns whether more may come."""
        try:
            data = os.read(self.output, 1 << 14)
        except BlockingIOError:
            return True
        self.printed = (self.printed + data)[:MAX_PRINTED_BYTES]
        return bool(data)

    def read(self) -> bool:
        """Read what the child says; returns whether it has ended."""
        data = os.read(self.pipe, 1 << 12)
        self.told += data
        if self.began is None and len(self.told) >= _BEGAN.size:
            (self.began,) = _BEGAN.unpack_from(self.told)
            self.told = self.told[_BEGAN.size :]
        return not data or self.told.endswith(b"\n")


def run_guard(control: socket.socket, stops: List[RegisteredStop]) -> None:
    """Be the guard until the keeper says that it is over, or has gone.

    Args:
        control: The keeper's word comes by it.
        stops: The functions.
    """
    _detach()
    known = {stop.id: stop for stop in stops}
    runs: Dict[int, _Run] = {}  # by the pipes of each
    poll = select.poll()
    poll.register(control, select.POLLIN)
    received, ending = b"", False
    dead = [stop.id for stop in stops if stop.kind == "death"]
    while not ending or runs:
        due = min([run.due for run in runs.values()], default=None)
        wait = None if due is None else max(0.0, (due - time.monotonic()) * 1000 + 1)
        wanted: List[int] = []
        for fd, _events in poll.poll(wait):
            if fd != control.fileno():
                run = runs.get(fd)
                if run is None:  # ended a moment ago
                    continue
                if fd == run.output:
                    if not run.read_output():
                        poll.unregister(fd)
                elif run.read():
                    _end(run, runs, poll, control)
                continue
            data = control.recv(1 << 12)
            if not data:  # the keeper has gone, and so the worker has
                poll.unregister(control)
                wanted, dead, ending = [*wanted, *dead], [], True
                continue
            *lines, received = (received + data).split(b"\n")
            for told in map(json.loads, lines):
                wanted += told["run"]
                ending = ending or bool(told.get("end"))
        for number in wanted:
            if number in known:
                _begin(known[number], runs, poll)
            if number in dead:
                dead.remove(number)
        for run in set(runs.values()):
            if time.monotonic() >= run.due:
                _end(run, runs, poll, control, over=True)


def _detach() -> None:
    """Take no signal that means the worker, and let go of what the worker closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        set_handler(number, signal.SIG_IGN)
    set_handler(signal.SIGCHLD, signal.SIG_DFL)
    try:
        signal.set_wakeup_fd(-1)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except ValueError:  # the thread that was forked was not the main one
        pass
    gc.disable()  # it would write to every page, all of which are shared with the worker
    gc.freeze()
    direct = _MODULES.get(__name__.rpartition(".safe_stop.")[0] + ".direct")
    if direct is not None:
        for sock in list(direct.carrying):
            sock.close()  # the kernel is to see when the worker closes it


def _begin(stop: RegisteredStop, runs: Dict[int, _Run], poll: select.poll) -> None:
    (reader, writer), (output, printing) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            for fd in (1, 2):
                os.dup2(printing, fd)
            os.write(writer, _BEGAN.pack(time.monotonic()))
            os.write(writer, json.dumps({"error": call(stop)}).encode("ascii") + b"\n")
        finally:
            os._exit(0)
    os.close(writer)
    os.close(printing)
    os.set_blocking(output, False)
    runs[reader] = runs[output] = _Run(stop, pid, reader, output)
    poll.register(reader, select.POLLIN)
    poll.register(output, select.POLLIN)


def _end(run: _Run, runs: Dict[int, _Run], poll: Any, control: socket.socket, over: bool = False) -> None:
    """It has ended, or its time is over: then it is killed, with all that it has started."""
    poll.unregister(run.pipe)
    try:
        poll.unregister(run.output)
        while run.read_output() and select.select([run.output], [], [], 0)[0]:
            pass
    except KeyError:  # all was read
        pass
    for pipe in (run.pipe, run.output):
        os.close(pipe)
        del runs[pipe]
    for kill in (os.killpg, os.kill):
        try:
            if over:
                kill(run.pid, signal.SIGKILL)
        except OSError:
            pass
    _pid, status = os.waitpid(run.pid, 0)
    told: Json = {"ran": run.stop.id, "began": run.began if run.began is not None else run.asked}
    told["printed"] = run.printed.decode("utf-8", "replace")
    if over:
        told["error"] = "It did not end within %g s, and was ended by force" % run.stop.deadline
    elif run.told.endswith(b"\n"):
        told.update(json.loads(run.told))
    else:
        told["error"] = "Its process ended by signal %d" % (status & 0x7F) if status & 0x7F else "Its process ended"
    try:
        control.sendall(json.dumps(told).encode("ascii") + b"\n")
    except OSError:  # the keeper has gone
        pass
