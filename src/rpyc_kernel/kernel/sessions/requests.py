"""The requests to one session: who waits for which reply, and which cell shows what comes for it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rpyc_kernel.kernel.loop_only import loop_only

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpyc_kernel.kernel.ports import SessionHost

LOOKED_UP = frozenset({"complete_reply", "inspect_reply"})
MAX_OWN_REQUESTS = 4096

Key = tuple[str, str]
"""The type of a reply, and the ``msg_id`` of its request."""


class PendingRequests:
    """A future for each reply that is waited for, in the order of the requests. It lives in the event loop.

    Attributes:
        adopter: The cell that took the session over and shows what no request of ours asked for, "" for none.
    """

    def __init__(self, host: SessionHost) -> None:
        self.adopter = ""
        self._host = host
        self._futures: dict[Key, asyncio.Future[dict[str, Any]]] = {}
        self._own: OrderedDict[str, None] = OrderedDict()  # the msg_ids of our requests on this link
        self._told: set[str] = set()  # the cells whose line tells of a link that is lost just now

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop."""
        return self._host.loop

    def own(self, msg_id: str) -> None:
        """Take note of a request of ours."""
        self._own[msg_id] = None
        if len(self._own) > MAX_OWN_REQUESTS:
            self._own.popitem(last=False)

    def shown_by(self, msg_id: str) -> str:
        """Return the cell that shows what belongs to a request: its own, or the adopter. Any thread may ask."""
        return self.adopter if self.adopter and msg_id not in self._own else msg_id

    @contextmanager
    def expect(self, key: Key) -> Iterator[asyncio.Future[dict[str, Any]]]:
        """Within it the reply is waited for: the future gets its content, or the error for which none will come."""
        future = asyncio.get_running_loop().create_future()
        self._futures[key] = future
        try:
            yield future
        finally:
            self._futures.pop(key, None)

    @loop_only
    def resolve(self, key: Key, content: dict[str, Any]) -> bool:
        """Give a reply to who waits for it; return whether somebody does."""
        future = self._futures.get(key)
        if future is not None and not future.done():
            future.set_result(content)
        return future is not None

    @loop_only
    def fail(self, error: Exception, msg_id: str = "") -> None:
        """Give the error to who waits for a reply to that request, or with "" to all who wait."""
        for (_reply, request), future in list(self._futures.items()):
            if msg_id in ("", request) and not future.done():
                future.set_exception(error)

    @loop_only
    def waits(self, msg_id: str) -> bool:
        """Tell whether a reply to that request is waited for."""
        return any(request == msg_id for _reply, request in self._futures)

    @loop_only
    def queue(self) -> list[str]:
        """Return the ``msg_id`` of what runs there and of what waits behind it, as far as is known here.

        A session takes cells and comm messages in their order. It answers completion and inspection beside them.
        """
        return [request for reply, request in self._futures if reply not in LOOKED_UP]

    # --- how the link is, in the cells that wait for it

    @loop_only
    def show_link(self, msg_id: str, text: str) -> None:
        """Say how the link is, in the cell that shows that request; `show_end` says there what became of it."""
        cell = self.shown_by(msg_id)
        self._told.add(cell)
        self._host.output.line(cell, text)

    @loop_only
    def show_lost(self, text: str) -> None:
        """Say that the link is lost, in each cell that waits and wasn't told."""
        for reply, request in self._futures:
            if reply == "execute_reply" and self.shown_by(request) not in self._told:
                self.show_link(request, text)

    @loop_only
    def show_end(self, text: str) -> None:
        """Say that the link is lost no longer, in each cell that was told that it is."""
        for cell in self._told:
            self._host.output.line(cell, text)
        self._told.clear()

    @loop_only
    def warn(self, msg_id: str, text: str) -> None:
        """Tell something in the cell that shows that request."""
        self._host.output.say(text, self.shown_by(msg_id), "stderr")
