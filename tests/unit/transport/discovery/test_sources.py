"""Sources of machines: ssh's configuration, adb, and how several are asked at once. mDNS: tests/faults/test_mdns.py."""

import json
import os
import signal
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.cli import main as cli
from rpyc_kernel.errors import DialCancelledError, NoRegistryError, SourceError
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.discovery import adb, found, sources, ssh_config
from rpyc_kernel.transport.discovery.found import FoundMachine
from rpyc_kernel.transport.discovery.sources import Findings, ask_all, look, table


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """Writes files of the user's folder `.ssh`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    folder = tmp_path / ".ssh"
    folder.mkdir()

    def write(name, text):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        return folder

    return write


@pytest.fixture
def bin_folder(tmp_path, monkeypatch):
    """The only folder in which programs are looked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


# --- ssh's configuration


def test_hosts_without_a_wildcard_in_their_order(ssh):
    folder = ssh(
        "config",
        """
        # Host commented
        Host board pi "quoted"  # behind
          HostName 10.0.0.5
          ProxyJump Host
        HOST=equals
        host = spaced
        Host *.lab !not web?.lab *
        Match host matched
          User ada
        Host board again
        """,
    )
    assert ssh_config.names(folder) == ["board", "pi", "quoted", "equals", "spaced", "again"]


def test_what_is_included_is_read_too(ssh, tmp_path):
    ssh("conf.d/b", "Host bee\nInclude ../config\n")
    ssh("conf.d/a", "Host ay\n")
    (tmp_path / "elsewhere").write_text("Host else\n")
    folder = ssh("config", f"Include conf.d/* {tmp_path}/elsewhere ~/.ssh/missing none/*\nHost last\n")
    assert ssh_config.names(folder) == ["ay", "bee", "else", "last"]


def test_files_that_include_each_other_end(ssh):
    folder = ssh("config", "Include config config config\nHost pi\n")
    assert ssh_config.names(folder) == ["pi"]


def test_a_huge_file_is_bounded(ssh):
    folder = ssh("config", "".join(f"Host h{number}\n" for number in range(300_000)))
    assert len(ssh_config.names(folder)) == found.MAX_FOUND


def test_no_configuration_is_nothing_and_one_that_cannot_be_read_is_a_sentence(ssh):
    folder = ssh("other", "")
    assert ssh_config.names(folder) == []
    (folder / "config").mkdir()
    with pytest.raises(SourceError, match=r"by ssh config: .*config"):
        ssh_config.names(folder)


@given(st.text(max_size=300))
def test_any_text_can_stand_there(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("ssh")
    (folder / "config").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert all(isinstance(name, str) for name in ssh_config.names(folder))


def test_only_what_can_be_pasted_is_listed(ssh):
    ssh("config", "Host board a@b Upper\n")
    assert ssh_config.hosts(Deadline(5)) == [
        FoundMachine("ssh config", name, f"ssh://{name}") for name in ("board", "Upper")
    ]


# --- adb


def test_the_devices_of_adb():
    shown = adb.read(
        "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n"
        "List of devices attached\nR58M\tdevice\n0a388e93\tunauthorized\nserial\toffline\n"
        "????????????\tno permissions (user in plugdev group); see [http://developer.android.com]\n\nnonsense\n"
    )
    assert [each.address for each in shown] == ["adb://R58M", "", "", ""]
    assert [each.note.split(":")[0] for each in shown] == ["", "unauthorized", "offline", "no permissions"]


@given(st.text())
def test_any_output_of_adb_is_read(text):
    assert isinstance(adb.read(text), list)
    assert isinstance(adb.read("List of devices attached\n" + text), list)


@pytest.mark.needs("posix")
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo broken >&2; exit 3", "exit code 3"),
        ("exec /bin/sleep 60", "did not end in time"),
    ],
)
def test_an_adb_that_fails_is_a_sentence(bin_folder, script, words):
    program(bin_folder / "adb", script)
    started = time.monotonic()
    with pytest.raises(SourceError, match=words):
        adb.devices(Deadline(0.5))
    assert time.monotonic() - started < 5


