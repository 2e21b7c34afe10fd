"""Machines that lie about their files to the file browser: bounded, and never believed."""

from __future__ import annotations

import asyncio
import time

import pytest
from jupyter_server.services.contents.manager import AsyncContentsManager
from tornado.web import HTTPError

from rpyc_kernel.contents import machines
from rpyc_kernel.contents.machine import BrowsedMachine
from rpyc_kernel.contents.manager import MAX_LISTED, MachineContents
from tests.servers.rpyc_servers import start_server
from tests.servers.sessions import Session
from tests.servers.test_files import lies

ENTRY = "['n%d' % i, 'f', 1, 1, 420, False]"
ENDLESS = f"answer.update(walk=1, entries=[{ENTRY} for i in range(5000)])"


@pytest.fixture
def contents(monkeypatch, tmp_path):
    """The contents of a machine on which a cell may change what the session answers."""
    with start_server() as server, Session(server.address) as session:

        async def connected(_machine):
            return session

        session.up = True
        (tmp_path / "x").write_text("x")
        monkeypatch.setattr(BrowsedMachine, "_connected", connected)
        monkeypatch.setattr(machines.MachineList, "targets", lambda _self: {"pi": None})
        owner = AsyncContentsManager(root_dir=str(tmp_path))
        yield MachineContents(owner), session


def do(awaitable):
    return asyncio.run(awaitable)


def test_names_that_lead_elsewhere_are_not_shown(contents, tmp_path):
    manager, session = contents
    names = ["../evil", "a/b", "/etc", "..", ".", "x" * 5000, "good"]
    lies(session, f"list: answer['entries'] = [[name, 'f', 1, (1 << 62) - 1, 420, False] for name in {names}]")
    listed = do(manager.get(f"pi:{tmp_path}"))
    assert [each["name"] for each in listed["content"]] == ["good"]
    assert listed["content"][0]["last_modified"].year == 2116


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ("list: " + ENDLESS + "; header", 413, f"more than {MAX_LISTED:,} files"),
        ("list: answer['entries'] = 7", 503, "lists of another form"),
        ("list: answer['entries'] = [['\\0', 'f', 1, 1, 1, False]]", 503, "an entry whose name or kind"),
        ("look: answer['found'][0][0] = 5", 503, "an entry whose name"),
    ],
)
def test_listings(contents, tmp_path, change, status, said):
    manager, session = contents
    lies(session, change)
    if "walk" in change:
        lies(session, "more: " + ENDLESS)
        # the worker itself gives up a walk that it doesn't know
        change = "import sys; [setattr(m.Files, 'do_more', lambda self, walk, part: ({}, ())) "
        change += "for n, m in list(sys.modules.items()) if n.endswith('.worker.files')]"
        assert session.run(change)[1]["status"] == "ok"
    began = time.monotonic()
    with pytest.raises(HTTPError, match=said) as raised:
        do(manager.get(f"pi:{tmp_path}"))
    assert (raised.value.status_code, time.monotonic() - began < 30) == (status, True)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ("look: answer['found'][0][2] = 1 << 60", 413, "can be downloaded"),
        ("look: answer['found'][0][2] = 2", 500, "changed while it was read"),
        ("read: buffers[0] = b''", 503, "fewer bytes than it was asked for"),
        ("read: buffers[0] = b'12'", 503, "fewer bytes than it was asked for"),
        ("writable: answer['writable'] = []", 503, "lists of another form"),
    ],
)
def test_files(contents, tmp_path, change, status, said):
    manager, session = contents
    lies(session, change)
    with pytest.raises(HTTPError, match=said) as raised:
        do(manager.get(f"pi:{tmp_path}/x"))
    assert raised.value.status_code == status
    with pytest.raises(HTTPError):
        do(manager.save({"type": "file"}, f"pi:{tmp_path}/x"))
