"""How a notebook is connected: the machine, its state and the reason for it, as the page shows them. No I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rpyc_kernel.errors import TakenOverError
from rpyc_kernel.kernel.outcomes import Hosts
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.kernel.ports import HostedSession
    from rpyc_kernel.kernel.sessions.session import RemoteSession

MAX_DETAIL_CHARACTERS = 1000
MAX_NAME_CHARACTERS = 253
"""Messages with which a Python has ended, or shows that it lives."""


class NotebookState(StrEnum):
    """How the notebook is connected, in the words that the page shows."""

    NOT_CONNECTED = "not connected"
    AWAITED = "connects with the next cell"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    TAKEN_OVER = "taken over"
    ENDED = "session ended"
    WORKER_DIED = "worker died"


class ConnectionStatus:
    """Knows how the notebook is connected. It watches cells, links and the registry of sessions, on any thread."""

    def __init__(self) -> None:
        self._fresh: Callable[[], bool] = lambda: True
        self._awaited: Callable[[], str] = lambda: ""
        self._hosts: Callable[[], Hosts] = lambda: Hosts((), None, ())
        self._tell: Callable[[], None] = lambda: None
        self._dialled = ""

    def begin(
        self,
        hosts: Callable[[], Hosts],
        awaited: Callable[[], str],
        fresh: Callable[[], bool],
        tell: Callable[[], None],
    ) -> None:
        """Begin to tell.

        Args:
            hosts: Returns the machines of the notebook.
            awaited: Returns the machine to which the next cell will connect, "" where there is none.
            fresh: Returns whether no machine was named, and no cell has run.
            tell: Called on any thread when the status may have changed.
        """
        self._hosts = hosts
        self._awaited = awaited
        self._fresh = fresh
        self._tell = tell

    # --- what it watches

    def dialling(self, name: str) -> None:
        """Take note of the machine that is connected to just now; "" when that has come to an end."""
        self._dialled = name
        self._tell()

    def moved(self) -> None:
        """Take note that cells run in another session from now on, or in none."""
        self._tell()

    watched = frozenset({"worker_died"})

    def before(self, message: Message) -> None:
        """Take note of a message that tells of a Python's end."""
        self._tell()

    def changed(self, session: HostedSession, status: LinkStatus) -> None:
        """Take note of a link that has changed."""
        self._tell()

    # --- what it tells

    def content(self) -> dict[str, Any]:
        """Return the machine, its state, the reason for that, whether the notebook is new, and its other sessions."""
        sessions, current, _left = self._hosts()
        found: dict[str, Any] = {
            "state": NotebookState.NOT_CONNECTED,
            "machine": "",
            "label": "",
            "detail": "",
            "fresh": self._fresh(),
        }
        if current is not None:
            state, detail = state_of(current)
            found.update(state=state, detail=plain(detail, MAX_DETAIL_CHARACTERS), **_described(current))
        elif awaited := plain(self._awaited(), MAX_NAME_CHARACTERS):
            found.update(state=NotebookState.AWAITED, machine=awaited, label=awaited)
        if self._dialled:
            name = plain(self._dialled, MAX_NAME_CHARACTERS)
            found.update(state=NotebookState.CONNECTING, machine=name, label=name, detail="")
        others = [each for each in sessions if each is not current]
        found["others"] = [{**_described(each), "state": state_of(each)[0]} for each in others]
        return found


def state_of(session: RemoteSession) -> tuple[NotebookState, str]:
    """Return the state of a session, and the sentence that says why; "" where nothing is wrong."""
    if session.status is LinkStatus.LOST:
        return NotebookState.RECONNECTING, session.failure or str(session.error or "")
    if session.status is LinkStatus.CLOSED:
        taken = isinstance(session.error, TakenOverError)
        return NotebookState.TAKEN_OVER if taken else NotebookState.ENDED, str(session.error or "")
    if session.status is LinkStatus.NEW:
        return NotebookState.CONNECTING, ""
    return (NotebookState.WORKER_DIED, session.death) if session.death else (NotebookState.CONNECTED, "")


def _described(session: RemoteSession) -> dict[str, str]:
    return {
        "machine": plain(session.name, MAX_NAME_CHARACTERS),
        "label": plain(session.label, MAX_NAME_CHARACTERS),
        "session": plain(session.title, MAX_NAME_CHARACTERS),
        "id": session.id,
        "description": session.describe(),
    }
