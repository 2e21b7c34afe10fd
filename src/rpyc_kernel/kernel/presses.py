"""What a press of the stop button means for a request on another machine: by how its link is, and which press it is.

It reaches a request that runs, whatever that does. While the link is down it is delivered once the link is back, and
a second press ends the waiting. On a cell that doesn't stop, a second press names the way out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rpyc_kernel.errors import CommandError, WithdrawnError
from rpyc_kernel.link.session import LinkStatus

if TYPE_CHECKING:
    from rpyc_kernel.kernel.exchange import Exchange
    from rpyc_kernel.kernel.machine import Machine

SOON = 3.0  # seconds between two presses of somebody who sees that nothing happens
SAME = 0.1  # seconds between two that are one: a front end may send both an interrupt and a signal

HINT = (
    "The cell on {name} has been told twice to stop and goes on. %restart, in a cell of its own, ends the Python there "
    "and keeps the connection; the variables are lost then.\n"
)
QUEUED = "link to {name} lost, reconnecting… The cell is stopped when it is back; press stop again to give up waiting."


class Presses:
    """Counts the presses for each request. In the event loop."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._last: tuple[str, float] = "", 0.0  # whose, and when
        self._hinted = ""

    def pressed(self, machine: Machine, msg_id: str) -> None:
        """The stop button was pressed while that request waits for its reply."""
        now = time.monotonic()
        whose, before = self._last
        again = whose == msg_id
        if again and now - before < SAME:
            return
        self._last = msg_id, now
        link, exchange = machine.link, self._exchange
        if link.status is LinkStatus.UP:
            link.interrupt(msg_id)
            exchange.stop_asking(msg_id)
            if again and now - before < SOON and self._hinted != msg_id:
                self._hinted = msg_id
                exchange.warn(machine, msg_id, HINT.format(name=machine.name))
        elif link.status is LinkStatus.LOST:
            if link.withdraw(msg_id):
                exchange.fail_one(msg_id, WithdrawnError(link.address))
            elif again:
                link.give_up()
            else:
                link.interrupt(msg_id)
                exchange.show_link(machine, msg_id, QUEUED.format(name=machine.name))
        else:
            exchange.fail(machine, link.error or CommandError(f"The link to {machine.name} is down."))
