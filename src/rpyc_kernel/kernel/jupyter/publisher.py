"""Publishes what comes from another machine to the front end, as a message of ours for the request it belongs to.

Only the message types that a worker may send pass; the rest of a message is what Jupyter says it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from rpyc_kernel.kernel.jupyter.iopub_backpressure import PatientIOPub
from rpyc_kernel.kernel.jupyter.iopub_rate_limit import Pacing
from rpyc_kernel.kernel.sessions.display_updates import Pictures

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_client.session import Session

    from rpyc_kernel.agent.wire import Message

SHOWN = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error", "clear_output"})
OUTPUTS = SHOWN | {"comm_open", "comm_msg", "comm_close"}
REMEMBERED = 4096  # requests whose header is known after their end: what they started may print for long

log = logging.getLogger(__name__)


class Publisher:
    """Knows the requests by their ``msg_id``, and the comms by their ids. `publish` is for any thread."""

    def __init__(
        self,
        session: Session,
        iopub_socket: Any,
        topic: Callable[[str], bytes],
        *,
        patience: PatientIOPub | None = None,
        paced: bool = True,
    ) -> None:
        self._session = session
        self._iopub = iopub_socket
        self._topic = topic
        self._parents: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self.comms: dict[str, str] = {}  # target name by comm_id
        self._pictures = Pictures()
        self._patience = patience
        self._pacing = Pacing() if paced else None
        self._paced = threading.Lock()  # guards it

    def remember(self, parent: dict[str, Any]) -> str:
        """Know a request from now on; returns its ``msg_id``."""
        msg_id = str(parent.get("header", {}).get("msg_id", ""))
        self._parents[msg_id] = {"header": parent.get("header", {})}
        self._parents.move_to_end(msg_id)
        while len(self._parents) > REMEMBERED:
            self._parents.popitem(last=False)
        return msg_id

    def publish(self, message: Message, until: threading.Event, *, backlog: bool = False) -> None:
        """Send a message of another machine to IOPub, if it is one that a worker may send.

        Waits for a front end that reads slowly; what belongs to a *backlog* also goes no faster than a Jupyter server
        passes it on. *until* ends the waiting.
        """
        if message.type not in OUTPUTS:
            log.warning("a %r message came from the other machine and was dropped", message.type[:100])
            return
        self._pictures.place(message)
        comm_id = message.content.get("comm_id")
        if message.type == "comm_open":
            self.comms[str(comm_id)] = str(message.content.get("target_name", ""))
        elif message.type == "comm_close":
            self.comms.pop(str(comm_id), None)
        if self._patience is not None:
            self._patience.wait_for_room(_size(message), until)
        if self._pacing is not None:
            self._pace(self._pacing, message, until, backlog=backlog)
        self.send(message.type, message.content, message.parent, message.metadata, message.buffers)

    def _pace(self, pacing: Pacing, message: Message, until: threading.Event, *, backlog: bool) -> None:
        while True:
            with self._paced:
                now = time.monotonic()
                delay = pacing.delay(now, message.type, message.content) if backlog else 0.0
                if delay <= 0 or until.is_set():
                    pacing.published(now, message.type, message.content, live=not backlog)
                    return
            until.wait(delay)

    def send(
        self, msg_type: str, content: dict[str, Any], parent: str, metadata: Any = None, buffers: Any = None
    ) -> None:
        """Send a message to IOPub for the request with that ``msg_id``."""
        self._session.send(
            self._iopub,
            msg_type,
            content,
            parent=self._parents.get(parent, {}),
            ident=self._topic(msg_type),
            metadata=metadata or {},
            buffers=buffers or None,
        )

    def error(self, ename: str, evalue: str, parent: str) -> dict[str, Any]:
        """Publish an error of ours, a sentence without a traceback; returns the content of the reply to go with it."""
        content = {"ename": ename, "evalue": evalue, "traceback": [f"\x1b[31m{ename}\x1b[0m: {evalue}"]}
        self.send("error", content, parent)
        return {"status": "error", **content}


def _size(message: Message) -> int:
    """Bytes of a message, about."""
    data = message.content.get("data")
    texts = [message.content.get("text"), *(data.values() if isinstance(data, dict) else ())]
    return sum(len(text) for text in texts if isinstance(text, str)) + sum(map(len, message.buffers or ()))
