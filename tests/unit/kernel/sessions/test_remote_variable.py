"""The name ``remote`` in local cells: who gets it, and what it says of the link; without rpyc and a machine."""

import asyncio
import io
import sys
import threading
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.kernel.cells import Cell, RunningCells
from rpyc_kernel.kernel.ports import CellOutput
from rpyc_kernel.kernel.sessions.remote_variable import CurrentSession, RemoteVariable
from rpyc_kernel.kernel.sessions.session import RemoteSession
from rpyc_kernel.link.protocol import LinkStatus
from rpyc_kernel.live.remote import Remote


class Now:
    """Blocks, and isn't stopped."""

    async def blocking(self, work):
        return work(threading.Event())


class Local:
    """The local cells of a notebook whose session is a double."""

    def __init__(self):
        self.names = {}
        self.session = create_autospec(RemoteSession, instance=True)
        self.session.name, self.session.closed, self.session.has_python = "pi", False, True
        self.session.remote = create_autospec(Remote, instance=True)
        self.source = create_autospec(CurrentSession, instance=True)
        self.source.current = self.source.resolve.return_value = self.session
        self.cells = create_autospec(RunningCells, instance=True)
        self.output = self.cells.output = create_autospec(CellOutput, instance=True)
        shell = SimpleNamespace(user_ns=self.names)
        self.variable = RemoteVariable(shell, self.source, Now(), self.cells)
        self.cell = Cell("cell", 1, 1, silent=False, store_history=True, allow_stdin=False)

    def give(self, code):
        asyncio.run(self.variable.give(code, self.cell))
        return self.names.get("remote")


@pytest.fixture
def local():
    return Local()


def test_a_cell_that_mentions_it_gets_it_and_connects_for_it(local):
    remote = local.give("print(remote.eval('x'))")
    assert remote is local.session.remote
    assert remote.parent == "cell"
    local.source.resolve.assert_awaited_once_with(local.cell)


def test_it_is_not_waited_for_where_a_python_runs_and_it_is_where_none_does(local):
    local.give("remote")
    local.session.wait_for_python.assert_not_called()
    local.session.has_python = False
    local.give("remote")
    local.session.wait_for_python.assert_called_once()


def test_a_cell_that_does_not_mention_it_connects_to_nothing(local):
    assert local.give("remotely = 1") is None
    local.source.resolve.assert_not_called()


def test_a_cell_that_may_use_it_in_a_function_has_it_on_its_own_behalf(local):
    local.give("def f(): return remote.eval('x')")
    local.variable.take_back()
    local.session.remote.parent = "before"
    assert local.give("f()").parent == "cell"
    local.session.closed = True
    local.session.remote.parent = "before"
    local.give("f()")
    assert local.session.remote.parent == "before"


def test_what_the_user_has_named_so_stays(local):
    local.names["remote"] = "mine"
    assert local.give("remote") == "mine"


def test_what_the_cell_has_printed_is_shown_before_what_comes_for_it(local, monkeypatch):
    flushed = create_autospec(io.StringIO, instance=True)
    monkeypatch.setattr(sys, "stdout", flushed)
    local.variable.before(Message("stream", {}, "cell"))
    local.give("remote")
    local.cells.watch.assert_called_once_with(local.variable)
    local.variable.before(Message("stream", {}, "another"))
    flushed.flush.assert_not_called()
    local.variable.before(Message("stream", {}, "cell"))
    flushed.flush.assert_called_once()
    local.variable.take_back()
    local.cells.unwatch.assert_called_once_with(local.variable)
    local.session.remote.flush.assert_called_once()


def test_a_cell_that_waits_for_a_lost_link_says_so_and_another_does_not(local):
    local.give("remote")
    local.session.has_waiting_connection = False
    local.variable.changed(local.session, LinkStatus.LOST)
    local.variable.changed(create_autospec(RemoteSession, instance=True), LinkStatus.LOST)
    local.output.line.assert_not_called()
    local.session.has_waiting_connection = True
    local.variable.changed(local.session, LinkStatus.LOST)
    local.output.line.assert_called_once_with("cell", "link to pi lost, reconnecting…")
    local.output.has_line.return_value = True
    local.variable.changed(local.session, LinkStatus.UP)
    assert local.output.line.call_args.args[1] == "link to pi was lost, and is back"


def test_many_round_trips_are_told_in_that_cell(local):
    remote = local.give("remote")
    remote.on_many(SimpleNamespace(trips=1001))
    text, cell, stream = local.output.say.call_args.args
    assert text.startswith("More than 1,000 round trips to pi in this cell")
    assert (cell, stream) == ("cell", "stderr")
