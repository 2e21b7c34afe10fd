"""The example transport of docs/extend.md, installed by pip, at real servers behind a real web proxy."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rpyc_kernel.errors import DialError, NotRpycError, TransportError
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.dial import dial
from tests.servers.rpyc_servers import free_port, start_server
from tests.servers.transports import ConnectProxy, installed_example


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


def test_the_terminal_commands_know_it(proxy):
    with start_server() as server:
        done = terminal("sessions", proxy.address(server.address))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "No session runs there.\n"
    assert proxy.asked


def test_the_terminal_commands_say_what_is_wrong_in_a_sentence(proxy):
    proxy.answer = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    done = terminal("sessions", proxy.address("board:18812"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "407 Proxy Authentication Required" in done.stderr
    done = terminal("sessions", "proxxy://board")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no way to proxxy://" in done.stderr
