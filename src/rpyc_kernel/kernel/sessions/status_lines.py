"""The one quiet line in a cell that says how a link is. It is updated in place."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rpyc_kernel.kernel.jupyter.publisher import Publisher


class LinkLines:
    """The lines of all cells that run, by ``msg_id``. For any thread: a local cell that waits blocks the event loop."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._cells: dict[str, str] = {}  # the display_id of each line, which no code there can guess, by cell
        self._lock = threading.Lock()  # also of the order in which a line changes

    def show(self, msg_id: str, text: str) -> None:
        """Say how a link is, in that cell's line."""
        with self._lock:
            msg_type = "update_display_data" if msg_id in self._cells else "display_data"
            display = self._cells.setdefault(msg_id, f"link-{uuid.uuid4().hex}")
            content = {"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": display}}
            self._publisher.send(msg_type, content, msg_id)

    def has(self, msg_id: str) -> bool:
        """Whether that cell has a line."""
        return msg_id in self._cells

    def forget(self, msg_id: str) -> None:
        """That cell has ended."""
        with self._lock:
            self._cells.pop(msg_id, None)
