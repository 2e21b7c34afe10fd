"""Saved machines are asked how they are: real servers, on the Pythons and RPyCs that there are, and what is none."""

import json
import os
import socket
import sys
import threading
import time

import pytest

from rpyc_kernel import connect
from rpyc_kernel.cli import main as cli
from rpyc_kernel.errors import DialCancelledError
from rpyc_kernel.hosts import ask, file
from rpyc_kernel.hosts.saved import SavedHost
from tests.kernel.remotes import Remote
from tests.needs import needs
from tests.servers.rpyc_servers import free_port
from tests.servers.sessions import Session
from tests.servers.ssh_servers import SshServer
from tests.servers.venvs import VERSIONS

pytestmark = pytest.mark.usefixtures("private_jupyter")


@pytest.fixture
def silent():
    """A port that accepts connections and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(("rpyc", "python"), VERSIONS)
def test_a_machine_tells_what_it_is(rpyc, python):
    with Remote("bare", rpyc=rpyc, python=python) as server, Session(server.address):
        (state,) = ask.ask([SavedHost("pi", server.address)])
    assert (state.name, state.address, state.error, state.reachable) == ("pi", server.address, "", True)
    assert state.python.startswith(python)
    assert state.ipython is False
    assert state.sessions >= 1  # those of tests that run beside this one are seen too
    assert 0 < state.round_trip < 1


def test_the_python_that_is_saved_is_the_one_that_is_asked():
    with Remote("ipython") as server:
        states = ask.ask(
            [
                SavedHost("with", server.address),
                SavedHost("bare", server.address, python=getattr(sys, "_base_executable", sys.executable)),
                SavedHost("wrong", server.address, python="/no/such/python"),
                SavedHost("none", server.address, python="/bin/true"),
            ]
        )
    found = {state.name: state for state in states}
    assert found["with"].ipython is True
    assert found["bare"].python == sys.version.split()[0]
    assert "/no/such/python can't be started there" in found["wrong"].error
    assert "doesn't answer as a Python does" in found["none"].error


def test_all_are_asked_at_once_and_none_makes_the_others_wait(silent):
    with Remote("bare") as server:
        closed = f"127.0.0.1:{free_port()}"
        addresses = [silent] * 40 + [closed, server.address, "http://pi"]
        started = time.monotonic()
        states = ask.ask([SavedHost(f"h{number}", each) for number, each in enumerate(addresses)], timeout=4)
        assert time.monotonic() - started < 8
    assert [state.name for state in states] == [f"h{number}" for number in range(len(addresses))]
    assert not any(state.reachable for state in states[:40])
    assert all(f"{silent} " in state.error for state in states[:40])
    assert "No server is listening" in states[40].error
    assert states[41].reachable
    assert "web page" in states[42].error


def test_a_live_machine_beside_sleeping_ones_is_found(silent):
    with Remote("bare") as server:
        states = ask.ask([SavedHost("dead", silent), SavedHost("live", server.address)], timeout=4)
    assert [state.reachable for state in states] == [False, True]


def test_the_asking_can_be_stopped(silent):
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(DialCancelledError):
        ask.ask([SavedHost("pi", silent)], cancel, timeout=60)
    assert time.monotonic() - started < 5


def test_a_script_connects_by_the_name_with_what_was_saved(tmp_path):
    with Remote("bare") as server:
        file.add(SavedHost("pi", server.address, cwd=str(tmp_path), env={"RK_A": "1", "RK_B": "2"}))
        with connect("pi", env={"RK_B": "3"}) as remote:
            there = remote.modules.os
            assert there.getcwd() == str(tmp_path)
            assert (there.environ["RK_A"], there.environ["RK_B"]) == ("1", "3")
        with connect("pi", cwd=os.sep) as remote:
            assert remote.modules.os.getcwd() == os.sep


def test_a_machine_that_has_only_ssh(monkeypatch, capsys):
    with SshServer() as sshd:
        monkeypatch.setenv("PATH", sshd.path)
        assert cli.main(["hosts", "add", "pi", "ssh://machine", "--python", needs("python3.8")]) == 0
        (state,) = ask.ask(file.load().values())
        assert (state.error, state.python[:4], state.ipython) == ("", "3.8.", False)
        capsys.readouterr()
        assert cli.main(["exec", "pi", "-c", "import sys; print(sys.version_info[:2])"]) == 0
        assert capsys.readouterr().out == "(3, 8)\n"
        assert cli.main(["hosts", "add", "wrong", "ssh://machine", "--python", "/no/such/python"]) == 0
        capsys.readouterr()
        assert cli.main(["hosts", "test", "wrong"]) == 1
        assert "/no/such/python" in capsys.readouterr().out


def test_another_python_of_this_machine(capsys):
    assert cli.main(["hosts", "add", "old", "local:", "--python", needs("python3.8")]) == 0
    (state,) = ask.ask(file.load().values())
    assert (state.error, state.python[:4], state.ipython) == ("", "3.8.", False)


def test_the_command_line(capsys):
    with Remote("bare") as server, Session(server.address, name="walk-of-hosts"):
        assert cli.main(["hosts", "add", "pi", server.address]) == 0
        assert cli.main(["hosts", "test", "pi"]) == 0
        assert cli.main(["sessions", "pi"]) == 0
        shown = capsys.readouterr().out
        assert "walk-of-hosts" in shown.partition("reachable")[2]
        closed = f"127.0.0.1:{free_port()}"
        assert cli.main(["hosts", "add", "off", closed]) == 0
        capsys.readouterr()
        assert cli.main(["hosts", "list"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["name", "address", "state", "round", "trip", "Python", "IPython", "sessions"]
        assert lines[1].split()[:3] == ["pi", server.address, "reachable"]
        assert lines[1].split()[-2] == "no"
        assert lines[2].split() == ["off", closed, "not", "reachable"]
        assert lines[3].startswith(f"off: No server is listening on {closed}.")
        assert cli.main(["hosts", "test", "--json"]) == 1
        shown = capsys.readouterr()
        assert [each["reachable"] for each in json.loads(shown.out)] == [True, False]
        assert shown.err == "Not usable: off.\n"
