"""`serve --port`: pairing from a terminal, who gets in and who doesn't, and a crowd of strangers."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pexpect
import pytest
import rpyc
from rpyc.core import brine, consts

import rpyc_kernel
from rpyc_kernel.agent.serve import proof
from rpyc_kernel.agent.serve.certificate import make_pem
from rpyc_kernel.transport import proving
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from tests.batch.commands import LINE
from tests.kernel.remotes import wait_until
from tests.needs import needs
from tests.servers.daemons import CODE, PATIENCE, PortDaemon, run_serve
from tests.servers.rpyc_servers import free_port
from tests.servers.sessions import Session
from tests.servers.test_sessions import works
from tests.servers.tls_clients import exactly, pair, prove, tls
from tests.servers.venvs import venv

pytestmark = pytest.mark.needs("posix")


@pytest.fixture
def daemon() -> Iterator[PortDaemon]:
    with PortDaemon("--pair") as daemon:
        yield daemon


def answers(sock: ssl.SSLSocket) -> bool:
    """Whether RPyC is served on a socket: it echoes a ping."""
    body = bytes([consts.MSG_REQUEST]) + brine.dump((7, (consts.HANDLE_PING, (consts.LABEL_VALUE, ("hello",)))))
    sock.sendall(struct.pack("!LB", len(body), 0) + body + b"\n")
    size, packed = struct.unpack("!LB", exactly(sock, 5))
    answer = exactly(sock, size + 1)
    assert not packed
    return answer[0] == consts.MSG_REPLY and brine.load(answer[1:-1]) == (7, (consts.LABEL_VALUE, "hello"))


def closed(sock: socket.socket) -> bool:
    """Whether the other end hangs up, without a byte."""
    sock.settimeout(PATIENCE)
    try:
        return sock.recv(1) == b""
    except (ConnectionResetError, ssl.SSLError):
        return True


@pytest.mark.parametrize("python", [("4.1.5", "3.8"), ("5.0.1", "3.7"), ("6.0.2", "3.13")], ids=lambda each: each[1])
def test_pairing_and_then_a_connection_on_old_pythons_and_new(python: tuple[str, str]) -> None:
    with PortDaemon("--pair", python=venv(python[1], python[0])) as daemon:
        name, key = pair(daemon.port, daemon.code)
        with prove(daemon.port, name, key) as sock:
            assert answers(sock)


def test_a_code_is_shown_beside_a_running_server_until_it_was_used() -> None:
    with PortDaemon() as daemon:
        assert f"rpycs://127.0.0.1:{daemon.port}" in daemon.out.read_text()
        assert "Nobody is paired yet" in daemon.out.read_text()
        with subprocess.Popen(
            [*daemon.command, "--pair"], env=daemon.env, stdout=subprocess.PIPE, text=True, cwd=daemon.home
        ) as asking:
            assert asking.stdout
            line = asking.stdout.readline()
            assert f"%pair 127.0.0.1:{daemon.port}, in a notebook" in line
            code = re.findall(CODE, line)[0]
            name, key = pair(daemon.port, code, "bob@pad")
            assert asking.communicate(timeout=PATIENCE)[0] == "Paired with bob@pad.\n"
            assert asking.returncode == 0
        with prove(daemon.port, name, key) as sock:
            assert answers(sock)
        assert daemon.run("--clients").stdout == "bob@pad\n"
        with pytest.raises(proof.ProofRefusedError, match="no code"):
            pair(daemon.port, code)
        files = [path for path in daemon.home.rglob("*") if path.is_file()]
        assert files
        assert [oct(path.stat().st_mode & 0o777) for path in files] == ["0o600"] * len(files)
        secrets = [code, code.replace("-", ""), key.hex()]
        assert not [each for each in secrets if each in daemon.log + daemon.out.read_text()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_code_that_nobody_uses_is_worth_nothing_when_it_is_shown_no_more(number: int) -> None:
    with (
        PortDaemon() as daemon,
        subprocess.Popen(
            [*daemon.command, "--pair"], env=daemon.env, stdout=subprocess.PIPE, text=True, cwd=daemon.home
        ) as asking,
    ):
        assert asking.stdout
        code = re.findall(CODE, asking.stdout.readline())[0]
        asking.send_signal(number)
        assert asking.wait(PATIENCE) == 128 + number
        with pytest.raises(proof.ProofRefusedError, match="no code"):
            pair(daemon.port, code)


def test_a_code_ends_with_the_server_that_shows_it() -> None:
    with PortDaemon("--pair") as daemon:
        code = daemon.code
        assert daemon.stop() == 0
        daemon.options = tuple(option for option in daemon.options if option != "--pair")
        daemon.start()
        with pytest.raises(proof.ProofRefusedError, match="no code"):
            pair(daemon.port, code)


def test_a_newer_code_replaces_the_one_before_and_is_not_withdrawn_with_it() -> None:
    with PortDaemon() as daemon:
        command = [*daemon.command, "--pair"]
        asking = {"env": daemon.env, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **asking) as first:  # type: ignore[call-overload]
            old = re.findall(CODE, first.stdout.readline())[0]
            with subprocess.Popen(command, **asking) as second:  # type: ignore[call-overload]
                new = re.findall(CODE, second.stdout.readline())[0]
                assert "or a newer one is shown" in first.communicate(timeout=PATIENCE)[1]
                assert first.returncode == 1
                with pytest.raises(proof.ProofRefusedError, match="wrong code"):
                    pair(daemon.port, old)
                assert pair(daemon.port, new)[0] == "ada@laptop"
                assert second.communicate(timeout=PATIENCE)[0] == "Paired with ada@laptop.\n"


def test_five_wrong_codes_and_the_right_one_is_too_late() -> None:
    with PortDaemon("--pair") as daemon:
        code = daemon.wait_for(CODE, daemon.out)[0]
        for _ in range(5):
            with pytest.raises(proof.ProofRefusedError, match="wrong code"):
                pair(daemon.port, "0000-0000-0000-0000")
        with pytest.raises(proof.ProofRefusedError, match="no code"):
            pair(daemon.port, code)
        refused = [each for each in daemon.events() if each["event"] == "refused"]
        assert [each["failures"] for each in refused] == [1, 2, 3, 4, 5, 6]
        assert {each["peer"].rpartition(":")[0] for each in refused} == {"127.0.0.1"}


def test_who_is_forgotten_loses_the_connection_and_gets_in_no_more(daemon: PortDaemon) -> None:
    name, key = pair(daemon.port, daemon.code)
    with prove(daemon.port, name, key) as sock:
        assert answers(sock)
        assert "Forgot ada@laptop" in daemon.run("--forget", name).stdout
        assert closed(sock)
    with pytest.raises(proof.ProofRefusedError, match="unknown"):
        prove(daemon.port, name, key)
    assert daemon.run("--clients").stdout == "Nobody is paired.\n"
    again = daemon.run("--forget", name)
    assert (again.returncode, again.stderr) == (
        1, "Nobody of the name 'ada@laptop' is paired: serve --clients lists who is.\n"
    )  # fmt: skip


def test_without_a_running_server_there_is_no_code() -> None:
    done = run_serve("--pair")
    assert done.returncode == 1
    assert done.stderr.startswith("No server of yours runs here on a port: serve --port 18821 --pair starts one")


def test_a_port_that_is_taken_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_serve("--port", str(port), "--host", "127.0.0.1")
    assert done.returncode == 1
    assert done.stderr == f"127.0.0.1 port {port} can't be listened on: Address already in use.\n"


def test_a_home_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".config").write_text("a file where a folder should be")
    done = run_serve("--port", str(free_port()), home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("The server's certificate and clients can't be kept or read here: ")
    assert done.stderr.count("\n") == 1


def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "garbage.pem").write_text("garbage")
    for name in ("garbage.pem", "none.pem"):
        done = run_serve("--port", str(free_port()), "--certfile", str(tmp_path / name), home=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith(f"{tmp_path / name} can't be used (")
        assert done.stderr.count("\n") == 1


def test_a_key_that_is_encrypted_is_refused_and_no_password_asked_for(tmp_path: Path) -> None:
    """Neither on a terminal nor anywhere else."""
    pem, key = tmp_path / "own.pem", tmp_path / "encrypted.key"
    pem.write_text(make_pem())
    subprocess.run(
        [needs("openssl"), "pkey", "-in", str(pem), "-aes256", "-passout", "pass:hunter2", "-out", str(key)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    options = ["--port", str(free_port()), "--certfile", str(pem), "--keyfile", str(key)]
    done = run_serve(*options, home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{pem} or {key} can't be used (the key is encrypted, ")
    assert done.stderr.count("\n") == 1
    with pexpect.spawn(sys.executable, ["-c", LINE, "serve", *options], timeout=30) as terminal:
        assert terminal.expect(["PEM pass phrase", "the key is encrypted"]) == 1
        terminal.expect(pexpect.EOF)


def test_nobody_but_the_allowed_networks() -> None:
    with PortDaemon("--allow", "192.168.43.0/24", "--allow", "::1") as daemon:
        with socket.create_connection(("127.0.0.1", daemon.port)) as sock:
            assert closed(sock)
        daemon.wait_for("refused, as --allow says")
    with PortDaemon("--allow", "127.0.0.0/8", "--pair") as daemon:
        assert pair(daemon.port, daemon.code)[0] == "ada@laptop"


def test_rpyc_before_the_proof_gets_nothing(daemon: PortDaemon) -> None:
    for open_socket in (lambda: socket.create_connection(("127.0.0.1", daemon.port)), lambda: tls(daemon.port)):
        with open_socket() as sock:
            if isinstance(sock, ssl.SSLSocket):
                exactly(sock, proof.length_of(exactly(sock, 2)))
            sock.sendall(b"\0\0\0\x0b\0\x01\x2c\x51\x51\x0d\x01\x52\x03\x10\x10\x10\n" * 3)
            assert closed(sock)
    assert wait_until(lambda: daemon.count("refused") == 2)
    assert daemon.count("admitted") == 0


def test_slow_ones_have_so_much_time_and_no_more() -> None:
    """Of a handshake that begins and of a proof that comes byte by byte."""
    with PortDaemon("--proof-time", "1") as daemon, ExitStack() as stack:
        silent = stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
        dripping = stack.enter_context(tls(daemon.port))
        begun = time.monotonic()
        try:
            for byte in proof.framed(bytes(200)):
                dripping.sendall(bytes([byte]))
                time.sleep(0.1)  # this is what it does
                if time.monotonic() - begun > PATIENCE:
                    break
        except OSError:
            pass
        assert time.monotonic() - begun < 15
        assert closed(silent)
        assert wait_until(lambda: daemon.count("refused") == 2)


def test_500_strangers_at_once_keep_nobody_out_and_take_no_memory(daemon: PortDaemon) -> None:
    name, key = pair(daemon.port, daemon.code)
    status = Path(f"/proc/{daemon.pid}/status")
    with ExitStack() as stack, closing(prove(daemon.port, name, key)) as before:
        at_first = _figure(status, "VmRSS")
        for number in range(500):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port), 10))
            if number % 2:
                sock.sendall(os.urandom(600) if number % 4 == 1 else b"\x16\x03\x01\x02\x00\x01")  # half a handshake
        assert answers(before)
        with prove(daemon.port, name, key) as after:
            assert answers(after)
        assert _figure(status, "Threads") < 100
        assert _figure(status, "VmRSS") - at_first < 32 << 10
    assert wait_until(lambda: _figure(status, "Threads") <= 3)
    assert len(daemon.events()) < 200


def test_many_clients_at_once_all_get_in(daemon: PortDaemon) -> None:
    """A classroom begins its lesson."""
    name, key = pair(daemon.port, daemon.code)
    socks: list[ssl.SSLSocket] = []
    threads = [threading.Thread(target=lambda: socks.append(prove(daemon.port, name, key))) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(socks) == 40
    assert all(map(answers, socks))
    for sock in socks:
        sock.close()


def test_a_plain_rpyc_client_after_the_proof_with_classic_only() -> None:
    with PortDaemon("--pair") as daemon:
        name, key = pair(daemon.port, daemon.code)
        with pytest.raises(proof.ProofRefusedError, match="not classic"):
            prove(daemon.port, name, key, proof.CLASSIC)
    with PortDaemon("--pair", "--classic") as daemon:
        name, key = pair(daemon.port, daemon.code)
        sock = prove(daemon.port, name, key, proof.CLASSIC)
        connection = rpyc.utils.factory.connect_stream(rpyc.SocketStream(sock), rpyc.core.service.ClassicService)
        with connection:
            assert connection.modules.os.getpid() == daemon.pid
        with prove(daemon.port, name, key) as sock:
            assert answers(sock)


def _figure(status: Path, name: str) -> int:
    """Return a number of ``/proc/PID/status``."""
    return int(re.findall(rf"^{name}:\s+(\d+)", status.read_text(), re.MULTILINE)[0])


@pytest.mark.usefixtures("private_jupyter")
def test_connect_classic() -> None:
    with PortDaemon("--pair", "--classic") as daemon:
        address = Address.parse(f"rpycs://127.0.0.1:{daemon.port}")
        proving.pair(address, daemon.code, Deadline(PATIENCE))
        with rpyc_kernel.connect_classic(str(address)) as connection:
            assert connection.modules.os.getpid() == daemon.pid
        with Session(str(address)) as session:
            works(session)


@pytest.mark.needs("openssl")
def test_certificates_of_an_institution_instead_of_pairing(tmp_path: Path) -> None:
    """Its authority has signed both ends' certificates; who comes with another one is refused in the handshake."""
    authority = certificate(tmp_path, "authority")
    strangers = certificate(tmp_path, "another authority")
    server, client, stranger = (
        certificate(tmp_path, name, by) for name, by in (("server", authority), ("ada", authority), ("eve", strangers))
    )
    files = ("--certfile", f"{server}.pem", "--keyfile", f"{server}.key", "--client-ca", f"{authority}.pem")
    with PortDaemon(*files) as daemon:
        context = ssl.create_default_context(cafile=f"{authority}.pem")
        context.check_hostname = False
        context.load_cert_chain(f"{client}.pem", f"{client}.key")
        with context.wrap_socket(socket.create_connection(("127.0.0.1", daemon.port))) as sock:
            assert answers(sock)
        daemon.wait_for('"admitted".*"client": "ada"')
        context = ssl.create_default_context(cafile=f"{authority}.pem")
        context.check_hostname = False
        context.load_cert_chain(f"{stranger}.pem", f"{stranger}.key")
        with pytest.raises((OSError, EOFError)):
            with context.wrap_socket(socket.create_connection(("127.0.0.1", daemon.port))) as sock:
                answers(sock)
        daemon.wait_for("refused")


def certificate(folder: Path, name: str, authority: Path | None = None) -> Path:
    """Make a key and a certificate, signed by an authority or by itself; returns their path without its ending."""
    made = folder / name.replace(" ", "-")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "9",
    ]
    command += ["-subj", f"/CN={name}", "-keyout", f"{made}.key", "-out", f"{made}.pem"]
    if authority:
        command += ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return made
