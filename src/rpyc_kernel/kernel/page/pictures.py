"""Pictures of ``show`` go around the notebook's document to the pages that show them and have our extension. No I/O.

In the document each picture would be base64 in an output that is drawn anew. A page that has found a picture's place
among its outputs says so; from then on the bytes of the pictures go to it by its comm, and the document is given one
every few seconds, and the last one. Where no page has said so, everything goes into the document, as ever.

A page says when it has painted a picture for which that was asked. While this comes within `FREE_S`, pictures go as
they come; else the next one goes when the one before was painted, and the newest takes the place of what waits. While
all pages with the place are hidden, the session is asked to make none.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpyc_kernel.agent.wire import Message
    from rpyc_kernel.kernel.jupyter.pictures import Placed
    from rpyc_kernel.kernel.ports import HasLoop

DOCUMENT_INTERVAL_S = 3.0  # between two pictures that the document is given
FREE_S = 0.2  # so long after a question whether a picture was painted others follow unasked
PATIENCE_S = 10.0  # for an answer; a page that takes longer counts as gone
DRAWN = ("image/jpeg", "image/png")  # what a page can draw; plots go into the document, a few in a second
MAX_PLACES = 256  # that are known; those of which no picture has come for longest are forgotten
MAX_DISPLAYS = 1000  # that a page may name at once


class PictureChannel(Protocol):
    """Leads to the pages, each of which has an id."""

    def send(self, page: str, data: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send *data*, which is JSON, and bytes beside it to a page."""


@dataclass(frozen=True)
class LiveFrame:
    """A picture on its way to pages: its number, what is said of it, and its bytes."""

    number: int
    about: dict[str, Any]
    data: bytes


@dataclass
class Viewer:
    """A page that has a place of pictures.

    Attributes:
        visible: Whether its user can see it.
        got: The number of the last picture that was sent.
        awaited: The number of the picture of which it is to say that it was painted; 0 for none.
        asked_at: When it was last asked for that.
        is_fast: Whether the last answer came within `FREE_S`.
        waiting: The newest picture, if it was not sent yet.
    """

    visible: bool
    got: int = 0
    awaited: int = 0
    asked_at: float = 0.0
    is_fast: bool = False
    waiting: LiveFrame | None = None


@dataclass
class PicturePlace:
    """Where the pictures of one display are shown.

    Attributes:
        cell: The ``msg_id`` of the cell that shows the last one.
        viewers: The pages that have the place, by their ids.
        last: The newest picture.
        held: The newest one, if the document doesn't have it yet.
        given_at: When the document was given one.
        rests: Whether the session was asked to make none.
    """

    cell: str
    viewers: dict[str, Viewer] = field(default_factory=dict)
    last: LiveFrame | None = None
    held: Message | None = None
    given_at: float = 0.0
    rests: bool = False


