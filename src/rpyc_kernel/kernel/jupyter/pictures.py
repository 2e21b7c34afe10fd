"""The pictures of ``show`` on their way to front ends: each begins its display, and those with names stand in a row."""

from __future__ import annotations

import base64
import html
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import IMAGES, SHOWN, SVG

if TYPE_CHECKING:
    from rpyc_kernel.agent.wire import Message

SHOW_PREFIX = "show-"  # of the display_ids that ``show`` takes
MAX_DISPLAYS = 1024
MAX_NAME_CHARS = 200
MAX_ROW_PIXELS = 100_000

# A front end puts each output below the one before. JupyterLab and Notebook 7 call them so; elsewhere they stay there.
SIDE_BY_SIDE = """<style>
.jp-OutputArea-child:has(> * > .rpyc-kernel-show) {
  display: inline-flex; width: auto; max-width: 100%; vertical-align: top;
}
.jp-OutputArea-child:has(> * > .rpyc-kernel-show) ~ .jp-OutputArea-child:has(> * > .rpyc-kernel-show)
  > .jp-OutputPrompt { display: none; }
.rpyc-kernel-show { margin: 0 8px 4px 0; }
.rpyc-kernel-show > img { display: block; height: auto; max-width: 100%; }
.rpyc-kernel-show > figcaption { text-align: center; }
</style>"""


class Pictures:
    """Begins the display of pictures of ``show`` in a cell that has not shown them yet.

    A kernel that takes a session over gets updates of a display that its own front end has never seen.
    """

    def __init__(self) -> None:
        self._places: OrderedDict[tuple[str, str], None] = OrderedDict()  # by display_id and cell

    def place(self, message: Message) -> str:
        """Turn the first update of a picture that the cell doesn't show yet into ``display_data``.

        Returns:
            The picture's ``display_id``; "" for any other display.
        """
        transient = message.content.get("transient")
        display = str(transient.get("display_id", "")) if isinstance(transient, dict) else ""
        if not display.startswith(SHOW_PREFIX):
            return ""
        key = display, message.parent
        if key not in self._places:
            message.type = "display_data"
        self._places[key] = None
        self._places.move_to_end(key)
        if len(self._places) > MAX_DISPLAYS:
            self._places.popitem(last=False)
        _put_beside(message)
        return display


def _put_beside(message: Message) -> None:
    """Make a picture with a name a figure in HTML, which front ends put beside others; one without stays as it is."""
    metadata, data = message.content.get("metadata"), message.content.get("data")
    shown = metadata.pop(SHOWN, None) if isinstance(metadata, dict) else None
    if not isinstance(shown, dict) or not isinstance(data, dict):
        return
    mime = next((mime for mime in IMAGES if isinstance(data.get(mime), str)), None)
    if mime is None:
        return
    name = html.escape(str(shown.get("name"))[:MAX_NAME_CHARS])
    image = data.pop(mime)  # which the other machine may have made up
    image = base64.b64encode(image.encode("utf-8", "replace")).decode("ascii") if mime == SVG else html.escape(image)
    size = "".join(f' {key}="{pixels}"' for key in ("width", "height") if (pixels := _pixels(shown.get(key))))
    picture = f'<img src="data:{mime};base64,{image}" alt="{name}"{size}>'
    figure = f'<figure class="rpyc-kernel-show">{picture}<figcaption>{name}</figcaption></figure>'
    data["text/html"] = figure + SIDE_BY_SIDE
    message.content["metadata"] = {}


def _pixels(value: Any) -> int:
    return value if type(value) is int and 0 < value <= MAX_ROW_PIXELS else 0
