"""What a page may ask for, and what it is answered: without a machine."""

import asyncio
import threading
from contextlib import contextmanager
from unittest.mock import AsyncMock, create_autospec

import pytest

from rpyc_kernel.errors import ArgumentError, CommandError, DialCancelledError
from rpyc_kernel.kernel.outcomes import Connected, Found
from rpyc_kernel.kernel.page.actions import BesideCells, PageActions
from rpyc_kernel.kernel.sessions.session import RemoteSession
from rpyc_kernel.link.protocol import LinkStatus


class Machines:
    """A notebook's machines.

    Attributes:
        current: The session in which cells run.
        stop: What the stop button calls, None where it has nothing to stop.
    """

    def __init__(self, status=None):
        self.current = self.stop = None
        if status is not None:
            self.current = create_autospec(RemoteSession, instance=True)
            self.current.name, self.current.status = "pi", status
            self.current.closed = status is LinkStatus.CLOSED
        self.connect = AsyncMock(return_value=Connected(self.current, Found.NEW, ("Mind the gap.",)))
        self.actions = PageActions(self, BesideCells(self._stoppable))

    @contextmanager
    def _stoppable(self, stop, *, beside=False):
        assert beside, "the stop button of a cell is not for a page's request"
        self.stop = stop
        yield
        self.stop = None

    def do(self, **request):
        return asyncio.run(self.actions.do(request))


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"do": "reconnect"}, "connected to no machine"),
        ({"do": "restart"}, "connected to no machine"),
        ({"do": "connect"}, "needs the name"),
        ({"do": "connect", "machine": ["pi"]}, "none"),
        ({"do": "connect", "machine": "p" * 5000}, "none"),
        ({"do": ["rm"]}, "doesn't know"),
        ({}, "doesn't know"),
    ],
)
def test_what_can_not_be_done_is_a_sentence(request_, text):
    with pytest.raises((ArgumentError, CommandError), match=text):
        Machines().do(**request_)


def test_a_lost_link_is_dialled_at_once_and_a_session_that_is_gone_begins_anew():
    lost = Machines(LinkStatus.LOST)
    assert lost.do(do="reconnect") == {"machine": "pi", "warnings": []}
    lost.current.hurry.assert_called_once_with()
    lost.current.wait_up.assert_called_once()
    gone = Machines(LinkStatus.CLOSED)
    assert gone.do(do="reconnect") == {"machine": "pi", "warnings": ["Mind the gap."]}
    gone.connect.assert_awaited_once_with("pi", {}, new=True)
    assert Machines(LinkStatus.UP).do(do="reconnect") == {"machine": "pi", "warnings": []}


def test_a_python_that_ends_slowly_is_named():
    machines = Machines(LinkStatus.UP)
    machines.current.restart.return_value = False
    with pytest.raises(CommandError, match="still ending"):
        machines.do(do="restart")
    machines.current.restart.return_value = True
    assert machines.do(do="restart")["machine"] == "pi"


def test_the_stop_button_ends_the_waiting():
    machines = Machines()
    begun = threading.Event()

    def work(cancel):
        begun.set()
        return cancel.wait(10)

    async def main():
        beside = BesideCells(machines._stoppable)
        waiting = asyncio.create_task(beside.blocking(work))
        await asyncio.to_thread(begun.wait, 10)
        machines.stop()
        assert await waiting
        pausing = asyncio.create_task(beside.pause(10, "pi"))
        await asyncio.sleep(0)  # it has begun
        machines.stop()
        with pytest.raises(DialCancelledError):
            await pausing

    asyncio.run(main())
