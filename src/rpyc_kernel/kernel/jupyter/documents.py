"""Cells that a Jupyter server runs for a page, and keeps the output of in the notebook's document.

jupyter-server-documents appends a new output for each update of a display, and jupyter-server-nbmodel ignores updates.
A camera's picture, 30 times a second, would become 30 outputs a second in the document, or stand still. Both know
``clear_output``. So where a cell shows nothing but one picture, it is cleared and shown anew, at a pace that a document
bears. Where it shows more, the last picture follows when the cell ends.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import Message

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL_S = 0.5  # between two pictures


def belongs_to_notebook() -> bool:
    """Return whether a Jupyter server has started this kernel for a notebook: then it knows the notebook's name.

    The kernels of nbclient and of consoles don't.
    """
    return bool(os.environ.get("JPY_SESSION_NAME"))


def is_run_by_server(header: dict[str, Any]) -> bool:
    """Return whether a Jupyter server has sent a cell of a notebook itself, by the request's header.

    The requests of a page have no ``username``, those of other clients do.
    """
    return bool(header.get("username"))


@dataclass
class DocumentCell:
    """What a cell has shown in its document.

    Attributes:
        picture: The ``display_id`` of its first picture, "" before that.
        shows_more: Whether it has shown anything beside that.
        shown_at: When the last picture was shown, by the monotonic clock.
        held: The newest picture, while it must wait.
    """

    picture: str = ""
    shows_more: bool = False
    shown_at: float = 0.0
    held: Message | None = None


class DocumentCells:
    """Decides what of a cell's pictures goes into its document. Any thread may call it.

    Args:
        clock: Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._cells: dict[str, DocumentCell] = {}

    def __contains__(self, msg_id: str) -> bool:
        return msg_id in self._cells

    def begin(self, msg_id: str) -> None:
        """Take note of a cell that a server runs."""
        self._cells[msg_id] = DocumentCell()

    def end(self, msg_id: str) -> list[Message]:
        """Return what is still to be shown of a cell that has ended."""
        with self._lock:
            cell = self._cells.pop(msg_id, None)
        return _shown(cell, cell.held) if cell is not None and cell.held is not None else []

    def admit(self, message: Message, picture: str) -> list[Message]:
        """Return what is to be shown now instead of a message.

        Args:
            message: The output of a cell.
            picture: The ``display_id`` if it is a picture of ``show``, else "".
        """
        with self._lock:
            cell = self._cells.get(message.parent)
            if cell is None:
                return [message]
            if not picture or (cell.picture and cell.picture != picture):
                cell.shows_more = cell.shows_more or message.type != "clear_output"
                if message.type != "update_display_data" or not picture:
                    return [message]
            if not cell.picture:
                cell.picture, cell.shown_at = picture, self._clock()
                return [message]
            cell.held = message
            if cell.shows_more or self._clock() < cell.shown_at + INTERVAL_S:
                return []
            cell.held, cell.shown_at = None, self._clock()
            return _shown(cell, message)


def _shown(cell: DocumentCell, picture: Message) -> list[Message]:
    picture.type = "display_data"
    if cell.shows_more:
        return [picture]
    return [Message("clear_output", {"wait": True}, picture.parent), picture]
