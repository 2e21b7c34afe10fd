"""Measure how the time of a copy grows with its size, and draw it: docs/values.svg."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.contest import took

if TYPE_CHECKING:
    from rpyc_kernel.live.remote import Remote

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "values.svg"
SIZES_BYTES = [10**exponent for exponent in range(3, 10)]
LARGE_BYTES = 10**8  # of which fewer are measured
ROUNDS, LARGE_ROUNDS = 9, 3


class Point(NamedTuple):
    """What one size takes.

    Attributes:
        size: In bytes.
        pulled: Seconds from there to here.
        pushed: Seconds from here to there.
    """

    size: int
    pulled: float
    pushed: float


def measure(remote: Remote) -> list[Point]:
    """Measure arrays of float64 of each size, both ways."""
    return [_point(remote, size) for size in SIZES_BYTES]


def _point(remote: Remote, size: int) -> Point:
    remote.execute(f"array = numpy.random.default_rng(7).random({size // 8})")
    array = remote.value("array")
    remote.push(pushed=array)
    rounds = range(ROUNDS if size < LARGE_BYTES else LARGE_ROUNDS)
    return Point(
        size,
        median(took(lambda: remote.value("array")) for _ in rounds),
        median(took(lambda: remote.push(pushed=array)) for _ in rounds),
    )


def draw(points: list[Point], about: str) -> None:
    """Draw the picture.

    Args:
        points: What was measured.
        about: The machine, for the title.
    """
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "values", "font.size": 9})
    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    sizes = np.array([point.size for point in points], float)
    for name, mark in (("pulled", "o-"), ("pushed", "s--")):
        axes.plot(sizes, [getattr(point, name) * 1000 for point in points], mark, label=name)
    slope = points[-1].pulled / points[-1].size
    axes.plot(sizes, sizes * slope * 1000, ":", color="grey", label=f"{1 / slope / 1e6:,.0f} MB/s")
    axes.set(xscale="log", yscale="log", xlabel="bytes", ylabel="ms")
    axes.set_title(f"Copies of float64 on loopback: {about.partition(', ipykernel')[0]}", fontsize=8)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(PICTURE, metadata={"Date": None})
    plt.close(figure)
