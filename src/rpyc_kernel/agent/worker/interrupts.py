"""SIGINT in the worker: for the request that it names, never for the next one, and never inside a frame.

The keeper writes into the shared page which request is meant, and then sends the signal. A request that is interrupted
before it began finds its name there when it begins.
"""

from __future__ import annotations

import signal
import time

from .attribution import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable, Dict, Optional

    from ..frames import Page

REPEAT = 0.5  #: seconds in which a second interrupt of one request is the same press


class Interrupts:
    """Decides what a SIGINT does.

    :ivar depth: above 0 while the main thread must not be interrupted; `leave` delivers what came meanwhile
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._seen = page.interrupt[0]
        self._running: Dict[int, float] = {}  # request: when it was last interrupted
        self._early = 0
        self.depth = 0
        self._pending: Optional[int] = None
        #: the globals of the code that drives cells, in which KeyboardInterrupt is not raised
        self.machinery: Optional[Dict[str, Any]] = None
        #: cancels the awaiting code of a request; set while an event loop runs
        self.cancel: Optional[Callable[[int], None]] = None

    def install(self) -> None:
        """Take over SIGINT; at the start of each cell again, since debuggers leave handlers of their own."""
        signal.signal(signal.SIGINT, self._handle)

    def begin(self, number: int) -> bool:
        """The request begins; False if it was interrupted already and must not run."""
        self._running[number] = 0.0
        self._pending = None
        serial, meant = self._page.interrupt
        if meant == number and (serial != self._seen or self._early == number):
            self._seen = serial
            self._running[number] = time.monotonic()  # the signal may be on its way
            return False
        return True

    def end(self, number: int) -> None:
        """The request has ended; an interrupt that comes now does nothing."""
        self._running.pop(number, None)
        self._pending = None

    def _handle(self, _signum: int, frame: Optional[FrameType]) -> None:
        serial, meant = self._page.interrupt
        here = current.get()
        if serial == self._seen:  # not ours: the user's code has sent it
            meant = here
        self._seen = serial
        if meant not in self._running:
            self._early = meant  # it may still wait for its turn
        elif frame is not None and frame.f_globals is self.machinery:
            self._between(meant)
        elif self.depth:
            self._pending = meant
        else:
            self._deliver(meant, here)

    def _between(self, meant: int) -> None:
        """The main thread was in the machinery that drives the cell's code, where an exception would lose the cell."""
        if self.cancel is not None:
            self.cancel(meant)
        else:
            self._pending = meant

    def take(self, number: int) -> bool:
        """Whether the request was interrupted just before its code runs (again)."""
        taken = self._pending == number
        if taken:
            self._pending = None
        return taken

    def check(self) -> None:
        """After C code that had SIGINT ignored: was there one meanwhile?

        :raises KeyboardInterrupt: there was
        """
        if self._page.interrupt[0] != self._seen:
            self._handle(0, None)

    def leave(self) -> None:
        """The main thread may be interrupted again.

        :raises KeyboardInterrupt: it was, meanwhile
        """
        self.depth -= 1
        if self._pending is not None and not self.depth:
            meant, self._pending = self._pending, None
            if meant in self._running:
                self._deliver(meant, current.get())

    def _deliver(self, meant: int, here: int) -> None:
        now = time.monotonic()
        last = self._running[meant]
        if now - last < REPEAT:
            return
        self._running[meant] = now
        if meant == here or self.cancel is None or last:  # the second press: something else may hold up the loop
            raise KeyboardInterrupt
        self.cancel(meant)
