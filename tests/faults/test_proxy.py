"""The proxy itself: a fault that it fails to make would be a fault that everything survives."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import FIN, RST, Life, Proxy
from tests.kernel.remotes import wait_until

BIG = bytes(range(256)) * 8192  # 2 MiB
WAIT = 10.0  # seconds


class Echo:
    """A server that gives back what comes."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ends: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _address = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            try:
                while data := sock.recv(65536):
                    sock.sendall(data)
            except ConnectionError:
                self.ends.append(RST)
            else:
                self.ends.append(FIN)


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(echo.port) as each:
        yield each


def connect(proxy: Proxy) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", proxy.port), WAIT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def receive(sock: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        piece = sock.recv(length - len(data))
        assert piece, f"ended after {len(data)} of {length} bytes"
        data += piece
    return bytes(data)


def echoes(sock: socket.socket, data: bytes = b"hello") -> bool:
    sender = threading.Thread(target=sock.sendall, args=(data,))
    sender.start()
    received = receive(sock, len(data))
    sender.join()
    return received == data


def until_end(sock: socket.socket) -> tuple[bytes, str]:
    """What comes, and how it ends."""
    data = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionError:
            return data, RST
        if not piece:
            return data, FIN
        data += piece


def wait_for_ends(echo: Echo, number: int) -> list[str]:
    wait_until(lambda: len(echo.ends) >= number)
    return echo.ends


def test_everything_comes_through_both_ways(proxy: Proxy) -> None:
    with connect(proxy) as one, connect(proxy) as other:
        assert echoes(one, BIG)
        assert echoes(other)
    assert wait_until(lambda: proxy.up == proxy.down == len(BIG) + 5)


def test_an_end_on_one_side_is_one_on_the_other(proxy: Proxy, echo: Echo) -> None:
    with connect(proxy) as sock:
        sock.sendall(b"last words")
        sock.shutdown(socket.SHUT_WR)
        assert until_end(sock) == (b"last words", FIN)
    assert wait_for_ends(echo, 1) == [FIN]


@pytest.mark.parametrize("how", [RST, FIN])
def test_a_cut_is_seen_at_both_ends_and_the_next_connection_is_served(proxy: Proxy, echo: Echo, how: str) -> None:
    with connect(proxy) as sock:
        assert echoes(sock)
        assert proxy.cut(how) == 1  # type: ignore[arg-type]
        assert until_end(sock) == (b"", how)
    assert wait_for_ends(echo, 1) == [how]
    with connect(proxy) as sock:
        assert echoes(sock)
    assert proxy.cuts == 1


@pytest.mark.parametrize("how", [RST, FIN])
@pytest.mark.parametrize("length", [1, 77_777])
def test_a_life_ends_after_exactly_that_byte(proxy: Proxy, how: str, length: int) -> None:
    proxy.lives = iter([Life("down", length, how)])  # type: ignore[arg-type]
    with connect(proxy) as sock:
        threading.Thread(target=sock.sendall, args=(BIG[: length + 1000],), daemon=True).start()
        data, end = until_end(sock)
        assert BIG.startswith(data)
        assert len(data) == length or (how == RST and len(data) < length)  # a RST may overtake
        assert end in (how, RST)  # what still came from here makes it one
    assert proxy.down == length
    with connect(proxy) as sock:
        assert echoes(sock, BIG)


def test_a_blackhole_keeps_everything_open_and_gives_nothing(proxy: Proxy, echo: Echo) -> None:
    with connect(proxy) as old:
        assert echoes(old)
        proxy.blackhole()
        with connect(proxy) as new:
            for sock in (old, new):
                sock.sendall(b"is anybody there")
                sock.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    sock.recv(1)
        assert not echo.ends
        proxy.heal()
        with connect(proxy) as sock:
            assert echoes(sock)
        assert wait_for_ends(echo, 1) == [FIN]  # that of the last one alone
        with pytest.raises(TimeoutError):
            old.recv(1)


def test_a_stall_goes_on_where_it_was(proxy: Proxy) -> None:
    with connect(proxy) as sock:
        assert echoes(sock)
        started = time.monotonic()
        proxy.stall(0.3)
        assert echoes(sock, BIG)
        assert time.monotonic() - started >= 0.3
        proxy.stall(60)
        threading.Timer(0.1, proxy.stall, (0,)).start()
        assert echoes(sock)


def test_a_refusal_cuts_and_takes_nobody_for_a_while(proxy: Proxy) -> None:
    with connect(proxy) as sock:
        assert echoes(sock)
        started = time.monotonic()
        proxy.refuse(0.3)
        assert until_end(sock) == (b"", RST)
    refused = 0
    while True:
        try:
            with connect(proxy) as sock:
                assert echoes(sock)
                break
        except ConnectionRefusedError:
            refused += 1
            time.sleep(0.01)
    assert refused > 5
    assert 0.3 <= time.monotonic() - started < WAIT


def test_one_byte_at_a_time(proxy: Proxy) -> None:
    proxy.bytewise = True
    with connect(proxy) as sock:
        assert echoes(sock, BIG[:5000])


def test_delay_and_rate(proxy: Proxy) -> None:
    with connect(proxy) as sock:
        proxy.delay = 0.1
        started = time.monotonic()
        assert echoes(sock)
        assert 0.2 <= time.monotonic() - started < WAIT
        proxy.delay, proxy.rate = 0.0, 100_000.0
        started = time.monotonic()
        assert echoes(sock, BIG[:50_000])
        assert 0.3 <= time.monotonic() - started < WAIT


def test_a_server_that_is_not_there_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with Proxy(port) as proxy, pytest.raises(ConnectionResetError), connect(proxy) as sock:
        sock.recv(1)
