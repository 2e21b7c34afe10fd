"""Which cells are told that the Python on a machine has died: a plain object without I/O.

A cell was *sent too early* if its front end could not know of the death when it sent it. It is answered with an error
that names the death, and not run among variables that are no more. Any later cell runs in the fresh Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from rpyc_kernel.agent.wire import Message

TOLD_SECONDS = 1.0  # after a death between two cells: who sends a cell within it is a program, or has not read of it
MAX_TEXT = 600  # characters

LOST = "The Python on {name} {how}. Its variables are lost; the next cell runs in a fresh one."
STILLBORN = "The Python on {name} {how}, before it could run a cell."
AGAIN = ' The next cell tries it again; %connect "{name}" --new begins another session.'
NOT_RUN = "\nThis cell has not run: it was sent before that was known."


class WorkerExits:
    """The ends of one machine's Pythons, by what the keeper has said of them.

    :ivar known: how many have died unasked, as far as this kernel knows; each cell says it to the keeper
    :ivar restarts: how many have ended because somebody wanted it
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.known = 0
        self.restarts = 0
        self._news: tuple[str, float] | None = None  # of a death that no cell was told of, and when it was known
        self._told = ""
        self._told_at = 0  # the number of the last message that had arrived when a cell was told

    def note(self, message: Message) -> None:
        """Something of the keeper's own has come. On the link's thread, as `came`."""
        end = end_of(message)
        if end is None:
            return
        count = message.content.get("deaths")
        if type(count) is int:
            self.known = max(self.known, count)
        self.restarts += end.get("restart") is True

    def describe(self, end: dict[str, Any]) -> str:
        """What a user is told of an end."""
        how = plain(str(end.get("text", "ended")), MAX_TEXT)
        if end.get("signal") == "SIGKILL":
            how += ", as happens when its memory runs out"
        return (STILLBORN + AGAIN if end.get("stillborn") else LOST).format(name=self.name, how=how)

    def came(self, end: dict[str, Any], now: float) -> None:
        """It died while no cell was there that could have been told."""
        self._news = self.describe(end), now

    def told(self, text: str, arrived: int) -> None:
        """A cell was told; the last message that has arrived until now is the *arrived*-th."""
        self._told, self._told_at = text, arrived
        self._news = None

    def told_by_connection(self, arrived: int) -> None:
        """A local cell has failed because its live connection ended: that tells of the death, if it was one."""
        if self._news is not None:
            self.told(self._news[0], arrived)

    def error_for(self, number: int, at: float) -> str:
        """What a cell is answered that was sent too early, "" for any other; it came as the *number*-th, *at* then."""
        if number <= self._told_at:
            return self._told
        news = self._news
        return news[0] if news is not None and at <= news[1] + TOLD_SECONDS else ""

    def take_news(self) -> str:
        """What the next cell says before it runs, if anything."""
        news, self._news = self._news, None
        return news[0] if news is not None else ""


def end_of(message: Message) -> dict[str, Any] | None:
    """How a Python has ended, if the keeper says that it has; what anybody else says of it counts for nothing."""
    if not message.sealed:
        return None
    end = message.content if message.type == "worker_died" else message.content.get("end")
    return end if isinstance(end, dict) else None
