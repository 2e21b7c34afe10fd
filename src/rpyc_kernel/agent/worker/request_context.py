"""The request that the running code belongs to.

A cell's own code belongs to its request, and so does what asyncio has from it: tasks, callbacks, `asyncio.to_thread`.
A thread that a cell's own code has started belongs to nobody, as in ipykernel 7: what it prints goes to the cell that
runs, since the thread may serve all cells, as the threads of a pool, a `QueueListener` or a logger do. What a task, a
callback, or a thread that has claimed a request starts belongs to the same request.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar

from .import_hooks import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: the number of the request; 0 for code that no request has claimed. Tasks inherit it with their context.
current: ContextVar[int] = ContextVar("rpyc_kernel_request", default=0)

NOBODY = -1  #: in place of a request's number: what this code prints and shows is dropped

#: modules whose threads serve everybody, whoever starts them
SERVING = ("concurrent.futures.thread", "multiprocessing.pool", "logging.handlers")


class Driven:
    """The state of the main thread.

    Attributes:
        number: The number of the request whose own code runs; 0 while none does, but perhaps a task or callback.
    """

    number = 0


def inherited() -> int:
    """The number of the request to which belongs what the running code starts now; 0: none."""
    number = current.get()
    return 0 if number == Driven.number and threading.current_thread() is threading.main_thread() else number


def started_by() -> int:
    """The number of the request that the running code belongs to, or else that has started its thread; 0: none."""
    return current.get() or getattr(threading.current_thread(), "_rpyc_kernel_starter", 0)


def follow_threads() -> None:
    """From now on, threads, and the work that a task gives to a pool, know the request that has started them."""
    start, run = threading.Thread.start, threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    def start_attributed(self: Any) -> None:
        serving = getattr(getattr(self, "_target", None), "__module__", "") in SERVING
        self._rpyc_kernel_request = 0 if serving else inherited()
        self._rpyc_kernel_starter = 0 if serving else started_by()
        start(self)

    def run_attributed(self: Any) -> None:
        current.set(getattr(self, "_rpyc_kernel_request", 0))
        run(self)

    start_attributed.__doc__, start_attributed.__name__ = start.__doc__, start.__name__
    threading.Thread.start = start_attributed  # type: ignore[method-assign]
    threading.Thread._bootstrap_inner = run_attributed  # type: ignore[attr-defined]
    when_imported("concurrent.futures.thread", _follow_work)


def _follow_work(pools: Any) -> None:
    """Have the work of a `ThreadPoolExecutor` remember the request that has submitted it."""
    item = pools._WorkItem
    make, run = item.__init__, item.run

    def make_attributed(self: Any, *args: Any, **keys: Any) -> None:
        make(self, *args, **keys)
        self._rpyc_kernel_request = inherited()

    def run_attributed(self: Any, *args: Any) -> None:
        number = getattr(self, "_rpyc_kernel_request", 0)
        outer = current.get()
        current.set(number or outer)
        try:
            run(self, *args)
        finally:
            current.set(outer)

    item.__init__, item.run = make_attributed, run_attributed
