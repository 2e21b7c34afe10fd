"""The guards of a session's workers: the loop's part of a safe stop, which has the sockets."""

from __future__ import annotations

import selectors
import socket
import time

from .. import frames
from .worker.guard import Guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from .session import Session
    from .worker.process import WorkerProcess

LOST = "The process that runs the functions of on_disconnect and on_death has ended by itself. Register them again.\n"


class Guards:
    """Knows the guard of the worker, and those before it that have not ended yet.

    Args:
        session: Decides what they run.
        selector: The loop's.
    """

    def __init__(self, session: Session, selector: selectors.BaseSelector) -> None:
        self._session = session
        self._selector = selector
        self._present: Optional[Guard] = None
        self._all: List[Guard] = []

    def follow(self, worker: WorkerProcess, now: float) -> None:
        """Take what the worker says: which functions there are, or that one has run there."""
        taken, worker.stops = worker.stops, []
        for told, sock in taken:
            if "ran" in told:
                self._tell(told)
                continue
            before, self._present = self._present, None
            if sock is not None:
                self._present = guard = Guard(sock)
                self._all.append(guard)
                self._selector.register(sock, selectors.EVENT_READ, lambda _events, guard=guard: self._read(guard))
            try:
                self._session.register_stops(told["stops"], self.run, now)
            except (LookupError, TypeError, ValueError):
                pass  # the agent has not written that
            if before is not None:
                before.end([])

    def run(self, numbers: List[int]) -> None:
        """Have functions run: in the guard; where there is none, by the worker."""
        if self._present is not None:
            self._present.run(numbers)
        elif self._session.worker is not None:
            for number in numbers:
                self._session.worker.say(frames.RUN, number)

    def worker_ended(self) -> None:
        """The worker has ended, however that was."""
        if self._session.stops is not None:
            numbers = self._session.stops.take_dead()
            if self._present is not None:
                self._present.end(numbers)
                self._present = None

    def _read(self, guard: Guard) -> None:
        try:
            for told in guard.reports():
                self._tell(told)
        except EOFError:
            self._selector.unregister(guard.socket)
            guard.socket.close()
            self._all.remove(guard)
            if guard is self._present:
                self._present = None
                self._say(LOST)

    def _tell(self, told: Dict[str, Any]) -> None:
        if self._session.stops is None:
            return
        try:
            ago = time.monotonic() - float(told["began"])
            clock = time.strftime("%H:%M:%S", time.localtime(time.time() - ago))
            text = self._session.stops.report(told, socket.gethostname(), clock)
        except (LookupError, TypeError, ValueError, OverflowError):
            return  # the agent has not written that
        printed = str(told.get("printed") or "")
        if text and printed:
            self._say(printed if printed.endswith("\n") else printed + "\n")
        self._say(text)

    def _say(self, text: str) -> None:
        if text:
            self._session.note(text.rstrip())
            journal, parent = self._session.journal, self._session.requests.foreign_parent
            journal.add_text("stderr", parent, text.encode("utf-8", "replace"))

    def close(self) -> None:
        """In a forked process: close the sockets, which are the keeper's."""
        for guard in self._all:
            guard.socket.close()
