"""The pictures of ``show`` on their way to front ends: each begins its display, and those with names stand in a row."""

from __future__ import annotations

import base64
import html
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import IMAGES, SHOWN, SVG

if TYPE_CHECKING:
    from rpyc_kernel.agent.wire import Message

SHOW_PREFIX = "show-"  # of the display_ids that ``show`` takes
MAX_DISPLAYS = 1024
MAX_NAME_CHARS = 200
MAX_ROW_PIXELS = 100_000
KEPT = ("machine",)  # of what stands in our metadata: what a notebook keeps beside the place

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


@dataclass(frozen=True)
class Placed:
    """A picture that has its place.

    Attributes:
        display: Its ``display_id``.
        mime: Its type.
        width: The pixels that it takes, 0 for as many as it has.
        height: The same.
    """

    display: str
    mime: str = ""
    width: int = 0
    height: int = 0

    def about(self) -> dict[str, Any]:
        """Return what a page is told of it."""
        return {"display": self.display, "mime": self.mime, "width": self.width, "height": self.height}


class Pictures:
    """Begins the display of pictures of ``show`` in a cell that has not shown them yet.

    A kernel that takes a session over gets updates of a display that its own front end has never seen.
    """

    def __init__(self) -> None:
        self._places: OrderedDict[tuple[str, str], None] = OrderedDict()  # by display_id and cell

    def place(self, message: Message) -> Placed | None:
        """Turn the first update of a picture that the cell doesn't show yet into ``display_data``.

        The metadata name the picture's place, by which a page finds it among its outputs.

        Returns:
            What it is; None for any other display.
        """
        transient = message.content.get("transient")
        display = str(transient.get("display_id", "")) if isinstance(transient, dict) else ""
        if not display.startswith(SHOW_PREFIX):
            return None
        key = display, message.parent
        if key not in self._places:
            message.type = "display_data"
        self._places[key] = None
        self._places.move_to_end(key)
        if len(self._places) > MAX_DISPLAYS:
            self._places.popitem(last=False)
        return _put_in(message, display)


def _put_in(message: Message, display: str) -> Placed:
    data, metadata = message.content.get("data"), message.content.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    shown = metadata.get(SHOWN)
    shown = shown if isinstance(shown, dict) else {}
    mime = next((mime for mime in IMAGES if isinstance(data.get(mime), str)), "") if isinstance(data, dict) else ""
    sized = shown if "name" in shown else metadata.get(mime)
    sized = sized if isinstance(sized, dict) else {}
    placed = Placed(display, mime, _pixels(sized.get("width")), _pixels(sized.get("height")))
    ours = {key: str(shown[key]) for key in KEPT if key in shown}
    if isinstance(data, dict) and mime and "name" in shown:
        _put_beside(data, mime, shown)
        metadata = {}
    message.content["metadata"] = {**metadata, SHOWN: {**ours, "show": display}}
    return placed


def _put_beside(data: dict[str, Any], mime: str, shown: dict[str, Any]) -> None:
    """Make a picture with a name a figure in HTML, which front ends put beside others."""
    name = html.escape(str(shown.get("name"))[:MAX_NAME_CHARS])
    image = data.pop(mime)  # which the other machine may have made up
    image = base64.b64encode(image.encode("utf-8", "replace")).decode("ascii") if mime == SVG else html.escape(image)
    size = "".join(f' {key}="{pixels}"' for key in ("width", "height") if (pixels := _pixels(shown.get(key))))
    picture = f'<img src="data:{mime};base64,{image}" alt="{name}"{size}>'
    figure = f'<figure class="rpyc-kernel-show">{picture}<figcaption>{name}</figcaption></figure>'
    data["text/html"] = figure + SIDE_BY_SIDE


def _pixels(value: Any) -> int:
    return value if type(value) is int and 0 < value <= MAX_ROW_PIXELS else 0
