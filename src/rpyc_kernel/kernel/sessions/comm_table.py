"""The comms that are open on other machines: which session each belongs to, and what became of those that are gone.

A comm (https://jupyter-client.readthedocs.io/en/stable/messaging.html#custom-messages) belongs to the Python that has
opened it, wherever cells run by now. When that Python ends, a page would go on showing its widgets as if they lived:
`CommTable.lost` has the messages that mark them.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rpyc_kernel.agent.wire import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpyc_kernel.link.protocol import LinkStatus

WIDGETS = "jupyter.widget"  # the target of each widget's comm
DEAD_CLASS = "jupyter-widgets-disconnected"  # by which ipywidgets marks what lost its kernel, with a broken chain
COMM_TYPES = frozenset({"comm_open", "comm_msg", "comm_close"})
OWN_PREFIX = "kernel-"  # of the msg_ids of the kernel's own requests
MAX_GONE = 4096  # comms that are remembered after their end


class CommOwner(Protocol):
    """A session, as its comms need it.

    Attributes:
        name: The address as the user has written it.
    """

    name: str

    @property
    def id(self) -> str:
        """The id by which the other machine knows the session."""

    @property
    def status(self) -> LinkStatus:
        """The state of the link."""

    @property
    def closed(self) -> bool:
        """Whether the session is not this notebook's any more."""

    async def request(self, message: Message) -> dict[str, Any]:
        """Send a request and return the content of its reply. Raises the error for which none will come."""


@dataclass
class OpenComm:
    """A comm that is open.

    Attributes:
        session: Whose it is.
        target: The name of its target.
        classes: The CSS classes of a widget that is seen, None for anything else.
        can_be_disabled: Whether it is a widget that a page can disable.
        shown: Whether front ends of this kernel were told that it was opened.
    """

    session: CommOwner
    target: str
    classes: list[str] | None = None
    can_be_disabled: bool = False
    shown: bool = True

    @property
    def is_hidden(self) -> bool:
        """Whether it is a widget that no front end of this kernel was told of."""
        return self.target == WIDGETS and not self.shown

    def learn(self, state: object) -> None:
        """Take note of a widget's state, or of a part of it."""
        if not isinstance(state, dict):
            return
        classes = state.get("_dom_classes")
        if isinstance(classes, list):
            self.classes = [str(each) for each in classes]
        self.can_be_disabled = self.can_be_disabled or "disabled" in state


@dataclass
class Loss:
    """Why comms are gone.

    Attributes:
        sentence: What the user is told.
        told: Whether that was said to a front end that has used one of them.
    """

    sentence: str
    told: bool = False


