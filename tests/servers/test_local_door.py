"""The way to the kernel's own server by a port on loopback: both ends prove themselves, or nothing is said."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from rpyc_kernel.errors import DialCancelledError, DialTimeoutError, NobodyListeningError, UnsupportedSchemeError
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.dial import dial
from rpyc_kernel.transport.ways import local
from tests import elsewhere
from tests.kernel.kernels import SOURCE
from tests.unit.sessions import wait_for

SECRET = b"s" * 32


@pytest.fixture
def server(tmp_path):
    """Our own server, on a system without Unix sockets; gives the file that leads to it."""
    folder = tmp_path / "private"
    folder.mkdir(0o700)
    path = folder / "socket"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([elsewhere.FOLDER, str(SOURCE)])}
    command = [sys.executable, "-m", "rpyc_kernel.server.serve", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        wait_for(path.exists)
        yield path
        process.stdin.close()
        process.wait(10.0)
    assert not folder.exists()


def address(path):
    return Address("local", path=str(path))


def test_who_has_read_the_secret_comes_in(server):
    connection = dial(address(server))
    assert "SLAVE" in connection.root().name.upper()
    assert str(connection.address) == "local:"
    connection.close()


@pytest.mark.parametrize("change", ["secret", "port"])
def test_who_has_another_secret_or_port_does_not(server, change, tmp_path):
    door = json.loads(server.read_text())
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        door.update({"secret": SECRET.hex()} if change == "secret" else {"port": closed.getsockname()[1]})
        wrong = tmp_path / "wrong"
        wrong.write_text(json.dumps(door))
        with pytest.raises(NobodyListeningError):
            dial(address(wrong))


def test_a_stranger_who_says_nothing_holds_nobody_up(server):
    port = json.loads(server.read_text())["port"]
    with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
        dial(address(server)).close()


def impostor(tmp_path, says, hangs_up=True):
    """Somebody else listens on the port; gives the file that leads there."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                with sock:
                    sock.sendall(says)
                    while says and sock.recv(1000) and not hangs_up:
                        pass

    threading.Thread(target=serve, daemon=True).start()
    path = tmp_path / "door"
    path.write_text(json.dumps({"port": listener.getsockname()[1], "secret": SECRET.hex()}))
    return path, listener


@pytest.mark.parametrize("says", [b"", b"x" * 16, b"x" * 48, b"x" * 5000])
def test_a_server_that_does_not_know_the_secret_is_not_believed(says, tmp_path):
    path, listener = impostor(tmp_path, says)
    with listener, pytest.raises(NobodyListeningError):
        dial(address(path))


def test_it_ends_in_time_and_when_it_is_cancelled(tmp_path):
    path, listener = impostor(tmp_path, b"x" * 16, hangs_up=False)
    cancel = threading.Event()
    with listener:
        with pytest.raises(DialTimeoutError):
            dial(address(path), timeout=0.3)
        threading.Timer(0.2, cancel.set).start()
        started = time.monotonic()
        with pytest.raises(DialCancelledError):
            dial(address(path), timeout=30.0, cancel=cancel)
        assert time.monotonic() - started < 10.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"port": "1", "secret": ""}',
        '{"port": 70000, "secret": "%s"}' % ("ab" * 32),
        "\xff" * 2000,
    ],
)
def test_a_file_of_another_form_leads_nowhere(text, tmp_path):
    path = tmp_path / "door"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(NobodyListeningError):
        dial(address(path))


def test_without_a_server_and_a_shell_there_is_no_way(monkeypatch):
    monkeypatch.setattr(local.TRANSPORT, "takes_python", False)
    with pytest.raises(UnsupportedSchemeError, match="only a notebook starts a server of its own"):
        dial(Address.parse("local:"))
