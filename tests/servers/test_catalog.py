"""The list of sessions, choosing and ending, on a real server; by the command `rpyc-kernel` too."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from rpyc_kernel import __version__
from rpyc_kernel.errors import AgentError, DialCancelledError
from rpyc_kernel.link import listing
from rpyc_kernel.transport.address import Address
from tests.servers.rpyc_servers import start_server
from tests.servers.sessions import Session


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server whose sessions nobody else sees."""
    home = tmp_path_factory.mktemp("home")
    private = {name: str(home) for name in ("HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "TMPDIR")}
    with start_server(env=private) as started:
        yield started


def listed(server):
    return listing.sessions(Address.parse(server.address))


def until(condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_what_is_told_of_a_session(server):
    with Session(server.address, name="walk", keep=3600.0, agent=__version__) as session:
        session.run("1+1")
        (entry,) = listed(server)
        assert (entry.session, entry.name, entry.keep) == (session.link.session, "walk", 3600.0)
        assert (entry.answers, entry.busy, entry.held, entry.newer, entry.agent) == (
            True,
            False,
            True,
            False,
            __version__,
        )
        assert 0 <= entry.age < 60
        assert entry.ends_in is None
        cell = session.start("import time; time.sleep(60)")
        until(lambda: listed(server)[0].busy)
        session.link.interrupt(cell)
        session.until("execute_reply", cell)
    assert until(lambda: not listed(server))


def test_one_that_was_left(server):
    session = Session(server.address, name="left", keep=600.0)
    session.__enter__()
    session.start("import time; time.sleep(0.3); print('x' * 100_000)")
    until(lambda: any(each.busy for each in listed(server)))
    session.link.close(end=False)
    entry = until(lambda: next((each for each in listed(server) if not each.busy and not each.held), None))
    assert entry.unread >= 3
    assert entry.unread_bytes > 100_000
    assert 500 < entry.ends_in <= 600
    assert {listing.choose(listed(server), text).session for text in ("le", entry.session[:6])} == {entry.session}
    listing.end(Address.parse(server.address), entry)
    assert listed(server) == []
    listing.end(Address.parse(server.address), entry)  # is gone, which is what was wanted


@pytest.mark.needs("linux")
def test_one_that_is_stopped(server):
    with Session(server.address, name="stopped") as session:
        (entry,) = listed(server)
        assert entry.name == "stopped"
        os.kill(entry.pid, signal.SIGSTOP)
        try:
            (stopped,) = listed(server)
            assert not stopped.answers
            assert "does not answer" in listing.table([stopped])
            with pytest.raises(AgentError, match=f"kill -9 {entry.pid}"):
                listing.end(Address.parse(server.address), stopped)
        finally:
            os.kill(entry.pid, signal.SIGCONT)
        assert session.run("1+1")[0] == "2"


def test_the_command(server):
    def command(*argv):
        code = "import sys; from rpyc_kernel.cli.main import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", code, "sessions", server.address, *argv],
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip

    assert command().stdout == "No session runs there.\n"
    with Session(server.address, name="walk") as session:
        assert session.link.session[:8] in command().stdout
        assert [each["name"] for each in json.loads(command("--json").stdout)] == ["walk"]
        assert command("--end", "nothing").returncode == 1
        done = command("--end", "wa")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"Ended walk on {server.address}.\n", "")


def test_asking_is_cancelled(server):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(DialCancelledError):
        listing.sessions(Address.parse(server.address), cancel=cancel)
