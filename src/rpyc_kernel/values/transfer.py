"""The bytes of values on direct connections, in both directions. A transfer that was cut goes on where it stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from rpyc_kernel.agent.direct.memory import new_memory
from rpyc_kernel.errors import DialCancelledError, LinkError
from rpyc_kernel.values.window import Window

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from rpyc_kernel.link.direct import DirectConnection, DirectConnections

    Progress = Callable[[int], None]

MAX_VAIN_TRIES = 5  # connections in a row that carry nothing, while the link itself is up
RETRY_PAUSE_S = 0.2


class Bulk(Protocol):
    """A session, as a transfer sees it."""

    @property
    def direct(self) -> DirectConnections:
        """Its direct connections."""

    def wait_up(self, cancel: threading.Event) -> None:
        """Wait until the link is up. Raises the error for which it isn't."""


def fetch(
    session: Bulk, offer: str, sizes: Sequence[int], cancel: threading.Event, progress: Progress
) -> list[memoryview]:
    """Fetch the buffers of an offer of the worker's.

    Args:
        session: Where the worker is.
        offer: The offer's name.
        sizes: The bytes of each of its buffers.
        cancel: Ends the transfer.
        progress: Gets the bytes that have come so far.

    Returns:
        The buffers, each in memory of its own.

    Raises:
        DialCancelledError: *cancel* was set.
        RpycKernelError: The bytes can't be had any more, and why.
    """
    buffers = [new_memory(size) for size in sizes]
    _Transfer(session, buffers, _Read(offer), cancel, progress).run()
    return buffers


def bring(session: Bulk, buffers: Sequence[memoryview], cancel: threading.Event, progress: Progress) -> str:
    """Bring buffers to the worker.

    Args:
        session: Where the worker is.
        buffers: The buffers.
        cancel: Ends the transfer.
        progress: Gets the bytes that have arrived so far.

    Returns:
        The name of the draft that holds the buffers there.

    Raises:
        DialCancelledError: *cancel* was set.
        RpycKernelError: They can't be brought, and why.
    """
    sizes = [buffer.nbytes for buffer in buffers]
    with session.direct.connection(cancel) as connection:
        draft = str(connection.call("values.draft", {"sizes": sizes})["draft"])
    _Transfer(session, buffers, _Write(draft), cancel, progress).run()
    return draft


class _Direction(Protocol):
    def ask(self, connection: DirectConnection, place: dict[str, int], part: memoryview) -> None: ...
    def take(self, connection: DirectConnection, part: memoryview) -> None: ...


class _Read:
    def __init__(self, offer: str) -> None:
        self._offer = offer

    def ask(self, connection: DirectConnection, place: dict[str, int], part: memoryview) -> None:
        connection.send("values.read", {**place, "size": len(part), "offer": self._offer})

    def take(self, connection: DirectConnection, part: memoryview) -> None:
        connection.receive(part)


class _Write:
    def __init__(self, draft: str) -> None:
        self._draft = draft

    def ask(self, connection: DirectConnection, place: dict[str, int], part: memoryview) -> None:
        connection.send("values.write", {**place, "draft": self._draft}, [part])

    def take(self, connection: DirectConnection, part: memoryview) -> None:
        connection.receive()


class _Transfer:
    def __init__(
        self,
        session: Bulk,
        buffers: Sequence[memoryview],
        direction: _Direction,
        cancel: threading.Event,
        progress: Progress,
    ) -> None:
        self._session = session
        self._buffers = [buffer.cast("B") for buffer in buffers]
        self._direction = direction
        self._cancel = cancel
        self._progress = progress
        self._done = 0  # bytes of all buffers, in their order

    def run(self) -> None:
        total, vain = sum(map(len, self._buffers)), 0
        while self._done < total:
            before = self._done
            try:
                with self._session.direct.connection(self._cancel) as connection:
                    self._carry(connection)
            except DialCancelledError:
                raise
            except LinkError:
                vain = 0 if self._done > before else vain + 1
                if vain >= MAX_VAIN_TRIES:
                    raise
                if self._cancel.wait(RETRY_PAUSE_S * vain):
                    continue  # the next connection says so
                self._session.wait_up(self._cancel)

    def _carry(self, connection: DirectConnection) -> None:
        """Carry what is left, block by block."""
        window, parts = Window(), []
        index, start = self._place(self._done)
        while index < len(self._buffers) or window.waiting:
            while index < len(self._buffers) and window.open:
                part = self._buffers[index][start : start + window.block]
                if part:
                    self._direction.ask(connection, {"buffer": index, "start": start}, part)
                    window.sent(len(part), time.monotonic())
                    parts.append(part)
                start += len(part)
                if start == len(self._buffers[index]):
                    index, start = index + 1, 0
            if window.waiting:
                self._direction.take(connection, parts.pop(0))
                self._done += window.answered(time.monotonic())
                self._progress(self._done)

    def _place(self, done: int) -> tuple[int, int]:
        for index, buffer in enumerate(self._buffers):
            if done < len(buffer):
                return index, done
            done -= len(buffer)
        return len(self._buffers), 0