class CommTable:
    """Knows the comms of all sessions of a notebook. Any thread may call it.

    What the kernel itself asks a session for (`asking`) is taken out of what comes, so that no front end sees it.
    """

    def __init__(self) -> None:
        self._own = f"{OWN_PREFIX}{uuid.uuid4().hex}-"  # how the msg_ids of the kernel's own requests begin
        self._lock = threading.Lock()
        self._open: dict[str, OpenComm] = {}
        self._gone: OrderedDict[str, Loss] = OrderedDict()
        self._asked: dict[str, list[Message]] = {}  # what has come for a request of the kernel's own, by its msg_id

    # --- what opens and closes them

    def take(self, session: CommOwner, message: Message) -> bool:
        """Take note of a message of a session; return whether it is for the kernel itself, and for no front end."""
        if message.parent.startswith(self._own):
            if (asked := self._asked.get(message.parent)) is not None:
                asked.append(message)
            return True
        if message.type in COMM_TYPES:
            self.note(session, message.type, message.content)
        return False

    def note(self, session: CommOwner, msg_type: str, content: dict[str, Any]) -> None:
        """Take note of a comm message, whichever way it goes."""
        comm_id, data = str(content.get("comm_id")), content.get("data")
        state = data.get("state") if isinstance(data, dict) else None
        with self._lock:
            if msg_type == "comm_open":
                self._gone.pop(comm_id, None)
                self._open[comm_id] = OpenComm(session, str(content.get("target_name", "")))
            elif msg_type == "comm_close":
                self._open.pop(comm_id, None)
            if comm_id in self._open:
                self._open[comm_id].learn(state)

    def found(self, session: CommOwner, listed: object) -> bool:
        """Take note of the comms of a session that was taken over.

        Args:
            session: The session.
            listed: The target's name by each comm's id, as its Python tells them.

        Returns:
            Whether there are widgets among them that no front end of this kernel was told of.
        """
        with self._lock:
            for comm_id, target in listed.items() if isinstance(listed, dict) else ():
                self._gone.pop(comm_id, None)
                if (known := self._open.get(comm_id)) is not None:
                    known.session = session
                else:
                    self._open[comm_id] = OpenComm(session, str(target), shown=False)
        return bool(self.not_shown(session))

    def not_shown(self, session: CommOwner) -> list[str]:
        """Return the widgets of a session that no front end of this kernel was told of."""
        with self._lock:
            return [comm_id for comm_id, each in self._open.items() if each.session is session and each.is_hidden]

    # --- what is asked about them

    def session_of(self, comm_id: str) -> CommOwner | None:
        """Return whose comm it is, None where it isn't known."""
        with self._lock:
            known = self._open.get(comm_id)
            return known.session if known is not None else None

    def loss_of(self, comm_id: str) -> Loss | None:
        """Return why a comm is gone, None where it isn't."""
        return self._gone.get(comm_id)

    def targets(self) -> dict[str, str]:
        """Return the target's name of each comm whose session this notebook holds, by the comm's id."""
        with self._lock:
            return {comm_id: each.target for comm_id, each in self._open.items() if not each.session.closed}

    def holders_of_widgets(self) -> list[CommOwner]:
        """Return the sessions that have widgets, those first whose widgets are older."""
        with self._lock:
            found = {id(each.session): each.session for each in self._open.values() if each.target == WIDGETS}
        return [session for session in found.values() if not session.closed]

    @contextmanager
    def asking(self) -> Iterator[tuple[str, list[Message]]]:
        """Within it, what comes for a request with that ``msg_id`` is put into the list, and shown to nobody."""
        msg_id = self._own + uuid.uuid4().hex
        asked = self._asked[msg_id] = []
        try:
            yield msg_id, asked
        finally:
            del self._asked[msg_id]

    # --- what ends them

    def lost(self, session: CommOwner, sentence: str) -> list[Message]:
        """Forget the comms of a session whose Python has ended. Return the messages that mark them in a page.

        A widget that is seen keeps its place and its value, and gets ipywidgets' own mark of a lost kernel, with the
        sentence as its tooltip. Any other comm is closed.
        """
        loss, messages = Loss(sentence), []
        with self._lock:
            for comm_id in [each for each, comm in self._open.items() if comm.session is session]:
                comm = self._open.pop(comm_id)
                self._gone[comm_id] = loss
                if (message := _mark(comm_id, comm, sentence)) is not None:
                    messages.append(message)
            while len(self._gone) > MAX_GONE:
                self._gone.popitem(last=False)
        return messages

    def count(self, session: CommOwner) -> int:
        """Return how many widgets of a session are seen in a page."""
        with self._lock:
            return sum(each.session is session and each.classes is not None for each in self._open.values())


def _mark(comm_id: str, comm: OpenComm, sentence: str) -> Message | None:
    if comm.classes is not None:
        state: dict[str, Any] = {"_dom_classes": [*comm.classes, DEAD_CLASS], "tooltip": sentence}
        if comm.can_be_disabled:
            state["disabled"] = True
        data = {"method": "update", "state": state, "buffer_paths": []}
        return Message("comm_msg", {"comm_id": comm_id, "data": data})
    if comm.target == WIDGETS:
        return None  # a layout, a style, a link: what shows it is marked
    return Message("comm_close", {"comm_id": comm_id, "data": {}})
