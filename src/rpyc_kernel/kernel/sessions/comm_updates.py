"""Updates of widgets that wait for their Python become one, which has the newest values.

A slider that is dragged while a cell holds the Python there would leave hundreds of updates behind, each of which
calls its callbacks once the cell has ended. What a person wants is where the slider is now. So at most one update of a
comm is under way; what comes meanwhile is merged. Nothing else is merged or left out: no message with buffers and no
custom message, such as a click. These, and cells, send what waits ahead of them, so that all keep their order.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.errors import RpycKernelError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Reply = Awaitable[dict[str, Any]]  # gives the content of a reply

OVERTAKERS = frozenset({"complete_request", "inspect_request", "is_complete_request"})
"""Requests that are answered beside the queue, and send nothing ahead of them."""

MERGED: dict[str, Any] = {"status": "ok"}
"""The content of the reply to an update that a newer one has taken up."""


@dataclass
class Waiting:
    """An update that waits, and what is told once it is sent (its reply) or taken up by a newer one (None)."""

    message: Message
    sent: asyncio.Future[Reply | None]


class CommUpdates:
    """Sends the requests of one session in their order. It lives in the event loop.

    Args:
        send: Sends a request at once, and returns what gives its reply.

    Attributes:
        waiting: The updates that wait, by the ids of their comms.
    """

    def __init__(self, send: Callable[[Message], Reply]) -> None:
        self._send = send
        self._under_way: Counter[str] = Counter()
        self.waiting: dict[str, Waiting] = {}

    async def request(self, message: Message) -> dict[str, Any]:
        """Send a request, now or as an update when it is its turn. Return the content of its reply."""
        comm_id = _updated(message)
        if comm_id is None:
            if message.type not in OVERTAKERS:
                self.flush()
            return await self._send(message)
        if not self._under_way[comm_id]:
            return await self._follow(comm_id, self._begin(comm_id, message))
        sent: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        older = self.waiting.get(comm_id)
        if older is not None:
            state = {**older.message.content["data"]["state"], **message.content["data"]["state"]}
            data = {**message.content["data"], "state": state}
            message = Message(message.type, {**message.content, "data": data}, message.parent, message.metadata)
            if not older.sent.done():
                older.sent.set_result(None)
        self.waiting[comm_id] = Waiting(message, sent)  # in the place of the older one
        reply = await sent
        return dict(MERGED) if reply is None else await self._follow(comm_id, reply)

    def flush(self) -> None:
        """Send what waits, in its order."""
        for comm_id in list(self.waiting):
            self._release(comm_id)

    def _begin(self, comm_id: str, message: Message) -> Reply:
        reply = self._send(message)
        self._under_way[comm_id] += 1
        return reply

    async def _follow(self, comm_id: str, reply: Reply) -> dict[str, Any]:
        try:
            return await reply
        finally:
            self._under_way[comm_id] -= 1
            if not self._under_way[comm_id]:
                del self._under_way[comm_id]
                self._release(comm_id)

    def _release(self, comm_id: str) -> None:
        waiting = self.waiting.pop(comm_id, None)
        if waiting is None or waiting.sent.done():  # its task was cancelled
            return
        try:
            waiting.sent.set_result(self._begin(comm_id, waiting.message))
        except RpycKernelError as error:
            waiting.sent.set_exception(error)


def _updated(message: Message) -> str | None:
    """Return the id of the comm of which a message is a plain update; None for any other message."""
    data = message.content.get("data") if message.type == "comm_msg" else None
    if not isinstance(data, dict) or data.get("method") != "update" or not isinstance(data.get("state"), dict):
        return None
    if message.buffers or data.get("buffer_paths") or not set(data) <= {"method", "state", "buffer_paths"}:
        return None
    return str(message.content.get("comm_id"))
