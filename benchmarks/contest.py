"""Measures contenders in turns, so that whatever else the machine does hits all of them."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


class Result(Generic[T]):
    """Figures of each contender, a list for each round."""

    def __init__(self, names: list[T]) -> None:
        self.rounds: dict[T, list[float]] = {name: [] for name in names}

    def middle(self, name: T) -> float:
        """The median over all rounds."""
        return median(self.rounds[name])

    def ratio(self, name: T, to: T) -> float:
        """The median of the ratios of each round."""
        return median(one / other for one, other in zip(self.rounds[name], self.rounds[to], strict=True))


def contest(measures: Mapping[T, Callable[[], float]], rounds: int, repeat: int = 1) -> Result[T]:
    """Let each measure in turn, *rounds* times, the order reversed each time; of *repeat* figures the median counts."""
    result = Result(list(measures))
    for number in range(rounds):
        order = list(measures.items())
        for name, measure in order if number % 2 else reversed(order):
            result.rounds[name].append(median(measure() for _ in range(repeat)))
    return result
