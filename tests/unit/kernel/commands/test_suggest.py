"""What is suggested for a machine and for a session: with files of the user's own, and without any machine."""

import asyncio
import time
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest

from rpyc_kernel.hosts import file, recent
from rpyc_kernel.hosts.saved import SavedHost
from rpyc_kernel.kernel.commands import suggest
from rpyc_kernel.kernel.commands.complete import Argument
from rpyc_kernel.kernel.commands.context import SessionSource
from rpyc_kernel.kernel.outcomes import Hosts
from rpyc_kernel.transport.discovery import sources
from rpyc_kernel.transport.discovery.found import FoundMachine
from rpyc_kernel.transport.discovery.sources import Findings


@pytest.fixture
def source(private_jupyter, tmp_path, monkeypatch):
    """A notebook that knows machines of all kinds."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host pi-by-ssh\n")
    found = (
        FoundMachine(sources.REGISTRY, "SLAVE", "lab:18812"),
        FoundMachine("mDNS", "x", "rpycs://pi.local:18821"),
        FoundMachine("adb", "0a38", "", "locked"),
    )
    monkeypatch.setattr(sources, "last", Findings(found))
    file.add(SavedHost("pi", "10.0.0.5"))
    recent.note("pi-old:18812")
    recent.note("lab:18812")
    double = create_autospec(SessionSource, instance=True)
    double.hosts.return_value = Hosts((SimpleNamespace(label="arm", name="lab:18812"),), None, ("pi-left:18812",))
    double.session_names.return_value = ["walk", "two words"]
    return double


def suggested(source, suggests, typed="", *, quoted=False):
    return asyncio.run(suggest.suggestions(Argument(suggests, typed, 0, quoted), source))


def test_machines_each_once(source):
    assert suggested(source, "machine") == [
        "pi", "arm", "lab:18812", "pi-left:18812", "pi-old:18812", "rpycs://pi.local:18821", "service:SLAVE", "ssh://pi-by-ssh"
    ]  # fmt: skip
    assert suggested(source, "machine", "serv") == ["service:SLAVE"]
    assert suggested(source, "machine", "PI") == ["pi", "pi-left:18812", "pi-old:18812"]
    assert suggested(source, "machine", "ssh") == ["ssh://pi-by-ssh"]


def test_sessions_and_their_quotes(source):
    assert suggested(source, "session") == ["walk", '"two words"']
    assert suggested(source, "session", "w") == ["walk"]


def test_files_of_this_machine(source, tmp_path, monkeypatch):
    """``~`` stays as it was typed: the command expands it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "certs").mkdir()
    for name in ("ca.pem", "my own.key"):
        (tmp_path / "certs" / name).touch()
    assert suggested(source, "file", "ce") == ["certs/"]
    assert suggested(source, "file", "~/certs/c") == ["~/certs/ca.pem"]
    assert suggested(source, "file", f"{tmp_path}/certs/m") == [f'"{tmp_path}/certs/my own.key"']
    assert suggested(source, "file", f"{tmp_path}/certs/m", quoted=True) == [f"{tmp_path}/certs/my own.key"]
    assert suggested(source, "file", "/nowhere/x") == suggested(source, "file", "~nobody/x") == []


def test_hidden_files_are_suggested_where_the_dot_was_typed(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ".ssh/" not in suggested(source, "file")
    assert suggested(source, "file", ".s") == [".ssh/"]


def test_without_a_machine_there_are_no_files_of_it(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").touch()
    source.current = None
    assert suggested(source, "remote file", "d") == []
    assert suggested(source, "either file", "d") == ["data"]


@pytest.mark.parametrize(
    ("typed", "reply", "found"),
    [
        ("fr", {"matches": ["frames", "from", "frozenset(", "%%fr"], "cursor_start": 0}, (["frames"], 10)),
        ("df.co", {"matches": ["copy", "count"], "cursor_start": 3}, (["copy", "count"], 13)),
        ("", {"matches": ["_x", "df", "print"], "cursor_start": 0}, (["df"], 10)),
        ("_", {"matches": ["_x"], "cursor_start": 0}, (["_x"], 10)),
        ("fr", {"matches": "frames", "cursor_start": 0}, ([], 10)),
        ("fr", {"matches": [7, None], "cursor_start": 0}, ([], 10)),
        ("fr", {"matches": ["frames"], "cursor_start": -3}, ([], 10)),
        ("fr", {"matches": ["frames"], "cursor_start": 3}, ([], 10)),
        ("fr", {}, ([], 10)),
    ],
)
def test_expressions(typed, reply, found):
    assert suggest.of_expression(reply, Argument("remote value", typed, 10, quoted=False)) == found


def test_a_broken_file_hides_only_its_own_machines(source):
    file.path().write_text("[pi")
    assert suggested(source, "machine", "pi") == ["pi-left:18812", "pi-old:18812"]


def test_what_takes_too_long_is_left_out(source, monkeypatch):
    monkeypatch.setattr(suggest, "TIMEOUT_S", 0.05)
    source.session_names.side_effect = lambda: time.sleep(1) or ["late"]  # there is nothing to wait for: it is slow
    assert suggested(source, "session") == []
