"""``ssh://`` through OpenSSH's own client and server: sessions, and a sentence for each thing that can be wrong."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpyc_kernel.errors import (
    DialCancelledError,
    DialError,
    HostKeyError,
    LoginRefusedError,
    NameNotResolvedError,
    NoPythonError,
    ProgramError,
    ProgramMissingError,
)
from rpyc_kernel.transport import program, remote_python
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import open_broker
from rpyc_kernel.transport.dial import dial
from tests.needs import needs
from tests.servers.sessions import Session
from tests.servers.ssh_servers import SshServer
from tests.servers.test_sessions import gone, works

MACHINE = Address.parse("ssh://machine")


@pytest.fixture
def sshd(monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    with SshServer() as server:
        monkeypatch.setenv("PATH", server.path)
        yield server


@contextlib.contextmanager
def server(monkeypatch: pytest.MonkeyPatch, **options: object) -> Iterator[SshServer]:
    """An sshd that is configured otherwise."""
    with SshServer(**options) as started:  # type: ignore[arg-type]
        monkeypatch.setenv("PATH", started.path)
        yield started


def failing(error: type[DialError], address: Address = MACHINE, timeout: float = 10.0) -> str:
    with pytest.raises(error) as caught:
        dial(address, timeout=timeout)
    said = str(caught.value)
    assert "Traceback" not in said
    assert "\n" not in said
    return said


# --- sessions


@pytest.mark.parametrize("python", ["python3.7", "python3.13"])
def test_a_session_needs_nothing_there_but_a_python(sshd: SshServer, python: str) -> None:
    with Session(f"ssh://machine?python={needs(python)}") as session:
        assert f"python{session.info['python']}".startswith(python)
        works(session)
        assert len(session.run("print('x' * 20_000_000)")[0]) == 20_000_001
        options = "-o BatchMode=yes -o ClearAllForwardings=yes -o IgnoreUnknown=RemoteCommand -o RemoteCommand=none"
        # No connection has a login of its own, and argv tells nothing but that a shell is wanted.
        assert [arguments for _pid, arguments in sshd.commands] == [
            f"-T {options} -- machine /bin/sh -c 'IFS= read -r s; eval \"$s\"'"
        ]


def test_a_stop_gets_there_while_output_flows(sshd: SshServer) -> None:
    with Session("ssh://machine") as session:
        msg_id = session.start("while True: print('x' * 1000)")
        session.until("stream", msg_id)
        session.link.interrupt(msg_id)
        assert session.until("execute_reply", msg_id)[-1].content["ename"] == "KeyboardInterrupt"


def test_the_session_outlives_an_ssh_that_dies_and_the_notebook_goes_on(sshd: SshServer) -> None:
    with Session("ssh://machine") as session:
        session.run("x = 6")
        msg_id = session.start("import time\nfor n in range(30):\n    print(n, flush=True)\n    time.sleep(0.05)")
        session.until("stream", msg_id)
        sshd.kill_clients()
        output = [each for each in session.until("execute_reply", msg_id) if each.type == "stream"]
        assert b"29" in b"".join(bytes(piece) for each in output for piece in each.buffers) or output
        assert session.run("x * 7")[0] == "42"
        assert len(sshd.commands) == 2


def test_the_ssh_server_may_be_away_for_a_while(sshd: SshServer) -> None:
    with Session("ssh://machine") as session:
        session.run("x = 6")
        sshd.stop()
        sshd.kill_clients()
        msg_id = session.start("x * 7")
        while len(sshd.commands) < 3:  # it was tried in vain
            time.sleep(0.02)
        sshd.start()
        assert session.until("execute_result", msg_id)[-1].content["data"]["text/plain"] == "42"


@pytest.mark.needs("linux")
def test_a_gateway_that_hangs_is_replaced(sshd: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "FRESH_S", 0.0)
    monkeypatch.setattr(program, "PROBE_TIMEOUT_S", 0.5)
    with open_broker(MACHINE) as broker:
        os.kill(broker.hello["pid"], signal.SIGSTOP)
        while Path(f"/proc/{broker.hello['pid']}/stat").read_text().rpartition(") ")[2][0] != "T":
            time.sleep(0.005)
        try:
            with open_broker(MACHINE) as another:
                assert another.hello["pid"] != broker.hello["pid"]
        finally:
            os.kill(broker.hello["pid"], signal.SIGKILL)


def test_ssh_and_gateway_end_after_the_last_connection(sshd: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "LINGER_S", 0.2)
    monkeypatch.setattr("rpyc_kernel.agent.serve.mux.PING_INTERVAL_S", 0.1)
    with open_broker(MACHINE) as broker:
        gateway = broker.hello["pid"]
        for _ in range(3):  # each finds the program that is there
            open_broker(MACHINE).close()
    ((ssh, _arguments),) = sshd.commands
    assert gone(gateway)
    assert gone(ssh)


def test_the_gateway_ends_when_the_kernel_is_killed(sshd: SshServer) -> None:
    code = (
        "import sys; from rpyc_kernel.transport.address import Address; "
        "from rpyc_kernel.transport.broker_client import open_broker; "
        "print(open_broker(Address.parse('ssh://machine')).hello['pid'], flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as kernel:
        assert kernel.stdout
        gateway = int(kernel.stdout.readline())
        kernel.kill()
    assert gone(gateway)


def test_an_ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() or not shutil.which("useradd") or not Path("/usr/bin/python3").exists():
        pytest.skip("needs to be root, and a Python that everybody may use")
    name = f"rk{uuid.uuid4().hex[:12]}"
    subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", name], check=True)
    try:
        subprocess.run(["usermod", "-p", "*", name], check=True)  # not locked, and without a password
        path = {"PATH": "/usr/bin:/bin"}
        with server(monkeypatch, user=name, environment=path) as sshd, Session("ssh://machine") as session:
            assert session.run("import os; os.getuid()")[0] == str(pwd.getpwnam(name).pw_uid)
            works(session)
            assert (sshd.home / ".cache" / "rpyc-kernel").owner() == name
    finally:
        subprocess.run(["userdel", "--force", name], check=False)  # what it has run may still be ending


def test_through_another_machine(sshd: SshServer) -> None:
    with (sshd.folder / "config").open("a") as config:
        config.write(f"Host behind\n    HostName 127.0.0.1\n    Port {sshd.port}\n    ProxyJump machine\n")
    with Session("ssh://behind") as session:
        works(session)
    assert any("-J" in arguments or "-W" in arguments for _pid, arguments in sshd.commands) or (
        sshd.log.count("Accepted publickey") >= 2
    )


def test_names_that_differ_in_case_are_two_as_for_ssh(sshd: SshServer) -> None:
    with (sshd.folder / "config").open("a") as config:
        config.write(
            f"Host MyPi\n    HostName 127.0.0.1\n    Port {sshd.port}\nHost mypi\n    HostName nowhere.invalid\n"
        )
    with Session("ssh://MyPi") as session:
        works(session)
    assert "nowhere.invalid" in failing(NameNotResolvedError, Address.parse("ssh://mypi"))


def test_connections_that_the_users_ssh_shares(sshd: SshServer) -> None:
    """Its master stays, with our stderr open, which must not be waited for."""
    with (sshd.folder / "config").open("a") as config:
        config.write(f"ControlMaster auto\nControlPath {sshd.folder}/control\nControlPersist 20\n")
    try:
        with Session("ssh://machine") as session:
            works(session)
            sshd.kill_clients()
            assert session.run("'still here'")[0] == "'still here'"
    finally:
        subprocess.run(["ssh", "-O", "exit", "machine"], check=False, capture_output=True, timeout=10)


def test_what_else_the_user_has_configured_is_for_the_users_own_logins(sshd: SshServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, (sshd.folder / "config").open("a") as config:
        port = taken.getsockname()[1]
        config.write(
            f"RequestTTY force\nRemoteCommand tmux attach\nExitOnForwardFailure yes\nLocalForward {port} x:1\n"
        )
        config.flush()
        with Session("ssh://machine") as session:
            works(session)


# --- logins that print, and shells


NOISE = "head -c 300000 /dev/zero; echo Welcome; echo '0123456789abcdef ready'; echo mail >&2; "


@pytest.mark.parametrize("before", [NOISE, "printf 'no newline'; "], ids=["much", "an unfinished line"])
def test_a_login_that_prints(monkeypatch: pytest.MonkeyPatch, before: str) -> None:
    with (
        server(monkeypatch, more=f'ForceCommand {before} eval "$SSH_ORIGINAL_COMMAND"'),
        Session("ssh://machine") as session,
    ):
        works(session)


@pytest.mark.parametrize("shell", ["dash", "bash", "zsh", "fish", "csh", "tcsh", "busybox"])
def test_the_shells_of_logins_understand_the_command(shell: str, tmp_path: Path) -> None:
    command = [needs(shell), *(["sh"] if shell == "busybox" else []), "-c", remote_python.COMMAND]
    script = b'echo "it\'s $((6 * 7))"\nand this is not read'
    done = subprocess.run(command, input=script, capture_output=True, timeout=20, cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (b"it's 42\n", b"", 0)


# --- what can be wrong


def test_a_changed_key(sshd: SshServer) -> None:
    sshd.make_host_key(known=False)
    sshd.stop()
    sshd.start()
    said = failing(HostKeyError)
    assert "has changed" in said
    line = said.partition("run: ")[2].partition(" and then")[0]
    assert line.startswith("ssh-keygen -f")
    assert "once: ssh machine" in said
    subprocess.run(line, shell=True, check=True, capture_output=True, timeout=20)  # it is a line that works
    assert "doesn't know that machine yet" in failing(HostKeyError)


def test_a_machine_that_ssh_has_never_seen(sshd: SshServer) -> None:
    (sshd.folder / "known_hosts").unlink()
    assert "Run this once in a terminal, and compare the key: ssh machine" in failing(HostKeyError)


@pytest.mark.parametrize("password", [False, True])
def test_a_key_that_is_not_accepted(monkeypatch: pytest.MonkeyPatch, password: bool) -> None:
    with server(monkeypatch, password=password) as sshd:
        sshd.make_key("key")
        said = failing(LoginRefusedError, Address.parse(f"ssh://machine:{sshd.port}"))
    if password:
        assert f"ssh-copy-id -p {sshd.port} machine" in said
        assert "never asked for here" in said
    else:
        assert "ssh-add" in said


def test_a_key_behind_a_passphrase_is_never_asked_for(sshd: SshServer) -> None:
    shutil.copy(sshd.make_key("key", "hunter2").with_suffix(".pub"), sshd.folder / "authorized_keys")
    assert "ssh-add" in failing(LoginRefusedError)


def test_nobody_listens(sshd: SshServer) -> None:
    sshd.stop()
    said = failing(ProgramError)
    assert f"no ssh server listens on port {sshd.port} of 127.0.0.1" in said


def test_a_name_that_is_none(sshd: SshServer) -> None:
    for name in ("no-such-machine.invalid", "bücher.invalid"):
        assert name in failing(NameNotResolvedError, Address.parse(f"ssh://{name}"))


def test_ssh_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no program ssh on this machine. Install OpenSSH's client" in failing(ProgramMissingError)


def test_no_python_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(remote_python, "PLACES", ())
    with server(monkeypatch, environment={"PATH": str(tmp_path)}):
        said = failing(NoPythonError)
    assert "no Python was found there: Python 3.7 or newer is needed there" in said
    assert "--python PATH" in said


@pytest.mark.parametrize("version", ["2.7", "3.6"])
def test_a_python_that_is_too_old_is_named_with_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    monkeypatch.setattr(remote_python, "PLACES", ())
    found = next(iter(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python")), None)
    old = tmp_path / "python3"
    if found:
        old.symlink_to(found)
    else:  # a program that answers as that Python would
        old.write_text(f"#!/bin/sh\ncase $* in *-V*) echo Python {version}.9;; *) exit 86;; esac\n")
        old.chmod(0o755)
    with server(monkeypatch, environment={"PATH": str(tmp_path)}):
        assert f"python3: Python {version}." in failing(NoPythonError)
        (tmp_path / "python3.8").symlink_to(needs("python3.8"))
        with Session("ssh://machine") as session:  # a newer one by its own name is found
            assert session.info["python"].startswith("3.8")
        address = MACHINE.with_python(str(old))
        assert f"{old} can't be used ({old}: Python {version}." in failing(NoPythonError, address)


def test_a_python_that_is_not_there(sshd: SshServer) -> None:
    said = failing(NoPythonError, MACHINE.with_python("ml"))
    assert "no Python 'ml' was found there" in said


def test_a_venv_by_its_name(sshd: SshServer) -> None:
    subprocess.run([needs("python3.8"), "-m", "venv", "--without-pip", str(sshd.home / "ml")], check=True, timeout=60)
    for python in ("ml", "~/ml", "~/ml/bin/python"):
        with Session(str(MACHINE.with_python(python))) as session:
            assert session.run("import sys; sys.prefix")[0] == repr(str(sshd.home / "ml"))


def test_a_login_that_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(monkeypatch, more='ForceCommand echo "This account is currently not available."; exit 1'):
        said = failing(ProgramError)
    assert 'ssh ended with status 1 before a Python there could begin; it said: "This account is' in said


def test_a_login_that_only_echoes_is_no_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(monkeypatch, more="ForceCommand /bin/cat"):
        assert "no Python began there within 3 s; what came was" in failing(ProgramError, timeout=1.0)


def test_a_login_that_says_nothing_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = threading.Event()
    with server(monkeypatch, more="ForceCommand sleep 60") as sshd:
        timer = threading.Timer(0.5, cancel.set)
        timer.start()
        began = time.monotonic()
        with pytest.raises(DialCancelledError):
            dial(MACHINE, timeout=60, cancel=cancel)
        assert time.monotonic() - began < 5
        timer.join()
        assert all(gone(pid) for pid, _arguments in sshd.commands)  # nobody else waits for it


def test_a_full_disk_there(sshd: SshServer, tmp_path: Path) -> None:
    mount = needs("tmpfs")
    subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(sshd.home)], check=True)
    try:
        (sshd.home / "full").write_bytes(bytes(64 << 10))
        with Session("ssh://machine") as session:  # the agent isn't kept there, and the session lives all the same
            works(session)
    finally:
        subprocess.run(["umount", "-l", str(sshd.home)], check=True)
