"""Begins the display of pictures of ``show`` in a cell that has not shown them yet.

A kernel that takes a session over gets updates of a display that its own front end has never seen.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rpyc_kernel.agent.wire import Message

PREFIX = "show-"  # of the display_ids that ``show`` takes
MAX_DISPLAYS = 1024


class Pictures:
    """The displays of pictures, by the cell that shows them."""

    def __init__(self) -> None:
        self._places: OrderedDict[tuple[str, str], None] = OrderedDict()  # by display_id and cell

    def place(self, message: Message) -> None:
        """Turn the first update of a display that the cell doesn't show yet into ``display_data``."""
        transient = message.content.get("transient")
        display = str(transient.get("display_id", "")) if isinstance(transient, dict) else ""
        if not display.startswith(PREFIX):
            return
        key = display, message.parent
        if key not in self._places:
            message.type = "display_data"
        self._places[key] = None
        self._places.move_to_end(key)
        if len(self._places) > MAX_DISPLAYS:
            self._places.popitem(last=False)
