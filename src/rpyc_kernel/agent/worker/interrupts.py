"""SIGINT in the worker: for the request that it names, never for the next one, and never inside a frame.

The keeper tells which request is meant (`KeeperSignals.interrupt`), and then sends the signal, or has the sorter raise
it. A request that is interrupted before it has begun finds its number there when it begins.

One press should be enough. Where an interrupt can't act, since a step of the event loop doesn't end, it acts on that
step `HELD_UP_S` seconds later. Code that catches the interrupt goes on; a second press within `SECOND_PRESS_S` seconds
forces it (`forced_interrupt`), and so does a question that is asked again where it was just stopped
(`stopped_question`), as debuggers do.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time

from .cell_frames import CellFrames, is_loops
from .request_context import NOBODY, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable, Dict, List, Optional, Protocol, Tuple

    from .forced_interrupt import ForcedInterrupt

    class KeeperSignals(Protocol):
        """The keeper's words to its worker beside requests: `keeper.worker.forked.Page`, or `spawned.SpawnedSignals`.

        Attributes:
            carries: Bytes a second that the link to the kernel carries; 0 while that isn't known.
        """

        carries: int

        @property
        def interrupt(self) -> Tuple[int, int]:
            """The serial number of the last interrupt, and the number of the request that it is meant for."""

        def note_interrupt(self, __number: int) -> bool:
            """Note that an interrupt for this request has come; returns whether the worker has to send the signal."""

        def take_press(self) -> bool:
            """Take the last press of the stop button; returns whether nobody has."""


REPEAT_SWALLOWED_S = 0.02  #: seconds after which an interrupt that Python has swallowed is repeated
SAME_PRESS_S = 0.5  #: seconds in which a second interrupt of one request is the same press
SECOND_PRESS_S = 5.0  #: seconds between two presses of somebody who wants the cell to end, whatever it does
HELD_UP_S = 0.25  #: seconds that a step of the event loop may take until an interrupt acts on it
FORCED_POLL_INTERVAL_S = 0.05  #: seconds between two looks whether code that swallows interrupts goes on
ABANDON_S = 0.5  #: seconds that awaiting code has to end after a second press

set_handler = signal.signal  # as it is before `handlers.guard` replaces it for the user's code


class Interrupts:
    """Decides what a SIGINT does.

    Args:
        signals: Tells which request the last interrupt is meant for.

    Attributes:
        depth: Above 0 while the main thread must not be interrupted; `leave` delivers what came meanwhile.
        postponed: Handlers of the user's whose signals have come meanwhile; each takes a frame.
        frames: Tells the frames of cells from ours.
        before: Called with each press, before anything else is done about it, if there is something to call.
        cancel: Cancels the awaiting code of a request, soon; set while an event loop runs.
        abandon: Ends a request whose awaiting code swallows that.
        wake: Lets an event loop that waits return to Python.
        let_go: Ends the waiting at a debugger's breakpoint of a thread that gets an exception in that frame.
        mute: Whether code that swallows interrupts is being given up, so that its errors are nobody's.
    """

    def __init__(self, signals: KeeperSignals) -> None:
        self._signals = signals
        self._seen = signals.interrupt[0]
        self.depth = 0
        self.postponed: List[Callable[[Optional[FrameType]], None]] = []
        self.frames = CellFrames(globals())
        self.cancel: Optional[Callable[[int], None]] = None
        self.abandon: Callable[[int], None] = _nothing
        self.wake: Callable[[], None] = _nothing
        self.let_go: Callable[[Optional[FrameType]], None] = _nothing
        self.mute = False
        self.before: Optional[Callable[[], None]] = None
        self._pressed = False  # while `depth` is not 0
        self._overrun: Optional[BaseException] = None  # what ends the function that `before` calls
        self._running: Dict[int, float] = {}  # request: the time at which it was last interrupted
        self._early = 0  # the request that was interrupted before it began
        self._late, self._late_until = 0, 0.0  # how many signals of interrupts that are known may still come
        self._pending: Optional[int] = None  # the request whose interrupt waits until `depth` is 0
        self._again = 0  # the request that is to be looked at with the next signal, which is our own
        self._uncancelled = 0  # the request whose `cancel` has not had its turn yet
        self._swallowed = 0  # the request that is interrupted again, since Python has swallowed its interrupt
        self._forced: Optional[ForcedInterrupt] = None
        self._forced_on, self._forced_since = 0, 0.0

    def install(self) -> None:
        """Take over SIGINT; at the start of each cell again, since debuggers leave handlers of their own."""
        if threading.current_thread() is threading.main_thread():
            set_handler(signal.SIGINT, self._handle)

    def repeat_swallowed(self) -> None:
        """From now on, repeat a KeyboardInterrupt that Python swallows in a finalizer or a collector's callback."""
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
        """Interrupt that request once more in a moment, and no request that comes behind it."""
        time.sleep(REPEAT_SWALLOWED_S)
        if meant in self._running:
            self._swallowed = meant
            signal_main()

    def begin(self, number: int) -> bool:
        """The request begins; False if it was interrupted already and must not run."""
        self._pending = None  # before it counts as running: from then on its interrupt may come
        self._running[number] = 0.0
        serial, meant = self._signals.interrupt
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
            self._late, self._late_until = self._late + 1, time.monotonic() + SAME_PRESS_S  # its signal may still come
        if number == self._forced_on:
            self.end_forced()

    def end_forced(self) -> None:
        """The code that was interrupted has ended: what runs now reports that."""
        if self._forced is not None and threading.current_thread() is threading.main_thread():
            self._forced.end()
            self._forced = None

    def cancelled(self, number: int) -> None:
        """`cancel` has had its turn."""
        if self._uncancelled == number:
            self._uncancelled = 0

    def error(self) -> KeyboardInterrupt:
        """The exception that tells the code of a request that it was interrupted."""
        error = KeyboardInterrupt()
        if self._forced is not None:
            self._forced.error = error
        return error

    def take(self, number: int) -> bool:
        """Whether the request was interrupted just before its code runs, or runs again."""
        taken = self._pending == number
        if taken:
            self._pending = None
        return taken

    def check(self) -> None:
        """Act on an interrupt that came while C code had SIGINT ignored.

        Raises:
            KeyboardInterrupt: There was one.
        """
        if self._signals.interrupt[0] != self._seen:
            self._handle(0, sys._getframe(1))

    def leave(self) -> None:
        """The main thread may be interrupted again.

        Raises:
            BaseException: It was, meanwhile; or what a handler of the user's raises, whose signal has come.
        """
        self.depth -= 1
        if not self.depth and (self._pending is not None or self.postponed or self._pressed):
            try:
                if self._pressed:
                    self._call_before()
                while self.postponed:
                    self.postponed.pop(0)(sys._getframe(1))
            finally:
                meant, self._pending = self._pending, None
                if meant in self._running:
                    self._deliver(meant, sys._getframe(1))

    def repeat(self) -> None:
        """From any thread, just after the keeper's signal: where that one woke nobody, send another.

        A process's signal may be taken by any of its threads, and by the main thread just before a call that blocks:
        Python looks at the flag that it sets then when that call returns, which may be never. A handler of the user's
        own gets one signal for one press.
        """
        if self._signals.interrupt[0] != self._seen and signal.getsignal(signal.SIGINT) == self._handle:
            self._again = self._again or NOBODY
            signal_main()

    def _see(self, serial: int, signals: int) -> None:
        """Interrupts up to that one are known. The signals of the others may come when the next request runs already.

        Args:
            serial: The serial number of the last interrupt that is known.
            signals: How many of their signals have come.
        """
        self._late += serial - self._seen - signals
        self._late_until = time.monotonic() + SAME_PRESS_S
        self._seen = serial

    def _call_before(self) -> None:
        """Call `before`, unless somebody else has done what it does; what comes meanwhile waits for its end.

        Raises:
            BaseException: What has come meanwhile, see `leave`.
        """
        self._pressed = False
        if self.before is None or not self._signals.take_press():
            return
        self.depth += 1
        try:
            self.before()
        finally:
            self.leave()

    def end_overrun(self, error: BaseException) -> None:
        """Raise that in the function that `before` calls, whose time is over; from another thread."""
        self._overrun = error
        signal_main()

    def drop_overrun(self) -> None:
        """The function has ended: if its time was over, the signal for that may still come."""
        if self._overrun is not None:
            self._overrun = None
            self._late, self._late_until = self._late + 1, time.monotonic() + SAME_PRESS_S

    def _handle(self, _signum: int, frame: Optional[FrameType]) -> None:
        overrun, self._overrun = self._overrun, None
        if overrun is not None:
            raise overrun
        again, self._again = self._again, 0
        serial, meant = self._signals.interrupt
        if serial != self._seen:
            self._see(serial, 1)
            if self.depth:
                self._pressed = True
            else:
                self._call_before()
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

    def _deliver(self, meant: int, frame: Optional[FrameType]) -> None:
        frame = _hit(frame)
        now = time.monotonic()
        last = self._running[meant]
        if now - last < SAME_PRESS_S:
            return
        self._running[meant] = now
        if now - last < SECOND_PRESS_S:
            self.force(meant, frame)
        self.let_go(frame)
        if self.cancel is None:
            if self.frames.is_machinery(frame):
                self._pending = meant  # just before the code of the cell, or just after
            else:
                raise self.error()
            return
        runs = meant == current.get() and self.frames.is_driven(frame)
        # it is the second press: some task holds up the loop
        held_up = bool(last) and not is_loops(frame) and not self.frames.drives(frame)
        if runs or held_up:
            raise self.error()
        self._uncancelled = meant
        self.cancel(meant)
        self._soon(HELD_UP_S, meant)

    def force(self, meant: int, frame: Optional[FrameType]) -> ForcedInterrupt:
        """From now on, interrupt the code of that request wherever it swallows the interrupt.

        Args:
            meant: The number of the request.
            frame: Runs on the main thread.
        """
        from .forced_interrupt import ForcedInterrupt  # late: few cells need it

        if self._forced is None:
            self._forced = ForcedInterrupt(self.error)
        self._forced_on, self._forced_since = meant, time.monotonic()
        self._forced.watch(self.frames.of_user(frame))
        self._soon(FORCED_POLL_INTERVAL_S, meant)
        return self._forced

    def _look_again(self, meant: int, frame: Optional[FrameType]) -> None:
        """The request was interrupted a moment ago: act again if that has had no effect.

        Raises:
            KeyboardInterrupt: It has had none.
        """
        frame = _hit(frame)
        if meant not in self._running:
            return
        if self.depth:
            self._soon(FORCED_POLL_INTERVAL_S, meant)
        elif self._forced is not None:
            if current.get() in self._running:
                self._forced.watch(self.frames.of_user(frame))
            elif self.cancel is not None and time.monotonic() - self._forced_since > ABANDON_S:
                self.abandon(meant)
            self._soon(FORCED_POLL_INTERVAL_S, meant)
        elif self._uncancelled == meant:
            if current.get() in self._running and not is_loops(frame) and not self.frames.drives(frame):
                raise self.error()  # in a task of the cell, or a comm message that runs while the cell awaits
            self._soon(HELD_UP_S, meant)

    def _soon(self, seconds: float, meant: int) -> None:
        """Look at that request again."""

        def look() -> None:
            time.sleep(seconds)
            if meant in self._running and signal.getsignal(signal.SIGINT) == self._handle:
                self._again = meant
                signal_main()
                self.wake()

        _thread.start_new_thread(look, ())  # not a Thread: this may be a signal that came in the midst of starting one


def _hit(frame: Optional[FrameType]) -> Optional[FrameType]:
    """Return the frame in which an exception would be raised that comes out of our handler.

    The signal may have come in the midst of another one's handler, and in whatever that calls: an exception goes
    through all of it, to the code that the first one has hit. Behind `leave` no one looks for what waits either.
    """
    caller = frame
    while caller is not None:
        if caller.f_code is Interrupts._handle.__code__:
            frame = caller.f_back
        caller = caller.f_back
    while frame is not None and frame.f_globals is globals():
        frame = frame.f_back
    return frame


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


def _nothing(*_arguments: object) -> None:
    """Until somebody puts a function in its place."""
