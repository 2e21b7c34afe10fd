"""The bytes of values on direct connections, in both directions. A transfer that was cut goes on where it stopped."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from rpyc_kernel.agent.direct.memory import check_room, new_memory
from rpyc_kernel.agent.direct.shrink import shrunk, unshrunk
from rpyc_kernel.errors import ProtocolError, ValueRefusedError
from rpyc_kernel.link.bulk import carry
from rpyc_kernel.link.window import Window
from rpyc_kernel.values.shrinking import Shrinking

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from rpyc_kernel.link.bulk import BulkSession
    from rpyc_kernel.link.direct import DirectConnection

    Progress = Callable[[int], None]


def fetch(
    session: BulkSession, offer: str, sizes: Sequence[int], cancel: threading.Event, progress: Progress
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
        ValueRefusedError: There is no room for them here.
        RpycKernelError: The bytes can't be had any more, and why.
    """
    try:
        check_room(sum(sizes))
        buffers = [new_memory(size) for size in sizes]
    except (OSError, MemoryError) as error:
        raise ValueRefusedError(f"The values don't fit here: {error}.") from None
    _Transfer(session, buffers, _Read(offer), cancel, progress).run()
    return buffers


def bring(
    session: BulkSession,
    buffers: Sequence[memoryview],
    cancel: threading.Event,
    progress: Progress,
    *,
    shared: bool = False,
) -> str:
    """Bring buffers to the worker.

    Args:
        session: Where the worker is.
        buffers: The buffers.
        cancel: Ends the transfer.
        progress: Gets the bytes that have arrived so far.
        shared: Whether it is to lie where other sessions on that machine can adopt it, if possible.

    Returns:
        The name of the draft that holds the buffers there.

    Raises:
        DialCancelledError: *cancel* was set.
        RpycKernelError: They can't be brought, and why.
    """
    sizes = [buffer.nbytes for buffer in buffers]
    with session.direct.connection(cancel) as connection:
        draft = drafted(connection, sizes, shared=shared)
    _Transfer(session, buffers, _Write(draft), cancel, progress).run()
    return draft


def drafted(connection: DirectConnection, sizes: Sequence[int], *, shared: bool = False) -> str:
    """Have the worker make a draft of buffers of these sizes, and return its name. Raises a RpycKernelError."""
    name = connection.call("values.draft", {"sizes": sizes, "shared": shared}).get("draft")
    if type(name) is not str:
        raise ProtocolError(connection.address, "a draft without a name")
    return name


class _Direction(Protocol):
    """What a block is asked for with, or sent with; both return how many bytes have travelled for it."""

    def ask(self, connection: DirectConnection, place: dict[str, int], part: memoryview, *, zipped: bool) -> int: ...
    def take(self, connection: DirectConnection, part: memoryview) -> int: ...


class _Read:
    def __init__(self, offer: str) -> None:
        self._offer = offer

    def ask(self, connection: DirectConnection, place: dict[str, int], part: memoryview, *, zipped: bool) -> int:
        connection.send("values.read", {**place, "size": len(part), "offer": self._offer, "zip": zipped})
        return 0

    def take(self, connection: DirectConnection, part: memoryview) -> int:
        header, buffers = connection.receive(part)
        if len(buffers) != 1:
            raise ProtocolError(connection.address, "other parts of a value than it was asked for")
        block = buffers[0]
        if header.get("zip"):
            try:
                unshrunk(block, part)
            except ValueError as error:
                raise ProtocolError(connection.address, str(error)) from None
        return len(block)


class _Write:
    def __init__(self, draft: str) -> None:
        self._draft = draft

    def ask(self, connection: DirectConnection, place: dict[str, int], part: memoryview, *, zipped: bool) -> int:
        block = shrunk(part) if zipped else None
        header = {**place, "draft": self._draft, "size": len(part), "zip": block is not None}
        connection.send("values.write", header, [part if block is None else block])
        return len(part if block is None else block)

    def take(self, connection: DirectConnection, part: memoryview) -> int:
        connection.receive()
        return 0


class _Transfer:
    def __init__(
        self,
        session: BulkSession,
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
        self._shrinking = Shrinking()

    def run(self) -> None:
        carry(self._session, self._cancel, self._carry, lambda: self._done)

    def _carry(self, connection: DirectConnection) -> None:
        """Carry what is left, block by block."""
        window, blocks = Window(), deque[tuple[memoryview, bool, int]]()
        index, start = self._place(self._done)
        self._shrinking.begin(time.monotonic())
        while index < len(self._buffers) or window.waiting:
            while index < len(self._buffers) and window.open:
                part = self._buffers[index][start : start + window.block]
                if part:
                    zipped = self._shrinking.wanted(time.monotonic())
                    place = {"buffer": index, "start": start}
                    blocks.append((part, zipped, self._direction.ask(connection, place, part, zipped=zipped)))
                    window.sent(len(part), time.monotonic())
                start += len(part)
                if start == len(self._buffers[index]):
                    index, start = index + 1, 0
            if window.waiting:
                part, zipped, moved = blocks.popleft()
                moved += self._direction.take(connection, part)
                self._shrinking.carried(moved, tried=zipped, shrunk=moved < len(part))
                self._done += window.answered(time.monotonic())
                self._progress(self._done)

    def _place(self, done: int) -> tuple[int, int]:
        for index, buffer in enumerate(self._buffers):
            if done < len(buffer):
                return index, done
            done -= len(buffer)
        return len(self._buffers), 0
