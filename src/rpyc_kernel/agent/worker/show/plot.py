"""``plot_live``: numbers that come one by one, as a moving plot: an SVG of one display, paced like pictures.

A plot remembers a bounded time and a bounded number of values. It is drawn when it is sent, of what there is then, so
that values that come faster than the page can show them cost next to nothing.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque

from .pictures import Encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Deque, Dict, Iterator, List, Optional, Sequence, Tuple

    Points = List[Tuple[float, float]]

WIDTH, HEIGHT = 640, 240  #: pixels
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 24, 24  #: pixels around what is drawn
MAX_LINES = 12
MAX_POINTS = 4000  #: of one line
MAX_NUMBER = 1e300  #: what is larger is drawn as little as what was not measured
LEAST_SPAN = 1e-300  #: numbers nearer to each other are drawn as one: a part of the least float is 0
MIN_EVERY_S = 0.001
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#0a7ea4", "#bc4c00", "#57606a")
_TAKEN = "plot_live() takes numbers, a list or dictionary of numbers, a function that gives them, or an iterator"


class Plot:
    """One plot: the last values of some lines. Any thread may add to it, and draw it."""

    width, height = WIDTH, HEIGHT

    def __init__(self, title: str, seconds: float) -> None:
        self.title, self.seconds = title, seconds
        self._began = time.monotonic()
        self._lines: Dict[str, Deque[Tuple[float, float]]] = {}
        self._lock = threading.Lock()

    def add(self, value: Any) -> None:
        """Add what was measured now: a number, or several, with or without names.

        Raises:
            TypeError: It is no number.
            ValueError: There are too many.
        """
        values = named(value)
        now = time.monotonic() - self._began
        with self._lock:
            if len(self._lines.keys() | values.keys()) > MAX_LINES:
                raise ValueError("plot_live() draws up to %d lines." % MAX_LINES)
            for name, number in values.items():
                line = self._lines.setdefault(name, deque(maxlen=MAX_POINTS))
                line.append((now, number))
                while line[0][0] < now - self.seconds:
                    line.popleft()

    def copy(self, _spare: object) -> Plot:
        """It is drawn later, as it is then."""
        return self

    def encode(self) -> Encoded:
        """Draw it."""
        with self._lock:
            lines = {name: list(line) for name, line in self._lines.items()}
        return Encoded(draw(self.title, lines, self.seconds).encode("utf-8"), "image/svg+xml", (WIDTH, HEIGHT))


def named(value: Any) -> Dict[str, float]:
    """Return numbers by their names, which are "" for one alone. Raises TypeError."""
    if isinstance(value, dict):
        return {str(name): _number(each) for name, each in value.items()}
    if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)) and getattr(value, "shape", None) != ():
        return {str(index): _number(each) for index, each in enumerate(value)}
    return {"": _number(value)}


def _number(value: Any) -> float:
    """Return a number; nan where nothing was measured."""
    if value is None:
        return math.nan
    if isinstance(value, (str, bytes)):
        raise TypeError("%s, not %s." % (_TAKEN, type(value).__name__))
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError("%s, not %s." % (_TAKEN, type(value).__name__)) from None
    return number if abs(number) < MAX_NUMBER else math.nan


def values_of(source: Any, every: float, during: Optional[float]) -> Iterator[Any]:
    """Return what ``plot_live`` is to show, as it comes: see `install`."""
    if callable(source) and not hasattr(source, "__float__"):
        return _called(source, every, during)
    if hasattr(source, "__next__"):
        return _until(source, during)
    return iter((source,))


def _called(source: Any, every: float, during: Optional[float]) -> Iterator[Any]:
    """Call a function again and again; a time that was missed is left out."""
    began = due = time.monotonic()
    while during is None or time.monotonic() - began <= during:
        yield source()
        due = max(due + max(every, MIN_EVERY_S), time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def _until(source: Iterator[Any], during: Optional[float]) -> Iterator[Any]:
    began = time.monotonic()
    for value in source:
        yield value
        if during is not None and time.monotonic() - began > during:
            return


# --- how it looks


def draw(title: str, lines: Dict[str, Points], seconds: float) -> str:
    """Return a plot as SVG.

    Args:
        title: What is written above.
        lines: The points of each line, times in seconds and numbers.
        seconds: How long the plot is.
    """
    points = [point for line in lines.values() for point in line]
    end = max([when for when, _number in points] or [0.0])
    start = max(0.0, end - seconds)
    numbers = [number for _when, number in points if math.isfinite(number)]
    low, high, ticks = scale(min(numbers or [0.0]), max(numbers or [0.0]))
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    wide = max(end - start, 1e-9) if end - start >= 1 else 1.0

    def x(when: float) -> float:
        return LEFT + (when - start) / wide * across

    def y(number: float) -> float:
        return TOP + (high - number) / (high - low) * down

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">'
        '<rect width="100%%" height="100%%" fill="white"/>' % (WIDTH, HEIGHT)
    ]
    parts += [
        '<path d="M%d %.1fh%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end" fill="#555">%s</text>'
        % (LEFT, y(tick), across, LEFT - 6, y(tick) + 4, short(tick))
        for tick in ticks
    ]
    parts += [
        '<text x="%.1f" y="%d" text-anchor="middle" fill="#555">%s s</text>'
        % (min(x(tick), WIDTH - 16), HEIGHT - 8, short(tick))
        for tick in scale(start, start + wide)[2]
        if start <= tick <= start + wide
    ]
    place = LEFT
    for index, (name, line) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        path = _path([(x(when), y(number)) for when, number in thinned(line, across)])
        parts.append('<path d="%s" fill="none" stroke="%s" stroke-width="1.5"/>' % (path, colour))
        label = " ".join(filter(None, (name, short(line[-1][1]))))
        parts.append('<text x="%d" y="16" fill="%s">%s</text>' % (place, colour, escaped(label)))
        place += 7 * len(label) + 16
    if title:
        parts.append('<text x="%d" y="16" text-anchor="end">%s</text>' % (WIDTH - RIGHT, escaped(title)))
    return "".join([*parts, "</svg>"])


def scale(low: float, high: float) -> Tuple[float, float, List[float]]:
    """Return the ends of an axis on which these numbers are, and the round numbers that are written beside it."""
    if not high - low > LEAST_SPAN:
        margin = abs(low) * 0.05 if abs(low) * 0.05 > LEAST_SPAN else 0.5
        low, high = low - margin, high + margin
    step = 10.0 ** math.floor(math.log10(high - low))
    step = next((step * part for part in (0.2, 0.25, 0.5, 1.0) if (high - low) / (step * part) <= 5), step * 2)
    first = math.floor(low / step)
    ticks = [index * step for index in range(first, math.ceil(high / step) + 1)]
    return min(low, ticks[0]), max(high, ticks[-1]), ticks


def thinned(points: Sequence[Tuple[float, float]], most: int) -> Sequence[Tuple[float, float]]:
    """Return about so many of the points; where there are more, the lowest and highest of each stretch."""
    size = math.ceil(2 * len(points) / max(most, 1))
    if size <= 2:
        return points
    found: Points = []
    for start in range(0, len(points), size):
        part = [point for point in points[start : start + size] if math.isfinite(point[1])]
        if part:
            ends = {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
            found += sorted(ends)
        else:
            found.append((points[start][0], math.nan))
    return found


def _path(points: Sequence[Tuple[float, float]]) -> str:
    """Return the line through points, which is broken where one is no number."""
    parts, drawn = [], False
    for across, down in points:
        if math.isfinite(down):
            parts.append("%s%.1f %.1f" % ("L" if drawn else "M", across, down))
        drawn = math.isfinite(down)
    if len(parts) == 1:
        parts.append("h1")  # a point alone
    return "".join(parts)


def short(number: float) -> str:
    """Return a number as it is written beside a plot."""
    return "%.4g" % (number + 0.0)


def escaped(text: str) -> str:
    """Return a text as it stands in SVG."""
    shown = "".join(each if each.isprintable() else " " for each in text[:60])
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
