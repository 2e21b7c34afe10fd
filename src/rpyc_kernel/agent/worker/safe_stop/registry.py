"""The functions that a session's code has registered to stop what moves, and the process that runs them."""

from __future__ import annotations

import _thread
import json
import math
import os
import socket
import sys
import threading
import time
import warnings

from ... import frames, wire
from ..own_thread import OwnThread
from .function import Overrun, RegisteredStop, call
from .guard import run_guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Hashable, List

    from ..frontend import Frontend
    from ..interrupts import Interrupts
    from ..io.keeper_channel import KeeperChannel

MIN_AFTER_S, MAX_AFTER_S = 0.1, 86400.0  #: of silence
MAX_DEADLINE_S = 60.0
MAX_FUNCTIONS = 64  #: as many as the keeper takes
FIRST_BEAT_TIMEOUT_S = 5.0  #: in which the first heartbeat is awaited


class Registry:
    """Has them, and tells the keeper.

    Args:
        frontend: Takes what is told.
        channel: The channel to the keeper.
        interrupts: Has functions called when the stop button is pressed.

    Attributes:
        stops: The functions, by what another one takes the place of.
        heard: Set once a heartbeat of the kernel has come.
    """

    def __init__(self, frontend: Frontend, channel: KeeperChannel, interrupts: Interrupts) -> None:
        self._frontend = frontend
        self._channel = channel
        self._interrupts = interrupts
        self._lock = threading.RLock()
        self._last = 0
        self.stops: Dict[Hashable, RegisteredStop] = {}
        self.heard = threading.Event()

    def add(
        self, kind: str, function: Callable[[], Any], *, after: float = 0.0, deadline: float = 2.0
    ) -> RegisteredStop:
        """Register a function; one of the same name that was registered before gives way.

        Raises:
            TypeError: It isn't to be called without arguments.
            ValueError: A time is out of range, or there are too many functions.
            RuntimeError: This is no process of the session's, or it can't be forked.
        """
        if self._frontend.writer.forked:
            raise RuntimeError("on_%s() works in the session's own process, not in one forked from it." % kind)
        if isinstance(function, RegisteredStop):
            function = function.function
        _check(kind, function, after, deadline)
        if kind == "death" and not self._channel.forks:
            raise RuntimeError("on_death() works where processes are forked, on Linux; here use atexit.register().")
        key = _key(kind, function)
        with self._lock:
            if key not in self.stops and len(self.stops) >= MAX_FUNCTIONS:
                raise ValueError("more than %d functions can't be registered: cancel some." % MAX_FUNCTIONS)
            self._last += 1
            stop = RegisteredStop(
                self.remove,
                lambda: stop in list(self.stops.values()),
                self._last,
                kind,
                function,
                float(after),
                float(deadline),
            )
            before = self.stops.get(key)
            self.stops[key] = stop
            self.heard.clear()  # the keeper says whether it hears the kernel now
            try:
                self._publish()
            except BaseException:
                del self.stops[key]
                if before is not None:
                    self.stops[key] = before
                raise
        if kind == "disconnect" and not self.heard.wait(FIRST_BEAT_TIMEOUT_S):
            text = "No heartbeat of the notebook has come yet: on_disconnect counts from the first one on.\n"
            self._frontend.stream("stderr", text)
        return stop

    def remove(self, stop: RegisteredStop) -> None:
        """Take one back; nothing happens to one that was taken back before."""
        with self._lock:
            for key, each in list(self.stops.items()):
                if each is stop:
                    del self.stops[key]
                    self._publish()

    def _publish(self) -> None:
        """Tell the keeper which functions there are, and give it the guard that has them."""
        stops = list(self.stops.values())
        pressed = any(stop.kind == "interrupt" for stop in stops)
        self._interrupts.before = self._stopped if pressed else None
        guarded = bool(stops) and self._channel.forks
        if guarded:
            self._channel.give(self._fork(stops))
        told = [{"id": each.id, "kind": each.kind, "name": each.name, "after": each.after} for each in stops]
        self._tell(stops=told, guard=guarded)

    def _tell(self, **told: Any) -> None:
        self._frontend.writer.send(frames.STOPS, 0, wire.encode_text(json.dumps(told)))

    def take_word(self, word: int, number: int) -> None:
        """Do what the keeper says: a heartbeat has come, or a function is to run here, where there is no guard."""
        if word == frames.HEARD:
            self.heard.set()
            return
        for stop in list(self.stops.values()):
            if stop.id == number:
                OwnThread(self._run, "rpyc-kernel-stop", (stop,)).start()

    def _stopped(self) -> None:
        """The stop button was pressed: call what is registered for that, on the main thread."""
        for stop in [stop for stop in list(self.stops.values()) if stop.kind == "interrupt"]:
            ended = _thread.allocate_lock()
            ended.acquire()
            _thread.start_new_thread(self._watch, (stop, ended))  # no Thread: this may be in the midst of starting one
            error = call(stop)
            ended.release()
            self._interrupts.drop_overrun()
            if error:
                self._frontend.stream("stderr", "on_interrupt ran %s. %s.\n" % (stop.name, error))

    def _watch(self, stop: RegisteredStop, ended: _thread.LockType) -> None:
        if not ended.acquire(timeout=stop.deadline):
            self._interrupts.end_overrun(Overrun("It did not end within %g s, and was stopped" % stop.deadline))

    def _run(self, stop: RegisteredStop) -> None:
        """Run a function on this thread, and tell of it when it has ended, or its time is over."""
        told: Dict[str, Any] = {"ran": stop.id, "began": time.monotonic()}
        text = "It did not end within %g s, and goes on" % stop.deadline
        late = threading.Timer(stop.deadline, self._tell, (), dict(told, error=text))
        late.daemon = True
        late.start()
        told["error"] = call(stop)
        if late.is_alive():
            late.cancel()
            self._tell(**told)

    def _fork(self, stops: List[RegisteredStop]) -> int:
        """Fork the guard, as nobody's child: a cell that waits for any child of its own must not find it.

        Returns:
            The file descriptor of the keeper's end of its socket.
        """
        keepers, guards = socket.socketpair()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # there are threads; the guard uses none of theirs
            try:
                pid = os.fork()
            except OSError as error:
                raise RuntimeError("no process can be forked to run it: %s." % error.strerror) from None
        if pid == 0:
            try:
                os.setsid()  # the worker's session is killed with the worker, perhaps before the guard does anything
                if os.fork() == 0:
                    keepers.close()
                    run_guard(guards, stops)
            finally:
                os._exit(0)
        guards.close()
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:  # a cell waits for any child
            pass
        return keepers.detach()


