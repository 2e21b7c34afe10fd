"""Shows in a cell what the kernel itself has to say, and what comes from other machines."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.kernel.jupyter.publisher import Publisher


class CellOutput:
    """The kernel's `Output`. Any thread may call it: a local cell that waits for a link blocks the event loop."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._lines: dict[str, str] = {}  # the display_id of each line, which no code there can guess, by cell
        self._lock = threading.Lock()  # also of the order in which a line changes

    def say(self, text: str, msg_id: str, name: str = "stdout") -> None:
        """Print a line of ours on the stream of that *name*."""
        self._publisher.send("stream", {"name": name, "text": text + "\n"}, msg_id)

    def error(self, ename: str, evalue: str, msg_id: str) -> dict[str, Any]:
        """Publish an error of ours, a sentence without a traceback; return the content of the reply to go with it."""
        return self._publisher.error(ename, evalue, msg_id)

    def publish(self, message: Message, until: threading.Event, *, backlog: bool = False) -> None:
        """Publish a message of another machine. It may wait for a slow front end; *until* ends the waiting."""
        self._publisher.publish(message, until, backlog=backlog)

    def line(self, msg_id: str, text: str) -> None:
        """Say how a link is, in the cell's one quiet line, which is updated in place."""
        with self._lock:
            msg_type = "update_display_data" if msg_id in self._lines else "display_data"
            display = self._lines.setdefault(msg_id, f"link-{uuid.uuid4().hex}")
            content = {"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": display}}
            self._publisher.send(msg_type, content, msg_id)

    def has_line(self, msg_id: str) -> bool:
        """Tell whether the cell has such a line."""
        return msg_id in self._lines

    def forget(self, msg_id: str) -> None:
        """Forget the line of a cell that has ended."""
        with self._lock:
            self._lines.pop(msg_id, None)
