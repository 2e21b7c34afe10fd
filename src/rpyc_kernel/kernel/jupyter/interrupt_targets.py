"""Decides what an interrupt stops. Without I/O."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class InterruptTargets:
    """Knows what runs, for the cell and beside it, and how each of these is stopped.

    The event loop says what runs. The control thread, or a signal, interrupts.

    Attributes:
        interrupted: Whether the cell that runs was interrupted, since it was taken.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._of_cell: list[Callable[[], None]] = []
        self._beside: list[Callable[[], None]] = []  # the oldest first

    def __bool__(self) -> bool:
        """Tell whether anything runs."""
        return bool(self._of_cell or self._beside)

    @contextmanager
    def cell(self) -> Iterator[None]:
        """Within it a cell runs, which can be interrupted before its code runs anywhere."""
        self.interrupted = False
        with self.stoppable(lambda: None):
            yield

    @contextmanager
    def stoppable(self, stop: Callable[[], None], *, beside: bool = False) -> Iterator[None]:
        """Within it an interrupt calls *stop*.

        An interrupt that came before, in the same cell, calls it at once: the cell was stopped, whatever it did then.
        Of what runs *beside* the cells, an interrupt stops the oldest alone, and nothing while a cell runs.
        """
        stops = self._beside if beside else self._of_cell
        stops.append(stop)
        try:
            if self.interrupted and not beside:
                stop()
            yield
        finally:
            stops.remove(stop)

    def interrupt(self) -> None:
        """Stop what runs for the cell, else the oldest of what runs beside the cells."""
        self.interrupted = bool(self._of_cell)  # first of all: what begins now looks at this
        for stop in [*self._of_cell] or self._beside[:1]:
            stop()