def _check(kind: str, function: Any, after: float, deadline: float) -> None:
    if not callable(function):
        raise TypeError("on_%s() takes a function that is called without arguments, not %r." % (kind, function))
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & 0x80:  # CO_COROUTINE of inspect, which is not loaded for that
        raise TypeError("on_%s() takes a function, not a coroutine function: no event loop runs then." % kind)
    if kind == "disconnect" and not (MIN_AFTER_S <= after <= MAX_AFTER_S):
        raise ValueError(
            "on_disconnect() takes after from %g to %g seconds, not %r." % (MIN_AFTER_S, MAX_AFTER_S, after)
        )
    if not (0.0 < deadline <= MAX_DEADLINE_S and math.isfinite(deadline)):
        raise ValueError("on_%s() takes a deadline of up to %g seconds, not %r." % (kind, MAX_DEADLINE_S, deadline))


def _key(kind: str, function: Any) -> Hashable:
    """What another function has that takes the place of this one: a cell that is run again registers no second one."""
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__qualname__", None)
    if name is None:
        return kind, id(function)
    if "<lambda>" in name:
        return kind, function.__code__.co_filename, function.__code__.co_firstlineno, function.__code__.co_code
    return kind, getattr(function, "__module__", None), name, None if owner is None else id(owner)
