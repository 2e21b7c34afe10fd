"""The command `rpyc-kernel`: its options, its exit codes, and that an error is one sentence."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from rpyc_kernel import __version__
from rpyc_kernel.cli import main as cli
from rpyc_kernel.errors import AgentError, NobodyListeningError
from rpyc_kernel.link import listing
from rpyc_kernel.transport.address import Address

PI = {"session": "aa11", "name": "pi", "age": 60, "keep": 3600, "idle": 60}
BOARD = {"session": "bb22", "name": "board", "age": 7200, "busy": True, "held": True, "holder": "ada@laptop"}


@pytest.fixture
def machine(monkeypatch):
    """A machine with two sessions; returns those that were ended."""
    ended = []
    entries = [listing.read(BOARD), listing.read(PI)]
    monkeypatch.setattr(listing, "sessions", lambda address: entries)
    monkeypatch.setattr(listing, "end", lambda address, entry: ended.append((str(address), entry.name)))
    return ended


def refused(capsys, *argv, code):
    """Run a command that is refused; returns its sentence."""
    assert cli.main(argv) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.endswith("\n")
    assert shown.err.count("\n") == 1
    assert shown.err.strip().isprintable()
    return shown.err.strip()


def test_the_list(machine, capsys):
    assert cli.main(["sessions", "pi"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "name   id    started   state  held by     unread   keep",
        "board  bb22  2 h ago   busy   ada@laptop  nothing",
        "pi     aa11  60 s ago  idle   nobody      nothing  60 min, 59 min left",
    ]


def test_the_list_for_programs(machine, capsys):
    assert cli.main(["sessions", "pi", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["busy"], each["keep"]) for each in shown] == [
        ("board", True, None),
        ("pi", False, 3600.0),
    ]


def test_ending(machine, capsys):
    assert cli.main(["sessions", "pi:1", "--end", "bo", "pi", "--end", "aa"]) == 0
    assert machine == [("pi:1", "board"), ("pi:1", "pi")]
    assert capsys.readouterr().out == "Ended board on pi:1.\nEnded pi on pi:1.\n"


def test_nothing_ends_where_one_name_is_wrong(machine, capsys):
    assert "no session 'x'" in refused(capsys, "sessions", "pi", "--end", "pi", "x", code=1)
    assert machine == []


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "COMMAND"),
        (["bogus"], "'bogus'"),
        (["sessions"], "ADDRESS"),
        (["sessions", "pi", "--end"], "--end"),
        (["sessions", "pi", "--end", "x", "--json"], "not allowed with"),
        (["sessions", "pi", "--jso"], "--jso"),
        (["sessions", "http://pi"], "web page"),
        (["install", "--bogus"], "--bogus"),
    ],
)
def test_what_is_written_wrongly(capsys, argv, words):
    assert words in refused(capsys, *argv, code=2)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NobodyListeningError(Address.parse("pi"), "pi", 18812), "No server is listening"),
        (AgentError("On pi: \x1b[2Jno\nroom" + "x" * 10**6), "On pi: [2Jno roomxxx"),
        (PermissionError(13, "Permission denied"), "Permission denied."),
        (ZeroDivisionError("a bug"), "ZeroDivisionError: a bug"),
    ],
)
def test_an_error_is_one_sentence(monkeypatch, capsys, error, words):
    def sessions(address):
        raise error

    monkeypatch.setattr(listing, "sessions", sessions)
    sentence = refused(capsys, "sessions", "pi", code=1)
    assert words in sentence
    assert len(sentence) <= 2000


def test_version_and_help(capsys):
    for option, words in (("--version", f"rpyc-kernel {__version__}\n"), ("--help", "list or end the sessions")):
        with pytest.raises(SystemExit) as ended:
            cli.main([option])
        assert ended.value.code == 0
        assert words in capsys.readouterr().out


@pytest.mark.usefixtures("private_jupyter")
def test_install_is_the_same_by_either_name(capsys):
    assert cli.main(["install", "--name", "board", "--connect", "pi"]) == 0
    assert "Installed the kernel board" in capsys.readouterr().out
    assert cli.main(["install", "--name", "board", "--remove"]) == 0
    with pytest.raises(SystemExit):
        cli.main(["install", "--help"])
    assert "usage: rpyc-kernel install" in capsys.readouterr().out


def start(*argv, **more):
    """The command as a process of its own, as the console script runs it."""
    code = "import sys; from rpyc_kernel.cli.main import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", code, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, **more,
    )  # fmt: skip


def _as_in_a_terminal():
    """Where the tests were started in the background, SIGINT is ignored, and what they start inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.needs("posix")
def test_control_c_is_quiet():
    """While it waits for a machine that accepts connections and says nothing."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = start("sessions", f"127.0.0.1:{silent.getsockname()[1]}", preexec_fn=_as_in_a_terminal)
        timer = threading.Timer(30, process.kill)
        timer.start()
        silent.accept()[0].close()  # it dials again, and waits there
        connection, _address = silent.accept()
        time.sleep(0.3)  # until it waits, of which nothing tells
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        timer.cancel()
        connection.close()
    assert (process.returncode, out, err) == (130, b"", b"")


@pytest.mark.needs("posix")
def test_a_reader_that_has_seen_enough(machine, monkeypatch):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert cli.main(["sessions", "pi"]) == 1


def test_a_terminal_that_knows_few_letters(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(listing, "sessions", lambda address: [listing.read({**PI, "name": "温度"})])
    with (tmp_path / "out").open("w", encoding="ascii") as ascii_only:
        monkeypatch.setattr(sys, "stdout", ascii_only)
        assert cli.main(["sessions", "pi"]) == 0
    assert "\\u6e29" in (tmp_path / "out").read_text()
