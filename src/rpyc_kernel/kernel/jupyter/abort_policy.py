"""Decides which cells are aborted after an error. Without I/O: the times are given.

After an error Jupyter aborts the cells that were sent before the error was told. ipykernel aborts what has come when
the reply is sent. A script that goes by the reply sends its next cell before the kernel has done anything else; that
cell must run, and another that was on its way just then must not. Where the user has stopped a debugger, what waits
behind it runs, as under ipykernel, but for the same cell once more, which would open the debugger again.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import NamedTuple

IN_FLIGHT_S = 0.1  # after an error: so long a cell may be on its way that was sent before


class Moment(NamedTuple):
    """The moment just before a reply was sent.

    Attributes:
        arrived: The number of the last shell message that had come.
        at: The time, in seconds of a clock that only goes forward.
        date: The same as a date, to be compared with dates of messages.
    """

    arrived: int
    at: float
    date: dt.datetime


NEVER = Moment(0, -math.inf, dt.datetime.min.replace(tzinfo=dt.UTC))


class AbortPolicy:
    """Remembers the last error that was told, and says of each cell whether it was sent before."""

    only: str | None
    """The code of the cells that are aborted; None: all."""

    def __init__(self) -> None:
        self._reply = self._error = NEVER
        self._of_reply: str | None = None
        self.only = None

    def replying(self, moment: Moment, only: str | None = None) -> None:
        """Note that a reply is about to be sent.

        Args:
            moment: Now.
            only: The code of the cells to be aborted if the reply tells an error; None: all.
        """
        self._reply, self._of_reply = moment, only

    def failed(self) -> None:
        """Note that the last reply has told an error, behind which cells are to be aborted."""
        self._error, self.only = self._reply, self._of_reply

    def aborts(self, number: int, at: float, date: object) -> bool:
        """Return whether a cell is to be aborted, unless `only` says otherwise.

        Args:
            number: Which message it was to come, counted from 1.
            at: When it came, by the clock of the moments.
            date: The date in its header, whatever a client has put there.
        """
        if number <= self._error.arrived:
            return True
        in_flight = at - self._error.at < IN_FLIGHT_S
        return in_flight and isinstance(date, dt.datetime) and date.tzinfo is not None and date < self._error.date
