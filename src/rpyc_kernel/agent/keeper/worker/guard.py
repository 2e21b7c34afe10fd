"""The keeper's end of a guard: a process that the worker has forked to run functions of the user's."""

from __future__ import annotations

import json
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    Json = Dict[str, Any]

MAX_REPORT_BYTES = 1 << 17


class Guard:
    """One guard. It is told by lines of JSON, and answers by such; `worker.safe_stop.guard` is its other end.

    Args:
        sock: The connection to it.

    Attributes:
        socket: The same.
        dismissed: Whether it was told to end.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.dismissed = False
        self._received = b""

    def run(self, ids: List[int]) -> None:
        """Have it run these functions, at once and beside each other."""
        if ids:
            self._tell({"run": ids})

    def end(self, ids: List[int]) -> None:
        """Have it end when it has run these functions, and those that run."""
        self.dismissed = True
        self._tell({"run": ids, "end": True})

    def _tell(self, what: Json) -> None:
        try:
            self.socket.send(json.dumps(what).encode("ascii") + b"\n")
        except OSError:  # it is gone, which its socket says
            pass

    def reports(self) -> List[Json]:
        """What it says of functions that have run.

        Raises:
            EOFError: It has ended.
        """
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            raise EOFError from None
        if not data or len(self._received) > MAX_REPORT_BYTES:
            raise EOFError
        *lines, self._received = (self._received + data).split(b"\n")
        try:
            told = [json.loads(line.decode("utf-8")) for line in lines]
        except ValueError:
            raise EOFError from None
        return [each for each in told if isinstance(each, dict)]
