"""SIGINT in the worker: for the request that it names, never for the next one, and never inside a frame.

The keeper tells which request is meant (`told`), and then sends the signal, or has the sorter raise it. A
request that is interrupted before it began finds its name there when it begins.
"""

from __future__ import annotations

import signal
import sys
import threading
import time

from .attribution import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any, Callable, Dict, FrozenSet, Optional, Union

    from ..page import Page
    from .spawned import Told

AGAIN = 0.02  #: seconds after which an interrupt that was swallowed is repeated
REPEAT = 0.5  #: seconds in which a second interrupt of one request is the same press


class Interrupts:
    """Decides what a SIGINT does.

    :param told: tells which request the last interrupt is meant for
    :ivar depth: above 0 while the main thread must not be interrupted; `leave` delivers what came meanwhile
    """

    def __init__(self, told: Union[Page, Told]) -> None:
        self._told = told
        self._seen = told.interrupt[0]
        self._running: Dict[int, float] = {}  # request: when it was last interrupted
        self._early = 0
        self._late, self._late_until = 0, 0.0  # how many signals of interrupts that are known may still come
        self.depth = 0
        self._pending: Optional[int] = None
        #: the globals of the code that drives cells, in which KeyboardInterrupt is not raised, and its functions
        self.machinery: Optional[Dict[str, Any]] = None
        self.driving: FrozenSet[CodeType] = frozenset()
        #: cancels the awaiting code of a request; set while an event loop runs
        self.cancel: Optional[Callable[[int], None]] = None

    def install(self) -> None:
        """Take over SIGINT; at the start of each cell again, since debuggers leave handlers of their own."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._handle)

    def insist(self) -> None:
        """Where Python swallows a KeyboardInterrupt, in a finalizer or a callback of the collector, press again."""
        hook = getattr(sys, "unraisablehook", None)  # from Python 3.8 on
        if hook is None:
            return

        def press_again(unraisable: Any) -> None:
            if unraisable.exc_type is KeyboardInterrupt:
                self._running.update(dict.fromkeys(self._running, 0.0))
                timer = threading.Timer(AGAIN, signal_main)
                timer.daemon = True
                timer.start()
            else:
                hook(unraisable)

        sys.unraisablehook = press_again

    def begin(self, number: int) -> bool:
        """The request begins; False if it was interrupted already and must not run."""
        self._pending = None  # before it counts as running: from then on its interrupt may come
        self._running[number] = 0.0
        serial, meant = self._told.interrupt
        if meant == number and serial != self._seen:
            self._see(serial, 0)
            return False
        return number not in (self._early, self._pending)

    def end(self, number: int) -> None:
        """The request has ended; an interrupt that comes now does nothing."""
        self._running.pop(number, None)
        self._pending = None

    def _see(self, serial: int, signals: int) -> None:
        """Interrupts up to that one are known. The signals of the others may come when the next request runs already.

        :param signals: how many of theirs have come
        """
        self._late += serial - self._seen - signals
        self._late_until = time.monotonic() + REPEAT
        self._seen = serial

    def _handle(self, _signum: int, frame: Optional[FrameType]) -> None:
        serial, meant = self._told.interrupt
        if serial != self._seen:
            self._see(serial, 1)
        elif self._late > 0 and time.monotonic() < self._late_until:
            self._late -= 1
            return
        else:
            meant = current.get()  # not ours: the user's code has sent it
        if meant not in self._running:
            self._early = meant  # it may still wait for its turn
        elif self.depth:
            self._pending = meant
        else:
            self._deliver(meant, frame)

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
        if self._told.interrupt[0] != self._seen:
            self._handle(0, sys._getframe(1))

    def leave(self) -> None:
        """The main thread may be interrupted again.

        :raises KeyboardInterrupt: it was, meanwhile
        """
        self.depth -= 1
        if self._pending is not None and not self.depth:
            meant, self._pending = self._pending, None
            if meant in self._running:
                self._deliver(meant, sys._getframe(1))

    def _deliver(self, meant: int, frame: Optional[FrameType]) -> None:
        now = time.monotonic()
        last = self._running[meant]
        if now - last < REPEAT:
            return
        self._running[meant] = now
        if self.cancel is None:
            if self._is_machinery(frame):
                self._pending = meant  # just before the code of the cell, or just after
            else:
                raise KeyboardInterrupt
            return
        runs = meant == current.get() and self._drives(frame)
        held_up = bool(last) and _is_users(frame)  # it is the second press: some task holds up the loop
        if runs or held_up:
            raise KeyboardInterrupt
        self.cancel(meant)

    def _is_machinery(self, frame: Optional[FrameType]) -> bool:
        return frame is not None and (frame.f_globals is self.machinery or frame.f_globals is globals())

    def _drives(self, frame: Optional[FrameType]) -> bool:
        """Whether that frame belongs to the code of a cell or callback that is being driven.

        The event loop's own code runs in the context of the cell too, right behind a step of it; an exception there
        would lose the next step, and the cell would never end.
        """
        if self._is_machinery(frame):
            return False
        while frame is not None:
            if frame.f_code in self.driving:
                return True
            frame = frame.f_back
        return False


def signal_main() -> None:
    """SIGINT for the main thread, from any thread.

    A thread of POSIX has to be told itself, or it sleeps on. On Windows whoever raises SIGINT wakes ``time.sleep``.
    """
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    elif hasattr(signal, "raise_signal"):
        signal.raise_signal(signal.SIGINT)
    else:
        import _thread  # before Python 3.8

        _thread.interrupt_main()


def _is_users(frame: Optional[FrameType]) -> bool:
    name = frame.f_globals.get("__name__", "") if frame is not None else ""
    return not name.startswith(("asyncio", "selectors"))
