"""``%forward``: a port of the other machine on this one, for whatever speaks TCP."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.proxy import RST, Proxy
from tests.kernel.client import Client
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote
from tests.kernel.results import refused

pytestmark = pytest.mark.mainly("plain")

TIMEOUT_S = 30
THERE = "127.0.0.2"  # as if it were another machine's localhost: the same port is free on 127.0.0.1


class Echo:
    """A server that sends back all that comes, and `end` when its client has said that nothing more comes."""

    def __init__(self, host: str = THERE, port: int = 0) -> None:
        self._listener = socket.create_server((host, port))
        self.port: int = self._listener.getsockname()[1]
        self.where = f"{host}:{self.port}"
        self.stalled = threading.Event()  # while it is set, nothing is read
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=self._listener.accept()[:1], daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            while data := sock.recv(65536):
                if data.startswith(b"GET "):
                    sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")
                    return
                if data == b"stall":
                    self.stalled.wait(TIMEOUT_S)
                sock.sendall(data)
            sock.sendall(b"end")

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


def local_port(client: Client, command: str) -> int:
    said = client.good(command).stdout
    found = re.search(r" is http://localhost:(\d+) here", said)
    assert found, said
    return int(found[1])


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), TIMEOUT_S)


def read(sock: socket.socket, count: int) -> bytes:
    found = bytearray()
    while len(found) < count and (data := sock.recv(65536)):
        found += data
    return bytes(found)


def asked(sock: socket.socket, data: bytes) -> bytes:
    sock.sendall(data)
    return read(sock, len(data))


def ended(sock: socket.socket) -> bool:
    try:
        return not sock.recv(1)
    except ConnectionError:
        return True


def test_many_connections_both_ways(fresh: Client, echo: Echo, remote: Remote) -> None:
    port = local_port(fresh, f"%forward {echo.where}")
    assert port == echo.port
    assert port == local_port(fresh, f"%forward http://{echo.where}/a?b"), "again: the same"
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(dial(port)) for _ in range(12)]
        for number, sock in enumerate(socks):
            assert asked(sock, b"%d" % number) == b"%d" % number
        socks[0].sendall(b"stall")  # its server takes nothing more, and all that it would have to hold is a few MB
        socks[0].setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < 200 << 20:
                sent += socks[0].send(bytes(1 << 20))
        assert sent < 100 << 20
        assert asked(socks[1], b"others go on") == b"others go on"
        echo.stalled.set()
        data = bytes(range(256)) * 20000
        sender = threading.Thread(target=socks[2].sendall, args=(data,))
        sender.start()
        assert read(socks[2], len(data)) == data
        sender.join()
        socks[3].shutdown(socket.SHUT_WR)
        assert read(socks[3], 100) == b"end"
        assert re.search(r", \d+ connections", fresh.good("%forward").stdout)
        assert "is forwarded no longer" in fresh.good(f"%forward {echo.where} --end").stdout
        assert all(map(ended, socks[4:]))
    with pytest.raises(ConnectionRefusedError):
        dial(port)
    assert "No port of " in fresh.good("%forward").stdout
    with urllib.request.urlopen(f"http://127.0.0.1:{local_port(fresh, f'%forward {echo.where}')}/") as page:
        assert page.read() == b"hello"
    fresh.good("%forward --end")


def test_where_nobody_serves(fresh: Client) -> None:
    with socket.create_server((THERE, 0)) as taken:
        number = taken.getsockname()[1]
    said = fresh.good(f"%forward {THERE}:{number}").stdout
    assert f"can't connect to port {number} of {THERE}: connection refused." in said
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"http://127.0.0.1:{number}/")
    assert answer.value.code == 502
    assert "connection refused" in answer.value.read().decode()
    with dial(number) as sock:
        sock.sendall(b"\0")
        assert ended(sock)
    echo = Echo(THERE, number)
    with dial(number) as sock:
        assert asked(sock, b"now it does") == b"now it does"
    echo.close()
    fresh.good("%forward --end")


def test_ports_that_cannot_be_had(fresh: Client, echo: Echo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        refused(
            fresh.run(f"%forward {echo.where} --local-port {number}"), f"Port {number} can't be had", "--local-port"
        )
        assert "isn't free here" in fresh.good(f"%forward {number}").stdout, "its own number is the server's here"
        refused(fresh.run(f"%forward {number} --local-port 5"), "already")
    fresh.good("%forward --end")
    for wrong in ("0", "70000", "nowhere", "a:b", "6006 --local-port x", "--local-port 5", "6006 --end --local-port 5"):
        refused(fresh.run(f"%forward {wrong}"), "%forward" if "local" not in wrong else "--local-port")
    refused(fresh.run("%forward 6006 --end"), "is not forwarded")
    assert "can't connect to port 80 of no.such.host.invalid" in fresh.good("%forward no.such.host.invalid:80").stdout
    fresh.good("%forward --end")


def test_a_cut_a_restart_and_the_end_of_the_session(front: Client, remote: Remote, echo: Echo) -> None:
    with Proxy(remote.port) as proxy:
        front.good(f"%connect {proxy.address}")
        port = local_port(front, f"%forward {echo.where}")
        with dial(port) as sock:
            assert asked(sock, b"before") == b"before"
            proxy.cut(RST)
            assert ended(sock)
        with dial(port) as sock:
            assert asked(sock, b"after") == b"after"
            front.good("%restart")
            assert ended(sock)
        with dial(port) as sock:
            assert asked(sock, b"with another Python") == b"with another Python"
            front.good("%disconnect --end")
            assert ended(sock)
        with pytest.raises(ConnectionRefusedError):
            dial(port)


def test_a_link_that_is_lost(new_kernel: Callable[..., Kernel], remote: Remote, echo: Echo) -> None:
    """What it had carried is closed, also where the other end says nothing; new connections wait until it is back."""
    front = new_kernel("--RpycKernel.heartbeat=2").first
    with Proxy(remote.port) as proxy:
        front.good(f"%connect {proxy.address}")
        port = local_port(front, f"%forward {echo.where}")
        for lose in (lambda: proxy.refuse(2), proxy.blackhole):
            with dial(port) as sock:
                assert asked(sock, b"before") == b"before"
                lose()
                assert ended(sock)
            with dial(port) as sock:
                proxy.heal()
                assert asked(sock, b"after") == b"after"


def test_the_example(fresh: Client, remote: Remote) -> None:
    notebook = json.loads((Path(__file__).parents[2] / "examples" / "forward.ipynb").read_text())
    cells = ["".join(each["source"]) for each in notebook["cells"] if each["cell_type"] == "code"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    said = [fresh.good(each.replace('localhost")', f'{remote.address}")').replace("6006", port)) for each in cells]
    assert f"Port {port} of {remote.address} is http://localhost:" in said[1].stdout
    assert said[3].stdout.startswith(said[1].stdout.partition(" here")[0])
    assert "forwarded no longer" in said[4].stdout
