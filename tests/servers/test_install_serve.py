"""`rpyc-kernel install-serve`, over a server on an old Python, with a program in systemd's place."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpyc_kernel.agent.serve.systemd import unit
from rpyc_kernel.cli.main import main
from rpyc_kernel.transport import proving
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from tests import standins
from tests.kernel.remotes import wait_until
from tests.needs import needs
from tests.servers.daemons import CODE, PATIENCE, daemon_environment
from tests.servers.rpyc_servers import Server, free_port, start_server
from tests.servers.sessions import Session
from tests.servers.ssh_servers import SshServer
from tests.servers.test_sessions import works
from tests.unit.sessions import runs

pytestmark = pytest.mark.needs("posix")

HERE = Path(standins.__file__).parent


class Board:
    """A machine with such a server. ``home`` is its user's."""

    def __init__(self, home: Path, server: Server, port: int) -> None:
        self.home, self.server, self.port = home, server, port
        self.program = home / ".local/share/rpyc-kernel/rpyc-kernel-agent.pyz"
        self.unit = home / ".config/systemd/user/rpyc-kernel.service"

    def install(self, *options: str) -> int:
        return main(["install-serve", self.server.address, "--port", str(self.port), "--host", "127.0.0.1", *options])

    @property
    def calls(self) -> list[str]:
        log = self.home / "systemctl.log"
        return [line.removeprefix("--user ") for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def pid(self) -> int:
        return int((self.home / "systemctl.pid").read_text())


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    home = tmp_path / 'ho $me "100%"'
    home.mkdir()
    env = daemon_environment(home, {"PATH": f"{HERE}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""})
    with start_server(rpyc="4.1.5", env={name: env.get(name, "") for name in {*env, *os.environ}}) as server:
        board = Board(home, server, free_port())
        yield board
        if (home / "systemctl.pid").exists():
            os.kill(board.pid, signal.SIGTERM)


def test_it_serves_then_and_says_what_to_do(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    assert board.install() == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == f"Installed on {board.server.address}, and it serves."
    assert "loginctl enable-linger" in said
    assert f"rpyc-kernel pair 127.0.0.1:{board.port}, or %pair 127.0.0.1:{board.port} in a notebook, which" in said
    assert f"{board.program.name}' serve --pair" in said
    assert board.calls == [
        "show-environment",
        "daemon-reload",
        "enable rpyc-kernel.service",
        "restart rpyc-kernel.service",
    ]
    journal = (board.home / "journal").read_text()
    assert f"serves at rpycs://127.0.0.1:{board.port}" in journal
    assert "Python 3.8" in journal


def test_the_unit_keeps_sessions() -> None:
    text = unit(["/usr/bin/python3", "/home/a b/x.pyz", "serve", "--allow", "10.0.0.0/8"])
    assert 'ExecStart="/usr/bin/python3" "/home/a b/x.pyz" "serve" "--allow" "10.0.0.0/8"\n' in text
    for line in ("Type=notify", "KillMode=process", "OOMPolicy=continue", "Delegate=yes", "WantedBy=default.target"):
        assert f"\n{line}\n" in text
    assert r'ExecStart="50%%" "$$x" "a\"b\\"' in unit(["50%", "$x", 'a"b\\'])
    with pytest.raises(ValueError, match="no unit can hold"):
        unit(["a\nExecStart=/bin/false"])


def test_what_is_installed_already_is_left_running_and_other_options_restart_it(board: Board) -> None:
    assert board.install() == 0
    first = board.pid
    written = board.program.stat().st_mtime_ns, board.unit.stat().st_mtime_ns
    assert board.install() == 0
    assert (board.program.stat().st_mtime_ns, board.unit.stat().st_mtime_ns) == written
    assert board.pid == first
    assert board.install("--session-limit", "7", "--allow", "127.0.0.0/8", "--memory-limit", "1G", "--classic") == 0
    assert board.pid != first
    line = re.findall("^ExecStart=.*$", board.unit.read_text(), re.MULTILINE)[0]
    for words in ('"--session-limit" "7"', '"--allow" "127.0.0.0/8"', f'"--memory-limit" "{1 << 30}"', '"--classic"'):
        assert words in line


@pytest.mark.usefixtures("private_jupyter")
def test_sessions_and_pairings_outlive_its_restart(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    assert board.install() == 0
    first = board.pid
    address = Address.parse(f"rpycs://127.0.0.1:{board.port}")
    with subprocess.Popen(
        [sys.executable, str(board.program), "serve", "--pair"],
        env=daemon_environment(board.home), stdout=subprocess.PIPE, text=True,
    ) as asking:  # fmt: skip
        assert asking.stdout
        proving.pair(address, re.findall(CODE, asking.stdout.readline())[0], Deadline(PATIENCE))
    with Session(str(address)) as session:
        session.run("kept = 6")
        assert board.install("--session-limit", "999") == 0
        assert board.pid != first
        assert session.run("kept * 7")[0] == "42"
        first = board.pid
        over_itself = ["install-serve", str(address), "--port", str(board.port), "--host", "127.0.0.1"]
        assert main(over_itself) == 1
        assert "ended meanwhile, as it does where the server that carries it is restarted" in capsys.readouterr().err
        assert wait_until(lambda: (board.home / "systemctl.pid").exists() and board.pid != first)
        assert main(over_itself) == 0
        assert capsys.readouterr().out.startswith("It is up to date on")
        assert session.run("kept * 7")[0] == "42"


def test_remove_ends_it_and_leaves_nothing_of_it(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    assert board.install() == 0
    pid = board.pid
    assert main(["install-serve", board.server.address, "--remove"]) == 0
    assert not board.unit.exists()
    assert not board.program.exists()
    assert wait_until(lambda: not runs(pid))
    assert board.calls[-3:-1] == ["disable --now rpyc-kernel.service", "show-environment"]
    assert main(["install-serve", board.server.address, "--remove"]) == 0
    assert "It is not installed on" in capsys.readouterr().out.splitlines()[-1]


def test_without_systemd_it_is_sent_and_the_line_to_start_it_is_told(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    (board.home / "systemctl.broken").touch()
    assert board.install() == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("which has no systemd for its user that answers. Start it there by")
    assert said[1].endswith(f"serve --port {board.port} --host 127.0.0.1")
    assert said[3].endswith("serve --pair")
    assert said[4].startswith(f"and here rpyc-kernel pair 127.0.0.1:{board.port}, ")
    assert board.program.exists()
    assert not board.unit.exists()


def test_a_service_that_does_not_start_is_a_sentence(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    assert board.install("--certfile", "/no/such/file") == 1
    said = capsys.readouterr().err
    assert "systemctl --user restart rpyc-kernel.service failed: Job for rpyc-kernel.service failed" in said
    assert "journalctl --user -u rpyc-kernel.service" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("python", "sentence"), [("/no/python", "can't be started"), ("/bin/false", "as a Python does")]
)
def test_a_python_that_is_none_changes_nothing(
    board: Board, capsys: pytest.CaptureFixture[str], python: str, sentence: str
) -> None:
    assert board.install("--python", python) == 1
    assert sentence in capsys.readouterr().err
    assert not board.program.exists()
    assert board.calls == []


def test_options_that_do_not_go_together_are_refused_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install-serve", "localhost:1", "--keyfile", "k"]) == 2
    assert "--keyfile goes with a certificate" in capsys.readouterr().err


@pytest.mark.usefixtures("private_jupyter")
def test_a_machine_with_sshd_and_an_old_python_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two commands and one code: then notebooks need no ssh any more."""
    old = needs("python3.7")
    port = free_port()
    path = f"{HERE}{os.pathsep}{os.environ['PATH']}"
    with SshServer(environment={"PATH": path, "XDG_RUNTIME_DIR": "", "PYTHONDONTWRITEBYTECODE": ""}) as machine:
        monkeypatch.setenv("PATH", machine.path)
        assert main(["install-serve", f"ssh://machine?python={old}", "--port", str(port), "--host", "127.0.0.1"]) == 0
        try:
            show_code = next(
                line.strip() for line in capsys.readouterr().out.splitlines() if line.endswith("serve --pair")
            )
            with subprocess.Popen(["ssh", "machine", show_code], stdout=subprocess.PIPE, text=True) as asking:
                assert asking.stdout
                address = Address.parse(f"rpycs://127.0.0.1:{port}")
                proving.pair(address, re.findall(CODE, asking.stdout.readline())[0], Deadline(PATIENCE))
            with Session(str(address)) as session:
                assert session.info["python"].startswith("3.7.")
                works(session)
            assert main(["install-serve", "ssh://machine", "--remove"]) == 0
        finally:
            if (machine.home / "systemctl.pid").exists():
                os.kill(int((machine.home / "systemctl.pid").read_text()), signal.SIGTERM)
