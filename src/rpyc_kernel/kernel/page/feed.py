"""Tells pages how the notebook is connected: when that changes, and while somebody looks, how the machine is."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Protocol

from rpyc_kernel.errors import RpycKernelError
from rpyc_kernel.kernel.loop_only import loop_only

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rpyc_kernel.kernel.ports import HasLoop

COALESCE_S = 0.05  # changes within this time are told as one
FIGURES_INTERVAL_S = 5.0  # as often as jupyter-resource-usage asks
WATCH_S = 90.0  # that a page counts as looked at since it has said so; it says so each minute
MAX_PAGES = 16  # a page that was reloaded says no goodbye

log = logging.getLogger(__name__)


class Channel(Protocol):
    """Leads to the pages, each of which has an id."""

    def send(self, page: str, data: dict[str, Any]) -> None:
        """Send *data*, which is JSON, to a page."""

    def close(self, page: str) -> None:
        """Tell a page that it is told nothing any more."""


class PicturesOfPages(Protocol):
    """Knows which pages show which pictures of ``show``."""

    def opened(self, page: str) -> None:
        """Take note of a new page."""

    def closed(self, page: str) -> None:
        """Forget a page."""

    def asked(self, page: str, data: dict[str, Any]) -> bool:
        """Take what a page says of pictures. Return whether it was that."""


class StatusFeed:
    """The pages that show the notebook, by the ids of their comms. It lives in the event loop."""

    def __init__(
        self,
        owner: HasLoop,
        channel: Channel,
        status: Callable[[], dict[str, Any]],
        figures: Callable[[], Awaitable[dict[str, Any] | None]],
        do: Callable[[dict[str, Any]], Awaitable[Any]],
        pictures: PicturesOfPages,
    ) -> None:
        """Make a feed without pages.

        Args:
            owner: Has the event loop.
            channel: Leads to the pages.
            status: Returns what is told of the connection.
            figures: Returns what is told of the machine, None where nothing is known.
            do: Does what a page asks for, and returns the answer. Raises a RpycKernelError.
            pictures: Is told of the pages, and what they say of pictures.
        """
        self._owner = owner
        self._channel = channel
        self._status = status
        self._figures = figures
        self._do = do
        self._pictures = pictures
        self._doing: set[asyncio.Task[None]] = set()
        self._watched: dict[str, float] = {}  # until when, by the comm's id; the oldest page first
        self._timer: asyncio.TimerHandle | None = None
        self._figuring: asyncio.Task[None] | None = None
        self._told: dict[str, Any] = {}

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop."""
        return self._owner.loop

    @property
    def pages(self) -> list[str]:
        """The ids of the pages' comms."""
        return [*self._watched]

    @loop_only
    def opened(self, page: str) -> None:
        """Tell a new page how the notebook is connected, and from now on each change."""
        self._watched.pop(page, None)
        while len(self._watched) >= MAX_PAGES:
            oldest = next(iter(self._watched))
            self.closed(oldest)
            self._channel.close(oldest)
        self._watched[page] = 0.0
        self._channel.send(page, {"event": "status", "status": self._status()})
        self._pictures.opened(page)

    @loop_only
    def closed(self, page: str) -> None:
        """Tell that page nothing any more."""
        self._watched.pop(page, None)
        self._pictures.closed(page)

    @loop_only
    def asked(self, page: str, data: dict[str, Any]) -> None:
        """Do what a page asks for, which is answered under the request's ``id``.

        With ``watch`` it says whether somebody looks at it; for a while it is told the figures then.
        """
        if data.get("do") == "watch":
            self._watch(page, watched=data.get("watched") is True)
        elif not self._pictures.asked(page, data):
            task = asyncio.get_running_loop().create_task(self._answer(page, data))
            self._doing.add(task)
            task.add_done_callback(self._doing.discard)

    def _watch(self, page: str, *, watched: bool) -> None:
        self._watched[page] = time.monotonic() + WATCH_S if watched else 0.0
        if watched and self._figuring is None:
            self._figuring = asyncio.get_running_loop().create_task(self._tell_figures())

    async def _answer(self, page: str, request: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"event": "answer", "id": request.get("id"), "value": None, "error": ""}
        try:
            answer["value"] = await self._do(request)
        except RpycKernelError as error:
            answer["error"] = str(error)
        except Exception as error:
            log.exception("what a page has asked for could not be done")
            answer["error"] = f"rpyc-kernel itself failed, which is a bug ({type(error).__name__}: {error})."
        self._channel.send(page, answer)

    def changed(self) -> None:
        """Tell all pages soon, if the status has really changed. On any thread."""
        if self.loop is not None and self._watched:
            self.loop.call_soon_threadsafe(self._changed_soon)

    @loop_only
    def _changed_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(COALESCE_S, self._tell_status)

    @loop_only
    def _tell_status(self) -> None:
        self._timer = None
        status = self._status()
        if status != self._told:
            self._told = status
            for page in self.pages:
                self._channel.send(page, {"event": "status", "status": status})

    async def _tell_figures(self) -> None:
        try:
            while any(until > time.monotonic() for until in self._watched.values()):
                figures = await self._figures()
                for page, until in [*self._watched.items()]:
                    if figures is not None and until > time.monotonic():
                        self._channel.send(page, {"event": "figures", "figures": figures})
                await asyncio.sleep(FIGURES_INTERVAL_S)
        finally:
            self._figuring = None
