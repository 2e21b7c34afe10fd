"""Values that this process writes into shared memory for sessions on its own machine, which map it meanwhile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from rpyc_kernel.agent.direct.memory import check_room
from rpyc_kernel.agent.worker.shared_memory import CannotShareError, SharedDraft
from rpyc_kernel.errors import DialCancelledError
from rpyc_kernel.transport.deadline import POLL_INTERVAL_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from rpyc_kernel.transport.address import Address

BLOCK_BYTES = 2 << 20  # that are written before the next look at whether to stop


def wait_for(event: threading.Event, cancel: threading.Event, address: Address) -> None:
    """Wait for an event that another thread sets. Raises DialCancelledError if *cancel* is set."""
    while not event.wait(POLL_INTERVAL_S):
        if cancel.is_set():
            raise DialCancelledError(address)


class Writing:
    """What is written, on a thread of its own. Leaving it as a context stops what is left to write.

    Args:
        buffers: The bytes of the values.
        progress: Gets the bytes that are written so far.

    Attributes:
        told: What a session needs to adopt it.

    Raises:
        CannotShareError: This system has no such memory, or no room.
    """

    def __init__(self, buffers: Sequence[memoryview], progress: Callable[[int], None]) -> None:
        self._buffers = [buffer.cast("B") for buffer in buffers]
        self._progress = progress
        try:
            check_room(sum(map(len, self._buffers)))
        except (OSError, MemoryError) as error:
            raise CannotShareError(str(error)) from None
        self._draft = SharedDraft([len(buffer) for buffer in self._buffers])
        self._stopped, self._ended = threading.Event(), threading.Event()
        self._sealed = False
        self.told: dict[str, Any] = self._draft.told
        self._thread = threading.Thread(target=self._write, name="several_write", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Go on writing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait until nothing reads the values any more."""
        self._stopped.set()
        self._thread.join()

    def wait(self, cancel: threading.Event, address: Address) -> bool:
        """Wait until all is written and nobody can change it any more.

        Args:
            cancel: Ends it.
            address: Where whoever waits is, for the error.

        Returns:
            Whether it is so; otherwise it never will be.

        Raises:
            DialCancelledError: *cancel* was set.
        """
        wait_for(self._ended, cancel, address)
        return self._sealed

    def _write(self) -> None:
        done = 0
        try:
            for index, buffer in enumerate(self._buffers):
                for start in range(0, len(buffer), BLOCK_BYTES):
                    if self._stopped.is_set():
                        return
                    block = buffer[start : start + BLOCK_BYTES]
                    self._draft.write(index, start, block)
                    done += len(block)
                    self._progress(done)
            self._draft.share()
            self._sealed = True
        except (OSError, CannotShareError):  # no room, say: it is brought as any
            return
        finally:
            self._ended.set()
