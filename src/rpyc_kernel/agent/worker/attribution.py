"""Which request the running code belongs to, also in the threads and tasks that a cell has started."""

from __future__ import annotations

import threading
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: the number of the request; 0 where no request has started the running code. Tasks inherit it with their context.
current: ContextVar[int] = ContextVar("rpyc_kernel_request", default=0)

NOBODY = -1  #: in place of a request's number: what this code prints and shows is nobody's


def follow_threads() -> None:
    """Let threads inherit the request of the code that starts them."""
    start, run = threading.Thread.start, threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    def start_attributed(self: Any) -> None:
        self._rpyc_kernel_request = current.get()
        start(self)

    def run_attributed(self: Any) -> None:
        current.set(getattr(self, "_rpyc_kernel_request", 0))
        run(self)

    start_attributed.__doc__, start_attributed.__name__ = start.__doc__, start.__name__
    threading.Thread.start = start_attributed  # type: ignore[method-assign]
    threading.Thread._bootstrap_inner = run_attributed  # type: ignore[attr-defined]
