"""Requests to a session's files, several under way at once, which outlast a lost link.

A request that was not answered is made again on the next connection; so each must be one that may be done twice.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import AgentError, CopyStoppedError, DialCancelledError
from rpyc_kernel.link.bulk import carry
from rpyc_kernel.link.window import Window

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from rpyc_kernel.agent.wire import Bytes
    from rpyc_kernel.link.bulk import BulkSession
    from rpyc_kernel.link.direct import DirectConnection

    Answer = tuple[dict[str, Any], Sequence[memoryview]]
    Ask = Callable[[str, dict[str, Any]], dict[str, Any]]
    Requests = Callable[["Ask", Window], Iterator["FileRequest"]]

STOPPED = "Copying was stopped. Files that had come over whole are there; of others nothing is left."
REQUEST_BYTES = 256  # that a request counts, beside its buffers


@dataclass
class FileRequest:
    """One request of the family ``files``.

    Attributes:
        op: Its name.
        header: Its arguments.
        done: Gets the answer and its buffers.
        buffers: Its buffers.
        into: Says where the one buffer of the answer goes, once that comes.
        size: The bytes that travel, about.
    """

    op: str
    header: dict[str, Any]
    done: Callable[[dict[str, Any], Sequence[memoryview]], None]
    buffers: Sequence[Bytes] = ()
    into: Callable[[], memoryview] | None = None
    size: int = 0


class Carrier:
    """Requests to the files of one session. Used by one thread.

    Args:
        session: The session.
        cancel: Ends whatever is done.
    """

    def __init__(self, session: BulkSession, cancel: threading.Event) -> None:
        self._session = session
        self._cancel = cancel
        self._answers = 0

    def call(self, op: str, header: dict[str, Any], buffers: Sequence[Bytes] = ()) -> Answer:
        """Make one request, and return the answer with its buffers. Raises as `run` does."""
        answers: list[Answer] = []

        def take(header: dict[str, Any], buffers: Sequence[memoryview]) -> None:
            answers.append((header, buffers))

        self.run(lambda _ask, _window: iter([FileRequest(op, header, take, buffers)]))
        return answers[-1]

    def run(self, requests: Requests) -> None:
        """Make requests, until all are answered.

        Args:
            requests: Called on each new connection, with a function that makes a request and waits for its answer,
                and the window. It gives out the requests that are still to be made; between them it may not wait.

        Raises:
            CopyStoppedError: The event was set.
            AgentError: The other machine has refused one; those before it are done.
            RpycKernelError: The link is lost for good.
        """
        try:
            refused = carry(
                self._session, self._cancel, lambda each: self._carry(each, requests), lambda: self._answers
            )
        except DialCancelledError:
            raise CopyStoppedError(STOPPED) from None
        if refused is not None:
            raise refused

    def _carry(self, connection: DirectConnection, requests: Requests) -> AgentError | None:
        """Make the requests; return what was refused, once all answers have come: the connection stays good."""

        def ask(op: str, header: dict[str, Any]) -> dict[str, Any]:
            answer = connection.call(f"files.{op}", header)
            self._answers += 1
            return answer

        window, waiting = Window(), deque[FileRequest]()
        refused: AgentError | None = None
        more: Iterator[FileRequest] | None = requests(ask, window)
        while more is not None or waiting:
            while more is not None and window.open:
                request = next(more, None)
                if request is None:
                    more = None
                    break
                connection.send(f"files.{request.op}", request.header, request.buffers)
                window.sent(request.size + REQUEST_BYTES, time.monotonic())
                waiting.append(request)
            if not waiting:
                continue
            request = waiting.popleft()
            try:
                header, buffers = connection.receive(*([request.into()] if request.into else []))
            except AgentError as error:
                refused, more = refused or error, None
                window.answered(time.monotonic())
                continue
            window.answered(time.monotonic())
            if refused is None:
                self._answers += 1
                request.done(header, buffers)
        return refused
