"""A `RemoteSession` without a machine: its link and its notebook are doubles, and the test says what comes."""

from __future__ import annotations

import asyncio
import functools
from unittest.mock import create_autospec

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.kernel.ports import CellOutput, SessionHost
from rpyc_kernel.kernel.sessions.comm_table import CommTable
from rpyc_kernel.kernel.sessions.session import RemoteSession
from rpyc_kernel.link.link import Link
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.transport.address import Address


class Machine:
    """What is around one session.

    Attributes:
        link: The link's double.
        host: The notebook's double.
        session: The session itself.
        shown: What was published, as (type, cell, content).
    """

    def __init__(self, name="pi", notebook=None):
        """Make a session there, of a notebook of its own or of that of another `Machine`."""
        self.shown = [] if notebook is None else notebook.shown
        self.link = create_autospec(Link, instance=True)
        self.link.status, self.link.error, self.link.failure = LinkStatus.UP, None, ""
        self.link.address, self.link.session, self.link.title = Address.parse(name), "0123456789abcdef", ""
        self.link.hello, self.link.attached, self.link.behind = {}, {}, 0
        self.host = self._new_notebook() if notebook is None else notebook.host
        self.output = self.host.output
        self.session = RemoteSession(name, self.link.address, self.host, link=self._make_link)

    def _new_notebook(self):
        self.host = create_autospec(SessionHost, instance=True)
        self.host.loop, self.host.comms = None, CommTable()
        self.host.runs.return_value = True
        self.host.arrived_until_now.return_value = 7
        self.output = self.host.output = create_autospec(CellOutput, instance=True)
        self.output.publish.side_effect = lambda message, _until, *, backlog=False: self.shown.append(
            (message.type, message.parent, message.content)
        )
        self.output.error.side_effect = self._error
        return self.host

    def _make_link(self, address, on_message, on_status, session, *, on_refused):
        self._take, self._tell_status, self.refuse = on_message, on_status, on_refused
        return self.link

    def _error(self, ename, evalue, msg_id):
        self.shown.append(("error", msg_id, {"ename": ename, "evalue": evalue}))
        return {"status": "error", "ename": ename, "evalue": evalue}

    def gives(self, msg_type, parent="", *, sealed=False, backlog=False, **content):
        """Have a message come from there."""
        message = Message(msg_type, content, parent)
        message.sealed = sealed
        self._take(message, backlog)

    def becomes(self, status, error=None):
        """Have the link change."""
        self.link.status, self.link.error = status, error
        self._tell_status(status, error)

    async def asks(self, msg_id="a", msg_type="execute_request"):
        """Begin a request of ours; return the task that waits for its reply."""
        task = asyncio.create_task(self.session.request(Message(msg_type, {}, msg_id)))
        await asyncio.sleep(0)
        return task

    @property
    def lines(self):
        """What was said of the link, as (cell, text)."""
        return [call.args for call in self.output.line.call_args_list]


async def settle():
    """Let the event loop do what was given to it."""
    for _ in range(3):
        await asyncio.sleep(0)


def in_loop(test):
    """Run an asynchronous test in the event loop of the notebook's double that it has as *machine*."""

    @functools.wraps(test)
    def run(machine, **fixtures):
        async def main():
            machine.host.loop = asyncio.get_running_loop()
            async with asyncio.timeout(10):
                await test(machine, **fixtures)

        asyncio.run(main())

    return run
