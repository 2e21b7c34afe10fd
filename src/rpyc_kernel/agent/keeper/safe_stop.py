"""Which functions of the user's are to run now, since the link is silent or the worker has ended.

A plain object without I/O. A heartbeat counts when it comes here. All that wait in a socket are taken before a silence
is judged (`SafeStop.take_silent` wants a second look), so that a keeper that was held up blames nobody.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Protocol, Tuple

    Json = Dict[str, Any]

    class Presser(Protocol):
        """A worker, as far as presses of the stop button go."""

        def take_press(self) -> bool: ...


DISCONNECT, DEATH, INTERRUPT = "disconnect", "death", "interrupt"
KINDS = (DISCONNECT, DEATH, INTERRUPT)
MAX_STOPS = 64
BEATS_IN_SILENCE = 5  #: heartbeats in the shortest silence that counts: with 0.5 s one may be late by 0.4 s
MIN_INTERVAL_S, MAX_INTERVAL_S = 0.02, 1.0  #: between two heartbeats
PRESS_S = 0.25  #: that a worker has to begin with what a press of the stop button means
FIRST_BEAT_S = 10.0  #: that a kernel has to begin with heartbeats, after which it counts as silent
MAX_NAME_CHARACTERS = 200


class Stop:
    """A function that was registered.

    Attributes:
        id: Its number in the worker.
        kind: One of `KINDS`.
        name: Its name, for people.
        after: Seconds of silence after which it runs.
        ran: Whether it has run since the last heartbeat.
    """

    def __init__(self, told: Json, now: float) -> None:
        self.id = int(told["id"])
        self.kind = str(told["kind"])
        self.name = str(told["name"])[:MAX_NAME_CHARACTERS]
        self.after = float(told.get("after", 0.0))
        self.since = now
        self.ran = False
        if self.kind not in KINDS or not (math.isfinite(self.after) and self.after >= 0.0):
            raise ValueError("no function to register")


class SafeStop:
    """Knows the functions of one worker, and the kernel's heartbeats.

    Attributes:
        interval: Seconds between two heartbeats that are wanted of the kernel; 0 for none.
        heard: When the last heartbeat came; None before the first.
    """

    def __init__(self) -> None:
        self.interval = 0.0
        self.heard: Optional[float] = None
        self._stops: Dict[int, Stop] = {}
        self._suspected = False
        self._awaited = False
        self._pressed: Optional[float] = None
        self._running: Dict[int, Tuple[Stop, Optional[float]]] = {}  # with the last heartbeat before it

    def register(self, told: List[Json], now: float) -> bool:
        """These are the worker's functions from now on; one that was known goes on as it was.

        Returns:
            Whether the kernel is heard just now. If not, `beat` tells of the next heartbeat.

        Raises:
            LookupError, TypeError, ValueError: They aren't described as they should be.
        """
        stops = [Stop(each, now) for each in told[:MAX_STOPS]]
        known, self._stops = self._stops, {}
        for stop in stops:
            self._stops[stop.id] = known.get(stop.id, stop)
        silences = [stop.after for stop in self._of(DISCONNECT)]
        self._suspected = False
        if silences:
            self.interval = min(max(min(silences) / BEATS_IN_SILENCE, MIN_INTERVAL_S), MAX_INTERVAL_S)
        else:
            self.interval, self.heard = 0.0, None
        heard = self.heard is not None and now < self.heard + min(silences)
        self._awaited = bool(silences) and not heard
        return heard

    def beat(self, now: float) -> bool:
        """A heartbeat has come: what has run may run again. Returns whether it was awaited since a registration."""
        awaited, self._awaited = self._awaited, False
        if self.interval:
            self.heard = now
            self._suspected = False
            for stop in self._of(DISCONNECT):
                stop.ran = False
        return awaited

    def _of(self, kind: str) -> List[Stop]:
        return [stop for stop in self._stops.values() if stop.kind == kind]

    def _heard_for(self, stop: Stop) -> Optional[float]:
        """The last heartbeat; None where the link was silent when the function was registered, and still is."""
        return None if self.heard is None or self.heard + stop.after < stop.since else self.heard

    def _silent_at(self, stop: Stop) -> float:
        heard = self._heard_for(stop)
        if heard is None:
            return stop.since + max(FIRST_BEAT_S, stop.after)
        return heard + stop.after

    @property
    def minds_presses(self) -> bool:
        """Whether there is a function for a press of the stop button."""
        return bool(self._of(INTERRUPT))

    def press(self, now: float) -> None:
        """The stop button was pressed, and the worker told."""
        if self.minds_presses and self._pressed is None:
            self._pressed = now

    def take_pressed(self, now: float, worker: Presser) -> List[int]:
        """Return the functions that are to run since the worker doesn't run them: its C code holds the GIL."""
        if self._pressed is None or now < self._pressed + PRESS_S:
            return []
        self._pressed = None
        return self._begin(self._of(INTERRUPT)) if worker.take_press() else []

    @property
    def due(self) -> float:
        """When something has to be judged; infinity for never."""
        if self._suspected:
            return 0.0
        times = [self._silent_at(stop) for stop in self._of(DISCONNECT) if not stop.ran]
        if self._pressed is not None:
            times.append(self._pressed + PRESS_S)
        return min(times or [math.inf])

    def take_silent(self, looked: float) -> List[int]:
        """Return the functions that are to run, since the kernel is silent. Each is given once.

        Args:
            looked: All that had come before this time was taken. A silence counts once it was found at two looks: what
                came between the first look and its judgement has waited then.
        """
        over = [stop for stop in self._of(DISCONNECT) if not stop.ran and looked >= self._silent_at(stop)]
        if over and not self._suspected:
            self._suspected = True
            return []
        self._suspected = False
        return self._begin(over)

    def take_dead(self) -> List[int]:
        """Return the functions that are to run, since the worker has ended; it has none any more."""
        dead = self._begin(self._of(DEATH))
        self._pressed = None
        self._stops = {}
        self.interval, self.heard, self._suspected = 0.0, None, False
        return dead

    def _begin(self, stops: List[Stop]) -> List[int]:
        for stop in stops:
            stop.ran = True
            self._running[stop.id] = stop, self._heard_for(stop)
        return [stop.id for stop in stops]

    def report(self, told: Json, host: str, clock: str) -> str:
        """Return the sentence about a function that has run, "" about an unknown one.

        Args:
            told: What the guard says of it: ``began`` in seconds of the clock of all times here, ``error``.
            host: The name of this machine.
            clock: The time at which it began, for people.
        """
        stop, heard = self._running.pop(int(told["ran"]), (None, None))
        if stop is None:
            return ""
        text = "on_%s ran %s on %s at %s" % (stop.kind, stop.name, host, clock)
        began = told.get("began")
        if stop.kind == DISCONNECT and isinstance(began, float):
            if heard is None:
                text += ", since no heartbeat had come in the %g s after it was registered" % FIRST_BEAT_S
            else:
                text += ", %.2f s after the last heartbeat" % (began - heard)
        error = told.get("error")
        return text + (". %s.\n" % str(error)[:500].rstrip(".") if error else ".\n")
