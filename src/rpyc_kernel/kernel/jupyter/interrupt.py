"""Interrupts, by Jupyter's ``interrupt_request`` or Ctrl-C in a terminal: what they stop, and how."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from rpyc_kernel.errors import DialCancelledError
from rpyc_kernel.kernel.jupyter.concurrent_shell import ConcurrentShellKernel
from rpyc_kernel.kernel.jupyter.local_shell import LocalShell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

T = TypeVar("T")

SOON_S = 0.05  # in which most of what is carried has arrived
YOUNG_S = 10.0  # of a kernel's life, in which a press may come that was meant for the one before


class InterruptibleKernel(ConcurrentShellKernel):
    """Stops whatever runs: the local cell, the remote one, a widget's callback, connecting."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._running_locally = False
        self._began = time.time()
        self._was_pressed = False

    def stoppable(self, stop: Callable[[], None], *, beside: bool = False) -> AbstractContextManager[None]:
        """Return a context within which an interrupt calls *stop*, on the control thread; see `InterruptTargets`."""
        return self.targets.stoppable(stop, beside=beside)

    @contextmanager
    def _local_cell(self) -> Iterator[None]:
        """Within it the local IPython runs code, which a KeyboardInterrupt stops."""
        self._running_locally = True
        try:
            with self.stoppable(self._interrupt_main):
                yield
        finally:
            self._running_locally = False

    def _interrupt_main(self) -> None:
        """Raise KeyboardInterrupt in local code. An event loop that waits sees a signal only when it has work."""
        _signal_main()
        self.io_loop.add_callback(lambda: None)

    async def blocking(self, work: Callable[[threading.Event], T]) -> T:
        """Do something that blocks on a thread of its own.

        Args:
            work: The function to call. It gets an event that an interrupt sets, and then is to end soon.

        Returns:
            What *work* returns.
        """
        cancel = threading.Event()
        with self.stoppable(cancel.set):
            return await asyncio.to_thread(work, cancel)

    async def carrying(self, work: Callable[[threading.Event], T]) -> T:
        """Do as `blocking` what may carry much; unless it ends soon, no question of a front end waits for its end."""
        grown = asyncio.get_running_loop().call_later(SOON_S, self.takes_long)
        try:
            return await self.blocking(work)
        finally:
            grown.cancel()

    async def pause(self, seconds: float, address: str) -> None:
        """Wait some seconds before that address is dialled again.

        Raises:
            DialCancelledError: The user has interrupted the wait.
        """
        if await self.blocking(lambda cancel: cancel.wait(seconds)):
            raise DialCancelledError(address)

    def _press(self) -> None:
        """The stop button was pressed."""
        self.targets.interrupt()
        self.io_loop.add_callback_from_signal(self.pressed)

    def pressed(self) -> None:
        """Do what else a press means, in the event loop."""

    def pre_handler_hook(self) -> None:
        """Set our handler of SIGINT while a request is handled. ipykernel's makes every SIGINT a KeyboardInterrupt."""
        self.saved_sigint_handler = signal.signal(signal.SIGINT, self._on_sigint)

    def _on_sigint(self, signum: int, frame: Any) -> None:
        if self._running_locally or not self.targets:
            LocalShell.interrupts += 1
            signal.default_int_handler(signum, frame)
        self._press()

    @contextmanager
    def _cancel_on_sigint(self, future: asyncio.Future[Any]) -> Iterator[None]:
        """Within it SIGINT cancels a local cell that awaits, as ipykernel's does; in one that blocks it is raised."""

        def stop(signum: int, frame: Any) -> None:
            if asyncio.current_task(self.io_loop.asyncio_loop) is future and self.shell.runs_code(frame):
                LocalShell.interrupts += 1
                signal.default_int_handler(signum, frame)
            self.shell.cancelled = True
            self.io_loop.asyncio_loop.call_soon_threadsafe(future.cancel)

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    async def interrupt_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Stop whatever runs; where nothing does, it does no harm."""
        if not self._meant_another(parent["header"].get("date")):
            self._press()
        self.session.send(stream, "interrupt_reply", {"status": "ok"}, parent, ident=ident)

    def _meant_another(self, sent: object) -> bool:
        """Whether a press was meant for a kernel that has crashed.

        jupyter_client presses stop before it restarts a kernel. Nobody takes that of a dead one, so that it waits for
        the next kernel, and comes to it after the first cell perhaps. Clocks may differ: no second press is doubted.
        """
        first, self._was_pressed = not self._was_pressed, True
        young = time.time() < self._began + YOUNG_S
        return first and young and isinstance(sent, datetime) and sent.timestamp() < self._began


def _signal_main() -> None:
    """Send SIGINT to the main thread, from the control thread.

    A thread of POSIX has to be told itself, or it sleeps on. On Windows, where a signal sent to a process ends it,
    whoever raises SIGINT wakes what sleeps.
    """
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
