"""Writing beside receiving: a thread writes what has come while the next block comes."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCKS = 3  # one comes, one is written, and one waits


class WriteBehind:
    """Blocks that are written on a thread, in their order. Used by one thread.

    Args:
        block_bytes: Bytes of the largest block.
    """

    def __init__(self, block_bytes: int) -> None:
        self._block_bytes = block_bytes
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._waiting: queue.SimpleQueue[tuple[memoryview, Callable[[], None]] | None] = queue.SimpleQueue()
        self._blocks = 0  # that there are
        self._current: memoryview | None = None  # which is given out, and was not written
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def memory(self, size: int) -> memoryview:
        """Return memory for the next block, once there is some. Raises what writing has raised."""
        self._check()
        if self._current is None:
            self._current = self._one()
        return self._current[:size]

    def _one(self) -> memoryview:
        if self._free.empty() and self._blocks < BLOCKS:
            self._blocks += 1
            return memoryview(bytearray(self._block_bytes))
        block = self._free.get()
        self._check()
        return block

    def write(self, deed: Callable[[], None]) -> None:
        """Have the block that `memory` gave out written by *deed*, behind those before."""
        assert self._current is not None
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="rpyc-kernel-write-behind", daemon=True)
            self._thread.start()
        self._waiting.put((self._current, deed))
        self._current = None

    def flush(self) -> None:
        """Wait until all is written. Raises what writing has raised."""
        self.close()
        self._check()

    def close(self) -> None:
        """Wait until all is written that is to be. It may go on afterwards."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            block, deed = item
            try:
                if self._error is None:
                    deed()
            except BaseException as error:  # noqa: BLE001 - it is raised where the next block is received
                self._error = error
            finally:
                self._free.put(block)
