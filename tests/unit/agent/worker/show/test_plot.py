"""Moving plots: what is remembered of what was measured, and what is drawn of it."""

from __future__ import annotations

import itertools
import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rpyc_kernel.agent.worker.show import plot as module
from rpyc_kernel.agent.worker.show.plot import MAX_LINES, MAX_POINTS, Plot, _called, draw, named, scale, thinned


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_numbers_and_their_names() -> None:
    assert named(5) == {"": 5.0}
    assert named(np.float32(0.5)) == {"": 0.5}
    assert named(np.array(7)) == {"": 7.0}
    assert named([1, True]) == {"0": 1.0, "1": 1.0}
    assert named(np.arange(2)) == {"0": 0.0, "1": 1.0}
    assert named({"x": 1}) == {"x": 1.0}
    assert math.isnan(named(None)[""])
    assert math.isnan(named(float("inf"))[""])
    for wrong in ("5", b"5", object(), [["5"]], {"x": "5"}, 1j):
        with pytest.raises(TypeError, match=r"plot_live\(\) takes numbers, .*, not "):
            named(wrong)


def test_what_is_older_is_forgotten(clock: Clock) -> None:
    plot = Plot("t", seconds=2)
    for value in range(100):
        plot.add(value)
        clock.now += 0.1
    assert [number for _when, number in plot._lines[""]] == list(range(79, 100))
    for value in range(2 * MAX_POINTS):
        plot.add(value)
    assert len(plot._lines[""]) == MAX_POINTS
    with pytest.raises(ValueError, match="up to"):
        plot.add(range(MAX_LINES))


def test_it_is_svg_with_what_was_measured_last(clock: Clock) -> None:
    plot = Plot("<a> & b\n", seconds=30)
    for value in range(50):
        plot.add({"x": value, "y": None if value == 20 else -value})
        clock.now += 0.1
    encoded = plot.encode()
    assert encoded.mime == "image/svg+xml"
    tree = ET.fromstring(encoded.data)
    texts = [each.text for each in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[-3:] == ["x 49", "y -49", "<a> & b "]
    paths = [each.get("d") or "" for each in tree.iter("{http://www.w3.org/2000/svg}path") if each.get("fill")]
    assert [path.count("M") for path in paths] == [1, 2]


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e299, 1e299) | st.just(math.nan)), min_size=1, max_size=50),
        max_size=4,
    )
)
def test_whatever_was_measured_can_be_drawn(lines: dict[str, list[tuple[float, float]]]) -> None:
    drawn = draw("title", {name: sorted(points) for name, points in lines.items()}, 30.0)
    ET.fromstring(drawn.encode("utf-8", "replace"))
    assert not re.search(r' d="[^"]*(nan|inf)', drawn)


@given(st.floats(-1e299, 1e299), st.floats(-1e299, 1e299))
@example(0.0, 5e-324)  # a part of the least number is 0
@example(1e-322, 1e-322)
@example(3e-299, 3.01e-299)
def test_an_axis_has_a_few_round_numbers_and_what_is_drawn(one: float, other: float) -> None:
    low, high, ticks = scale(min(one, other), max(one, other))
    assert low <= min(one, other) <= max(one, other) <= high
    assert low < high
    assert 2 <= len(ticks) <= 9


def test_of_many_points_the_extremes_are_drawn() -> None:
    points = [(index / 100, 100.0 if index == 1234 else -100.0 if index == 2345 else 0.0) for index in range(4000)]
    found = thinned(points, 560)
    assert len(found) <= 600
    assert {number for _when, number in found} == {-100.0, 0.0, 100.0}
    assert list(found) == sorted(found)
    assert thinned(points[:500], 560) == points[:500]


def test_a_function_is_called_when_it_is_due(clock: Clock) -> None:
    calls = []

    def slow() -> int:
        calls.append(round(clock.now - 100, 2))
        clock.now += 0.25 if len(calls) == 3 else 0.01
        return 1

    assert len(list(itertools.islice(_called(slow, 0.1, None), 6))) == 6
    assert calls == [0, 0.1, 0.2, 0.45, 0.55, 0.65]
    assert len(list(_called(slow, 0.1, 1.0))) in (10, 11)
