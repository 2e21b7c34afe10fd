"""What a press of the stop button means for a request on another machine: by how its link is, and which press it is.

It reaches the request that runs, whatever that does, and none of those that wait behind it. While the link is down it
is kept and delivered once the link is back; the cell waits for that only a moment, and not at all after a second press.
Where a second press doesn't end a cell soon, the cell names the way out.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from rpyc_kernel.errors import CommandError, WaitingStoppedError, WithdrawnError
from rpyc_kernel.link.protocol import LinkStatus

if TYPE_CHECKING:
    from rpyc_kernel.kernel.sessions.requests import Exchange
    from rpyc_kernel.kernel.sessions.session import Machine

SOON = 3.0  # seconds between two presses of somebody who sees that nothing happens
SAME = 0.1  # seconds between two that are one: a front end may send both an interrupt and a signal
GRACE = 5.0  # seconds that a cell that was stopped waits for the link
PATIENCE = 2.0  # seconds that a cell has to end after a second press

HINT = (
    "The cell on {name} has been told twice to stop and goes on. %restart, in a cell of its own, ends the Python there "
    "and keeps the connection; the variables are lost then.\n"
)
KEPT = "link to {name} lost, reconnecting… The cell is stopped when it is back; press stop again to wait no longer."


class Presses:
    """Counts the presses for each request. In the event loop."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._last: tuple[list[str], float] = [""], 0.0  # whose, with what waited behind it, and when
        self._hinted = ""

    def pressed(self, machine: Machine, msg_id: str) -> None:
        """The stop button was pressed while that request waits for its reply, maybe behind others."""
        now = time.monotonic()
        link, exchange = machine.link, self._exchange
        queue = [msg_id]
        if link.status is LinkStatus.UP:
            queue = exchange.queue(machine) or queue
            msg_id = queue[0]
        before, then = self._last
        if msg_id in before and now - then < SAME:
            return
        again = before[0] == msg_id
        self._last = queue, now
        if link.status is LinkStatus.UP:
            link.interrupt(msg_id)
            exchange.stop_asking(msg_id)
            if again and now - then < SOON and self._hinted != msg_id:
                self._hinted = msg_id
                asyncio.get_running_loop().call_later(PATIENCE, self._hint, machine, msg_id)
        elif link.status is LinkStatus.LOST:
            if not link.was_tried(msg_id):
                link.withdraw(msg_id)
                exchange.fail_one(msg_id, WithdrawnError(link.address))
            elif again:
                self._wait_no_longer(machine, msg_id)
            else:
                link.interrupt(msg_id)
                exchange.show_link(machine, msg_id, KEPT.format(name=machine.name))
                asyncio.get_running_loop().call_later(GRACE, self._wait_no_longer, machine, msg_id)
        else:
            exchange.fail(machine, link.error or CommandError(f"The link to {machine.name} is down."))

    def _hint(self, machine: Machine, msg_id: str) -> None:
        if self._exchange.waits(msg_id):
            self._exchange.warn(machine, msg_id, HINT.format(name=machine.name))

    def _wait_no_longer(self, machine: Machine, msg_id: str) -> None:
        link = machine.link
        if link.status is LinkStatus.LOST and self._exchange.waits(msg_id):
            link.withdraw(msg_id)
            self._exchange.fail_one(msg_id, WaitingStoppedError(link.address, link.failure))
