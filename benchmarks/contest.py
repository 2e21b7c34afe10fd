"""Measure contenders in turns, so that whatever else the machine does hits all of them."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


class Result(Generic[T]):
    """The figures of all contenders.

    Attributes:
        rounds: Each contender's figures, one for each round.
    """

    def __init__(self, names: list[T]) -> None:
        self.rounds: dict[T, list[float]] = {name: [] for name in names}

    def middle(self, name: T) -> float:
        """Compute a contender's median over all rounds."""
        return median(self.rounds[name])

    def ratio(self, name: T, to: T) -> float:
        """Compute the ratio of two contenders in each round, and return the median of these."""
        return median(one / other for one, other in zip(self.rounds[name], self.rounds[to], strict=True))


def contest(measures: Mapping[T, Callable[[], float]], rounds: int, repeat: int = 1) -> Result[T]:
    """Measure all contenders in turn, in an order that is reversed in each round.

    Args:
        measures: For each contender, the function that measures once.
        rounds: How often each contender gets its turn.
        repeat: How often a contender is measured in one turn; the median counts.
    """
    result = Result(list(measures))
    for number in range(rounds):
        order = list(measures.items())
        for name, measure in order if number % 2 else reversed(order):
            result.rounds[name].append(median(measure() for _ in range(repeat)))
    return result


def took(work: Callable[[], object]) -> float:
    """Return the seconds that *work* takes, without those in which what it returns is let go of."""
    started = time.perf_counter()
    kept = work()
    seconds = time.perf_counter() - started
    del kept
    return seconds
