"""SIGINT in the worker: for the request that it names, never for the next one, and never inside a frame.

The keeper tells which request is meant (`told`), and then sends the signal, or has the sorter raise it. A
request that is interrupted before it began finds its name there when it begins.

One press should be enough. Where it can't act, since a step of the event loop doesn't end, it acts on that step
`HELD_UP` seconds later. Code that catches the interrupt goes on; a second press within `TWICE` seconds insists
(`forced_interrupt`), and so does a question that is asked again where it was just stopped, as debuggers do.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time

from ..own_imports import PACKAGE
from .request_context import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any, Callable, Dict, FrozenSet, List, Optional, Tuple, Union

    from ..shared_page import Page
    from .forced_interrupt import Insistence
    from .io.spawned import Told

OURS = PACKAGE + "."
AGAIN = 0.02  #: seconds after which an interrupt that was swallowed is repeated
REPEAT = 0.5  #: seconds in which a second interrupt of one request is the same press
TWICE = 5.0  #: seconds between two presses of somebody who wants the cell to end, whatever it does
HELD_UP = 0.25  #: seconds that a step of the event loop may take until an interrupt acts on it
INSIST = 0.05  #: seconds between two looks whether code that swallows interrupts goes on
ABANDON = 0.5  #: seconds that awaiting code has to end after a second press
NOBODY = -1  #: in place of a request's number
DEBUGGERS = ("pdb", "IPython.core.debugger")


class Unmasked(BaseException):
    """A KeyboardInterrupt that no ``except KeyboardInterrupt`` catches. It looks like one."""


Unmasked.__name__ = Unmasked.__qualname__ = "KeyboardInterrupt"
Unmasked.__module__ = "builtins"


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
        #: handlers of the user's whose signals have come meanwhile; each takes a frame
        self.postponed: List[Callable[[Optional[FrameType]], None]] = []
        #: the globals of the code that drives cells, in which KeyboardInterrupt is not raised, and its functions
        self.machinery: Optional[Dict[str, Any]] = None
        self.driving: FrozenSet[CodeType] = frozenset()
        #: cancels the awaiting code of a request, soon; set while an event loop runs
        self.cancel: Optional[Callable[[int], None]] = None
        #: ends a request whose awaiting code swallows that
        self.abandon: Callable[[int], None] = _nothing
        #: lets an event loop that waits return to Python
        self.wake: Callable[[], None] = _nothing
        #: whether code that swallows interrupts is being given up, so that its errors are nobody's
        self.mute = False
        self._again = 0  # the request that is to be looked at with the next signal, which is our own
        self._uncancelled = 0  # the request whose `cancel` has not had its turn yet
        self._swallowed = 0  # the request that is interrupted again, since Python has swallowed its interrupt
        self._insistence: Optional[Insistence] = None
        self._insists_on, self._insists_since = 0, 0.0
        self._stopped_question: Optional[Tuple[int, List[Tuple[CodeType, int]]]] = None

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
                meant = current.get() if current.get() in self._running else next(iter(self._running), 0)
                if meant:
                    self._running[meant] = 0.0
                    _thread.start_new_thread(self._press_later, (meant,))
            elif not self.mute:
                hook(unraisable)

        sys.unraisablehook = press_again

    def _press_later(self, meant: int) -> None:
        """Interrupt that request once more in a moment, and none that comes behind it."""
        time.sleep(AGAIN)
        if meant in self._running:
            self._swallowed = meant
            signal_main()

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
        self.cancelled(number)
        if number == self._swallowed:
            self._swallowed = 0
            self._late, self._late_until = self._late + 1, time.monotonic() + REPEAT  # its signal may still come
        if number == self._insists_on:
            self.stop_insisting()
        if self._stopped_question is not None and number == self._stopped_question[0]:
            self._stopped_question = None

    def stop_insisting(self) -> None:
        """The code that was interrupted has ended: what runs now reports it."""
        if self._insistence is not None and threading.current_thread() is threading.main_thread():
            self._insistence.end()
            self._insistence = None

    def cancelled(self, number: int) -> None:
        """`cancel` has had its turn."""
        if self._uncancelled == number:
            self._uncancelled = 0

    def error(self) -> KeyboardInterrupt:
        """The exception that tells the code of a request that it was interrupted."""
        error = KeyboardInterrupt()
        if self._insistence is not None:
            self._insistence.error = error
        return error

    # questions (`input`)

    def ask(self, frame: Optional[FrameType]) -> None:
        """The code of that frame is about to ask the user something.

        :raises Unmasked: it was interrupted in that question, and asks it again
        """
        if self._stopped_question is not None and self._place(frame) == self._stopped_question:
            raise self._unmasked(frame)

    def stop_asking(self, frame: Optional[FrameType]) -> None:
        """The code of that frame was interrupted in a question.

        :raises Unmasked: a debugger has asked, which would swallow the interrupt
        """
        self._stopped_question = self._place(frame)
        if self._stopped_question is not None and _holds_debugger(frame):
            raise self._unmasked(frame)

    def repeat(self) -> None:
        """From any thread, just after the keeper's signal: where that one woke nobody, send another.

        A process's signal may be taken by any of its threads, and by the main thread just before a call that blocks:
        the flag that Python sets then is looked at when that call returns, which may be never. A handler of the user's
        own gets one signal for one press.
        """
        if self._told.interrupt[0] != self._seen and signal.getsignal(signal.SIGINT) == self._handle:
            self._again = self._again or NOBODY
            signal_main()

    def _unmasked(self, frame: Optional[FrameType]) -> Unmasked:
        error = Unmasked()
        self._insist(current.get(), frame).error = error
        return error

    def _place(self, frame: Optional[FrameType]) -> Optional[Tuple[int, List[Tuple[CodeType, int]]]]:
        if threading.current_thread() is not threading.main_thread():
            return None
        place = []
        while frame is not None and frame.f_code not in self.driving:
            place.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back
        return current.get(), place

    def _see(self, serial: int, signals: int) -> None:
        """Interrupts up to that one are known. The signals of the others may come when the next request runs already.

        :param signals: how many of theirs have come
        """
        self._late += serial - self._seen - signals
        self._late_until = time.monotonic() + REPEAT
        self._seen = serial

    def _handle(self, _signum: int, frame: Optional[FrameType]) -> None:
        again, self._again = self._again, 0
        serial, meant = self._told.interrupt
        if serial != self._seen:
            self._see(serial, 1)
        elif again:
            self._look_again(again, frame)
            return
        elif self._late > 0 and time.monotonic() < self._late_until:
            self._late -= 1
            return
        elif self._swallowed:
            meant, self._swallowed = self._swallowed, 0
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

        :raises BaseException: it was, meanwhile; or what a handler of the user's raises, whose signal has come
        """
        self.depth -= 1
        if not self.depth and (self._pending is not None or self.postponed):
            try:
                while self.postponed:
                    self.postponed.pop(0)(sys._getframe(1))
            finally:
                meant, self._pending = self._pending, None
                if meant in self._running:
                    self._deliver(meant, sys._getframe(1))

    def _deliver(self, meant: int, frame: Optional[FrameType]) -> None:
        now = time.monotonic()
        last = self._running[meant]
        if now - last < REPEAT:
            return
        self._running[meant] = now
        if now - last < TWICE:
            self._insist(meant, frame)
        if self.cancel is None:
            if self._is_machinery(frame):
                self._pending = meant  # just before the code of the cell, or just after
            else:
                raise self.error()
            return
        runs = meant == current.get() and self._drives(frame)
        held_up = bool(last) and _is_users(frame)  # it is the second press: some task holds up the loop
        if runs or held_up:
            raise self.error()
        self._uncancelled = meant
        self.cancel(meant)
        self._soon(HELD_UP, meant)

    def _insist(self, meant: int, frame: Optional[FrameType]) -> Insistence:
        from .forced_interrupt import Insistence  # late: few cells need it

        if self._insistence is None:
            self._insistence = Insistence(self.error)
        self._insists_on, self._insists_since = meant, time.monotonic()
        self._insistence.watch(self._users_frames(frame))
        self._soon(INSIST, meant)
        return self._insistence

    def _look_again(self, meant: int, frame: Optional[FrameType]) -> None:
        """The request was interrupted a moment ago: has that had an effect?

        :raises KeyboardInterrupt: it has had none
        """
        if meant not in self._running:
            return
        if self.depth:
            self._soon(INSIST, meant)
        elif self._insistence is not None:
            if current.get() in self._running:
                self._insistence.watch(self._users_frames(frame))
            elif self.cancel is not None and time.monotonic() - self._insists_since > ABANDON:
                self.abandon(meant)
            self._soon(INSIST, meant)
        elif self._uncancelled == meant:
            if current.get() in self._running and _is_users(frame) and not self._is_machinery(frame):
                raise self.error()  # in a task of the cell, or a comm message that runs while the cell awaits
            self._soon(HELD_UP, meant)

    def _soon(self, seconds: float, meant: int) -> None:
        """Look at that request again."""

        def look() -> None:
            time.sleep(seconds)
            if meant in self._running and signal.getsignal(signal.SIGINT) == self._handle:
                self._again = meant
                signal_main()
                self.wake()

        _thread.start_new_thread(look, ())  # not a Thread: this may be a signal that came in the midst of starting one

    def _users_frames(self, frame: Optional[FrameType]) -> List[FrameType]:
        """That frame and those that wait for it, up to the outermost one of the cell; none of the shell's, or ours."""
        frames = []
        while frame is not None and frame.f_code not in self.driving and _is_users(frame):
            frames.append(frame)
            frame = frame.f_back
        if frame is None:
            return []  # no request's code
        while frames and _module(frames[-1]).startswith((OURS, "IPython.", "comm.")):
            frames.pop()
        return [each for each in frames if not _module(each).startswith(OURS)]

    def _is_machinery(self, frame: Optional[FrameType]) -> bool:
        return frame is not None and (frame.f_globals is self.machinery or frame.f_globals is globals())

    def _drives(self, frame: Optional[FrameType]) -> bool:
        """Whether that frame belongs to the code of a cell or callback that is being driven.

        The event loop's own code runs in the context of the cell too, right behind a step of it; an exception there
        would lose the next step, and the cell would never end.
        """
        return not self._is_machinery(frame) and self._runs(frame)

    def _runs(self, frame: Optional[FrameType]) -> bool:
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
        _thread.interrupt_main()  # before Python 3.8


def _holds_debugger(frame: Optional[FrameType]) -> bool:
    while frame is not None:
        if _module(frame) in DEBUGGERS:
            return True
        frame = frame.f_back
    return False


def _nothing(*_arguments: object) -> None:
    """Until somebody puts a function in its place."""


def _is_users(frame: Optional[FrameType]) -> bool:
    return frame is None or not _module(frame).startswith(("asyncio", "selectors"))


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
