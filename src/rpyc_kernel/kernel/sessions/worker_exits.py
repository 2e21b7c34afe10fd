"""Decides which cells are told that the Python on a machine has died: a plain object without I/O.

A cell was *sent too early* if its front end could not know of the death when it sent the cell. Such a cell is answered
with an error that names the death; it is not run without the variables that are lost. Any later cell runs in the fresh
Python.
"""

from __future__ import annotations

from typing import Any

from rpyc_kernel.transport.plain import cause

UNREAD_S = 1.0  # after a death between two cells: who sends a cell within this time has not read of the death

FATE = "The Python on {name} {how}."
LOST = FATE + " Its variables{widgets} are lost; the next cell runs in a fresh one."
STILLBORN = "The Python on {name} {how}, before it could run a cell."
AGAIN = ' The next cell tries it again; %connect "{name}" --new begins another session.'
NOT_RUN = "\nThis cell has not run: it was sent before that was known."


class WorkerExits:
    """The ends of one machine's Pythons, as the keeper tells them.

    Attributes:
        name: The machine.
        any: Whether one has ended; before that, no cell has to be told of anything.
        known: How many Pythons have died unasked, as far as this kernel knows; each cell says it to the keeper.
        restarts: How many have ended because somebody wanted it.
        death: The sentences that tell of one that died unasked, until the Python after it has run a cell; else "".
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.any = False
        self.known = 0
        self.restarts = 0
        self.death = ""
        self._news: tuple[str, float] | None = None  # of a death that no cell was told of, and when it was known
        self._told = ""
        self._told_at = 0  # the number of the last message that had arrived when a cell was told

    def note(self, end: dict[str, Any], deaths: object) -> None:
        """Count an end. On the link's thread.

        Args:
            end: The keeper's description.
            deaths: How many have died unasked, as the keeper says.
        """
        self.any = True
        if type(deaths) is int:
            self.known = max(self.known, deaths)
        self.restarts += end.get("restart") is True
        self.death = "" if end.get("restart") is True else self.describe(end)

    def describe(self, end: dict[str, Any]) -> str:
        """Return the sentences that tell a user of an end, as the keeper describes it."""
        count = end.get("widgets", 0)
        widgets = f" and {count} widget{'s' if count > 1 else ''}" if count else ""
        text = STILLBORN + AGAIN if end.get("stillborn") else LOST
        return text.format(name=self.name, how=cause(end), widgets=widgets)

    def fate(self, end: dict[str, Any]) -> str:
        """Return the sentence that says how a Python has ended, as the keeper describes it."""
        return FATE.format(name=self.name, how=cause(end))

    def ran(self) -> None:
        """Take note of a cell that has run: the Python there lives. On the link's thread."""
        self.death = ""

    def came(self, end: dict[str, Any], now: float) -> None:
        """Keep an end for the next cell, since no cell runs that could be told. On the link's thread.

        Args:
            end: The keeper's description.
            now: The time, in seconds of the monotonic clock.
        """
        self._news = self.describe(end), now

    def told(self, text: str, arrived: int) -> None:
        """Take note that a cell was told.

        Args:
            text: The sentences.
            arrived: The number of the last shell message that has come until now.
        """
        self._told, self._told_at = text, arrived
        self._news = None

    def told_by_connection(self, arrived: int) -> None:
        """Take note that a local cell has failed by the end of its live connection, which tells of the death."""
        if self._news is not None:
            self.told(self._news[0], arrived)

    def error_for(self, number: int, at: float) -> str:
        """Return the error of a cell that was sent too early, "" for any other.

        Args:
            number: Which of the shell messages the cell was.
            at: When it came, in seconds of the monotonic clock.
        """
        if number <= self._told_at:
            return self._told
        news = self._news
        return news[0] if news is not None and at <= news[1] + UNREAD_S else ""

    def take_news(self) -> str:
        """Return the sentences that the next cell prints before it runs, "" for none."""
        news, self._news = self._news, None
        return news[0] if news is not None else ""
