"""Publishes messages of another machine to the front end, each under the header of the request to which it belongs.

Only the message types pass that a worker may send.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from rpyc_kernel.kernel.jupyter.iopub_backpressure import IOPubBackpressure
from rpyc_kernel.kernel.jupyter.iopub_rate_limit import IOPubRateLimit
from rpyc_kernel.kernel.sessions.display_updates import Pictures

if TYPE_CHECKING:
    from collections.abc import Callable

    import zmq
    from ipykernel.iostream import BackgroundSocket
    from jupyter_client.session import Session

    from rpyc_kernel.agent.wire import Message

DISPLAYS = frozenset({"display_data", "update_display_data"})
SHOWN = DISPLAYS | {"stream", "execute_result", "error", "clear_output"}
OUTPUTS = SHOWN | {"comm_open", "comm_msg", "comm_close"}
MAX_REQUESTS = 4096  # whose headers are kept after their end: what they have started may print for long

log = logging.getLogger(__name__)


class Publisher:
    """Sends messages to IOPub, from any thread.

    Args:
        session: The kernel's, which signs messages.
        iopub_socket: The kernel's.
        topic: Gives ZeroMQ's topic for a message type.
        backpressure: Waits for front ends that read slowly.
        paced: Whether a backlog is published no faster than a Jupyter server passes it on.

    Attributes:
        comms: The target's name of each comm that is open on the other machine, by its ``comm_id``.
    """

    def __init__(
        self,
        session: Session,
        iopub_socket: BackgroundSocket | zmq.Socket[bytes],
        topic: Callable[[str], bytes],
        *,
        backpressure: IOPubBackpressure | None = None,
        paced: bool = True,
    ) -> None:
        self._session = session
        self._iopub = iopub_socket
        self._topic = topic
        self._parents: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self.comms: dict[str, str] = {}
        self._pictures = Pictures()
        self._backpressure = backpressure
        self._rate_limit = IOPubRateLimit() if paced else None
        self._rate_limit_lock = threading.Lock()

    def remember(self, parent: dict[str, Any]) -> str:
        """Keep the header of a request. Return its ``msg_id``."""
        msg_id = str(parent.get("header", {}).get("msg_id", ""))
        self._parents[msg_id] = {"header": parent.get("header", {})}
        self._parents.move_to_end(msg_id)
        while len(self._parents) > MAX_REQUESTS:
            self._parents.popitem(last=False)
        return msg_id

    def publish(self, message: Message, until: threading.Event, *, backlog: bool = False) -> None:
        """Send a message of another machine to IOPub, if a worker may send one of its type.

        It waits for a front end that reads slowly.

        Args:
            message: The message; its ``parent`` is the ``msg_id`` of the request to which it belongs.
            until: Ends the wait when it is set; the message is sent all the same.
            backlog: Whether it comes late, so that a Jupyter server might drop it among many.
        """
        if message.type not in OUTPUTS:
            log.warning("a %r message came from the other machine and was dropped", message.type[:100])
            return
        if message.type in DISPLAYS:
            self._pictures.place(message)
        elif message.type == "comm_open":
            self.comms[str(message.content.get("comm_id"))] = str(message.content.get("target_name", ""))
        elif message.type == "comm_close":
            self.comms.pop(str(message.content.get("comm_id")), None)
        if self._backpressure is not None:
            self._backpressure.wait_for_room(_size(message), until)
        if self._rate_limit is not None:
            self._pace(self._rate_limit, message, until, backlog=backlog)
        self.send(message.type, message.content, message.parent, message.metadata, message.buffers)

    def _pace(self, rate_limit: IOPubRateLimit, message: Message, until: threading.Event, *, backlog: bool) -> None:
        while True:
            with self._rate_limit_lock:
                now = time.monotonic()
                delay = rate_limit.delay(now, message.type, message.content) if backlog else 0.0
                if delay <= 0 or until.is_set():
                    rate_limit.published(now, message.type, message.content, live=not backlog)
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
        """Publish an error of this kernel, a sentence without a traceback. Return the content of the reply."""
        content = {"ename": ename, "evalue": evalue, "traceback": [f"\x1b[31m{ename}\x1b[0m: {evalue}"]}
        self.send("error", content, parent)
        return {"status": "error", **content}


def _size(message: Message) -> int:
    """Return about how many bytes a message has."""
    data = message.content.get("data")
    texts = [message.content.get("text"), *(data.values() if isinstance(data, dict) else ())]
    return sum(len(text) for text in texts if isinstance(text, str)) + sum(map(len, message.buffers or ()))