@pytest.mark.needs("posix")
def test_adb_is_run_where_it_is_and_its_server_is_not_waited_for(bin_folder):
    assert adb.devices(Deadline(5)) == []
    server = bin_folder / "server"
    program(
        bin_folder / "adb",
        f'[ "$*" = devices ] || exit 9\n/bin/sleep 20 &\necho $! > {server}\n'
        'printf "List of devices attached\\n0a38\\tdevice\\n"',
    )
    started = time.monotonic()
    try:
        assert adb.devices(Deadline(5)) == [FoundMachine("adb", "0a38", "adb://0a38")]
        assert time.monotonic() - started < 5
    finally:
        os.kill(int(server.read_text()), signal.SIGKILL)


# --- several at once


def test_each_is_told_of_whatever_the_others_do():
    machine = FoundMachine("good", "pi", "pi:18812")

    def late(deadline):
        while not deadline.expired:
            time.sleep(0.01)
        raise NoRegistryError("nobody")

    def fails(deadline):
        raise ZeroDivisionError("ours")

    def hangs(deadline):
        done.wait(20)
        return []

    done = threading.Event()
    found = ask_all({"fails": fails, "hangs": hangs, "late": late, "good": lambda _: [machine] * 500}, Deadline(1))
    done.set()
    assert found.machines == (machine,) * 200
    assert [trouble.partition(":")[0] for trouble in found.troubles] == [
        "No machines were looked for by fails",
        "No machines were looked for by hangs",
        "No registry of RPyC answered",
    ]


def test_it_can_be_stopped():
    cancel = threading.Event()
    threading.Timer(0.1, cancel.set).start()
    done = threading.Event()
    with pytest.raises(DialCancelledError):
        ask_all({"hangs": lambda _: done.wait(20) and []}, Deadline(60, cancel))
    done.set()


def test_the_table_has_no_control_characters():
    shown = table(Findings((FoundMachine("mDNS", "a\x1b[2Jb\u202e", "pi:1", "x\ny"),), ("Why.",)))
    assert shown.splitlines() == [
        "found by  name    address",
        "mDNS      a [2Jb  pi:1     x y",
        "Why.",
    ]
    assert table(Findings((), ("Why.",))) == "Nothing was found.\nWhy."


@pytest.mark.needs("posix")
def test_all_of_it_from_the_command_line(ssh, bin_folder, monkeypatch, capsys):
    """Nobody announces anything here; the machines are those of ssh and adb."""
    monkeypatch.setattr(sources, "discover", lambda **_: {"SLAVE": (("10.0.0.5", 18812),)})
    ssh("config", "Host board\n")
    program(bin_folder / "adb", 'printf "List of devices attached\\n0a38\\tdevice\\n"')
    assert cli.main(["discover", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    addresses = [each["address"] for each in shown["machines"]]
    assert addresses == ["10.0.0.5:18812", "adb://0a38", "ssh://board"]
    assert sources.last.machines[-1].name == "board"
    assert cli.main(["discover"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["found", "by", "name", "address"]


def test_nothing_at_all_is_a_sentence_and_an_exit_code(monkeypatch, capsys):
    monkeypatch.setattr("rpyc_kernel.cli.discover.look", lambda: Findings((), ("Nobody answered.",)))
    assert cli.main(["discover"]) == 1
    assert capsys.readouterr().err == "Nobody answered.\nNothing was found.\n"


def test_without_zeroconf_there_is_a_line_to_install_it(monkeypatch, ssh, bin_folder):
    monkeypatch.setitem(__import__("sys").modules, "zeroconf", None)
    monkeypatch.setattr(sources, "discover", lambda **_: {})
    assert any("pip install 'rpyc-kernel[mdns]'" in trouble for trouble in look().troubles)
    assert os.environ["PATH"] == str(bin_folder)
