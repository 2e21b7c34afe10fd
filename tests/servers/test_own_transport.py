"""The example transport of docs/extend.md, installed by pip, at real servers behind a real web proxy."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import rpyc_kernel
from rpyc_kernel.errors import DialError, NoAnswerError, NotRpycError, TransportError
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import open_broker
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.dial import dial
from tests.needs import needs
from tests.servers.rpyc_servers import free_port, start_server
from tests.servers.sessions import Session
from tests.servers.transports import ConnectProxy, installed_example, write_package


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    monkeypatch.syspath_prepend(installed_example())
    yield
    sys.modules.pop("rpyc_kernel_proxy", None)


@pytest.fixture
def proxy():
    with ConnectProxy() as proxy:
        yield proxy


@pytest.mark.parametrize("rpyc", ["6.0.2", "5.3.1"])
def test_it_leads_to_a_server_of_any_dialect(proxy, rpyc):
    with start_server(rpyc=rpyc) as server:
        connection = dial(Address.parse(proxy.address(server.address)))
        assert connection.root().name.endswith("SlaveService")
        connection.close()
    assert set(proxy.asked) == {f"CONNECT {server.address} HTTP/1.1"}


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "the proxy answered b'HTTP/1.1 403 Forbidden"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the proxy answered b'SSH-2.0"),
        (b"\r\n\r\n", "the proxy answered"),
        (b"x" * 5000 + b"\n\n", "the proxy answered b'xxx"),
    ],
)
def test_what_the_proxy_answers_is_told(proxy, answer, part):
    proxy.answer = answer
    with pytest.raises(TransportError) as caught:
        dial(Address.parse(proxy.address("board:18812")))
    assert part in str(caught.value)
    assert "rpyc-kernel-proxy" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_what_is_no_rpyc_server_behind_it(proxy):
    proxy.answer = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 400 Bad Request\r\n\r\n"
    with pytest.raises(NotRpycError, match="it speaks HTTP"):
        dial(Address.parse(proxy.address("board:80")))


def test_a_proxy_that_says_nothing(proxy):
    proxy.answer = b""
    with pytest.raises(DialError, match=r"did not answer within 0\.5 s"):
        dial(Address.parse(proxy.address("board:18812")), timeout=0.5)


def test_no_proxy_there():
    port = free_port()
    with pytest.raises(TransportError, match=f"proxy://127.0.0.1:{port}/board:18812: Connection refused"):
        dial(Address.parse(f"proxy://127.0.0.1:{port}/board:18812"))


def terminal(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rpyc_kernel.cli.main", *argv]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed_example()), *filter(None, sys.path)])}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, stdin=subprocess.DEVNULL)


def test_the_terminal_commands_know_it(proxy, tmp_path):
    alone = {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}  # other tests have sessions, too
    with start_server(env=alone) as server, Session(proxy.address(server.address), name="behind it"):
        done = terminal("sessions", proxy.address(server.address))
        assert (done.returncode, done.stderr) == (0, "")
        assert re.search("^behind it +[0-9a-f]{8} ", done.stdout, re.MULTILINE)  # and whatever other tests have
    assert proxy.asked


def test_the_terminal_commands_say_what_is_wrong_in_a_sentence(proxy):
    proxy.answer = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    done = terminal("sessions", proxy.address("board:18812"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "407 Proxy Authentication Required" in done.stderr
    done = terminal("sessions", "proxxy://board")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no way to proxxy://" in done.stderr


# --- sockets of other kinds

TLS = """
import socket, ssl
def way(address, deadline):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection((address.host, address.port), deadline.left()))
"""
PROGRAM = """
import socket, subprocess, sys
RELAY = '''
import os, select, socket, sys
host, port = sys.argv[1:]
there = socket.create_connection((host, int(port)))
while True:
    for end in select.select([0, there], [], [])[0]:
        piece = os.read(0, 65536) if end == 0 else there.recv(65536)
        if not piece:
            sys.exit()
        there.sendall(piece) if end == 0 else os.write(1, piece)
'''
started = []
def way(address, deadline):
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-c", RELAY, address.host, str(address.port)]
        started.append(subprocess.Popen(command, stdin=theirs, stdout=theirs))
    return ours
"""


@pytest.fixture
def way(tmp_path, monkeypatch):
    """Installs a package whose source is given, with the scheme `odd`."""
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda source: write_package(tmp_path, "odd-transport", {"odd": "way"}, source)
    sys.modules.pop("odd_transport", None)


@pytest.fixture
def certificate(tmp_path):
    """The files of a key and a certificate that nobody else trusts."""
    make = [needs("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", "1"]
    files = [str(tmp_path / "key"), str(tmp_path / "cert")]
    subprocess.run([*make, "-keyout", files[0], "-out", files[1]], check=True, capture_output=True)
    return files


SERVICE = """
class Doubling(Service):
    def exposed_double(self, thing, callback=None):
        return callback(thing * 2) if callback else thing * 2
"""


def test_a_service_is_reached_through_it_too(proxy):
    with start_server(before=SERVICE, service="Doubling") as server:
        root = rpyc_kernel.service(proxy.address(server.address))
        assert root.double(21) == 42
        assert root.double(21, callback=lambda number: number + 1) == 43
        root.____conn__.close()


def test_a_service_is_reached_over_tls_too(way, certificate):
    way(TLS)
    before = f"from rpyc.utils.authenticators import SSLAuthenticator\n{SERVICE}"
    options = "authenticator=SSLAuthenticator({!r}, {!r})".format(*certificate)
    with start_server(before=before, service="Doubling", options=options) as server:
        root = rpyc_kernel.service(f"odd://{server.address}")
        for size in (1, 20_000, 300_000):
            assert root.double(b"x" * size) == b"x" * 2 * size
            assert root.double(b"x" * size, callback=len) == 2 * size
        root.____conn__.close()


@pytest.mark.parametrize("rpyc", ["6.0.2", "5.3.1"])
def test_tls_over_a_socket(way, certificate, rpyc):
    """Requests larger and smaller than TLS's own records, in both directions, and a read that ends at its deadline."""
    way(TLS)
    before = "from rpyc.utils.authenticators import SSLAuthenticator"
    options = "authenticator=SSLAuthenticator({!r}, {!r})".format(*certificate)
    with start_server(rpyc=rpyc, before=before, options=options) as server:
        broker = open_broker(Address.parse(f"odd://{server.address}"))
        sizes = [1, 20_000, 3_000_000]
        for size in sizes:
            answer, _ = broker.call("hello", {"padding": "x" * size}, timeout=60)
            assert answer["python"]
        for timeout in (0.0, 0.2):
            with pytest.raises(NoAnswerError):
                broker.connection._stream.read(Deadline(timeout))
        assert broker.call("hello", {}, timeout=60)[0]["python"]
        broker.close()


def test_a_program_behind_a_socket_pair(way):
    way(PROGRAM)
    with start_server() as server:
        broker = open_broker(Address.parse(f"odd://{server.address}"))
        assert broker.call("hello", {"padding": "x" * 300_000}, timeout=60)[0]["python"]
        broker.close()
        for program in sys.modules["odd_transport"].started:
            assert program.wait(20) == 0