class PagePictures:
    """Knows which pages show which pictures. Messages come on the links' threads, what pages say in the event loop.

    Args:
        owner: Has the event loop.
        channel: Leads to the pages.
        publish: Gives the document a picture.
        rest: Asks the sessions to make no pictures of a display, or to make them again.
        is_of_page: Tells whether a page with our extension has sent that cell: nobody else is known to look at it.
        clock: Gives seconds.
    """

    def __init__(
        self,
        owner: HasLoop,
        channel: PictureChannel,
        publish: Callable[[Message], None],
        rest: Callable[[str, bool], None],
        is_of_page: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._owner = owner
        self._channel = channel
        self._publish = publish
        self._rest = rest
        self._is_of_page = is_of_page
        self._clock = clock
        self._lock = threading.RLock()
        self._places: OrderedDict[str, PicturePlace] = OrderedDict()
        self._number = 0
        self._pages: dict[str, None] = {}

    # --- what comes from sessions, on the links' threads

    def take(self, message: Message, placed: Placed) -> bool:
        """Send a picture to the pages that show it. Return whether the document needn't have it now."""
        with self._lock:
            place = self._place(placed.display, message.parent)
            self._drop_silent(placed.display, place)
            if message.type != "update_display_data" or placed.mime not in DRAWN or not place.viewers:
                self._weigh(placed.display, place, comes=True)
                place.last, place.held, place.given_at = None, None, self._clock()
                return False
            self._number += 1
            place.last = LiveFrame(self._number, placed.about(), bytes(message.image))
            for page, viewer in place.viewers.items():
                if viewer.visible:
                    self._offer(page, viewer, place.last)
            self._weigh(placed.display, place, comes=True)
            if self._clock() - place.given_at >= DOCUMENT_INTERVAL_S:
                place.held, place.given_at = None, self._clock()
                return False
            if place.held is None and self._owner.loop is not None:
                self._owner.loop.call_soon_threadsafe(self._settle_later, place)
            place.held = message
            return True

    def begun(self, display: str) -> None:
        """Tell the pages of a place that the document has got: one that finds it says so (see `asked`)."""
        with self._lock:
            for page in self._pages:
                self._channel.send(page, {"event": "places", "displays": [display]})

    def ended(self, cell: str) -> None:
        """Give the document the last pictures of a cell that has ended."""
        with self._lock:
            for place in self._places.values():
                if place.cell == cell:
                    self._settle(place)

    def _settle_later(self, place: PicturePlace) -> None:
        """In the event loop: also what a thread shows last comes into the document."""
        assert self._owner.loop is not None
        self._owner.loop.call_later(DOCUMENT_INTERVAL_S, self._settle, place)

    def _settle(self, place: PicturePlace) -> None:
        with self._lock:  # also while it is published, or a newer one might come before it
            held, place.held = place.held, None
            if held is not None:
                place.given_at = self._clock()
                self._publish(held)

    def _place(self, display: str, cell: str) -> PicturePlace:
        place = self._places.setdefault(display, PicturePlace(cell))
        place.cell = cell
        self._places.move_to_end(display)
        if len(self._places) > MAX_PLACES:
            self._settle(self._places.popitem(last=False)[1])
        return place

    # --- what pages say, in the event loop

    def opened(self, page: str) -> None:
        """Tell a new page of the places: the notebook that it shows may have some."""
        with self._lock:
            self._pages[page] = None
            if self._places:
                self._channel.send(page, {"event": "places", "displays": [*self._places]})

    def closed(self, page: str) -> None:
        """Forget a page."""
        with self._lock:
            self._pages.pop(page, None)
            for display, place in self._places.items():
                if place.viewers.pop(page, None) is not None:
                    self._weigh(display, place)

    def asked(self, page: str, data: dict[str, Any]) -> bool:
        """Take what a page says of pictures: ``shown``, ``gone`` or ``painted``. Return whether it was that."""
        kind = data.get("do")
        if kind not in ("shown", "gone", "painted") or page not in self._pages:
            return kind in ("shown", "gone", "painted")
        named = data.get("displays")
        with self._lock:
            for display in named[:MAX_DISPLAYS] if isinstance(named, list) else ():
                place = self._places.get(display) if isinstance(display, str) else None
                if place is None:
                    continue
                if kind == "shown":
                    self._shown(page, place, visible=data.get("visible") is True)
                elif kind == "gone":
                    place.viewers.pop(page, None)
                else:
                    self._painted(page, place, data.get("number"))
                self._weigh(display, place)
        return True

    def _shown(self, page: str, place: PicturePlace, *, visible: bool) -> None:
        viewer = place.viewers.setdefault(page, Viewer(visible))
        viewer.visible = visible
        if not visible:  # what was under way may never be painted
            viewer.waiting, viewer.awaited, viewer.is_fast = None, 0, False
            return
        if viewer.awaited and self._clock() - viewer.asked_at >= FREE_S:  # the answer was lost with the connection
            viewer.awaited, viewer.is_fast = 0, False
        if place.last is not None and place.last.number > viewer.got:
            self._offer(page, viewer, place.last)

    def _painted(self, page: str, place: PicturePlace, number: object) -> None:
        viewer = place.viewers.get(page)
        if viewer is None or not viewer.awaited or number != viewer.awaited:
            return
        viewer.is_fast = self._clock() - viewer.asked_at <= FREE_S
        viewer.awaited = 0
        waiting, viewer.waiting = viewer.waiting, None
        if waiting is not None:
            self._offer(page, viewer, waiting)

    # ---

    def _offer(self, page: str, viewer: Viewer, frame: LiveFrame) -> None:
        """Send a picture, or let it wait until the one before was painted."""
        now = self._clock()
        late = now - viewer.asked_at >= FREE_S
        if viewer.awaited and (late or not viewer.is_fast):
            viewer.waiting = frame
            return
        asks = not viewer.awaited and (late or not viewer.is_fast)
        if asks:
            viewer.awaited, viewer.asked_at = frame.number, now
        viewer.got, viewer.waiting = frame.number, None
        told = {"event": "picture", "number": frame.number, "asks": asks, **frame.about}
        self._channel.send(page, told, [frame.data])

    def _drop_silent(self, display: str, place: PicturePlace) -> None:
        """Forget pages that don't answer; one that comes back hears of it, and says again what it has."""
        for page, viewer in [*place.viewers.items()]:
            if viewer.awaited and self._clock() - viewer.asked_at > PATIENCE_S:
                del place.viewers[page]
                self._channel.send(page, {"event": "places", "displays": [display]})

    def _weigh(self, display: str, place: PicturePlace, *, comes: bool = False) -> None:
        """Have the session rest if nobody looks and a picture *comes* all the same; have it go on if somebody does."""
        hidden = place.viewers and not any(viewer.visible for viewer in place.viewers.values())
        rests = bool(hidden) and self._is_of_page(place.cell)
        if rests != place.rests and (comes or not rests):
            place.rests = rests
            self._rest(display, rests)
