"""Dialling what is no RPyC server: one clear error, within a bounded time, and stopped at once when it is cancelled."""

import errno
import http.server
import os
import queue
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from rpyc_kernel.errors import (
    DialCancelledError,
    DialError,
    DialTimeoutError,
    NameNotResolvedError,
    NobodyListeningError,
    NotRpycError,
    RemoteError,
    RpycVersionError,
    ServerClosedError,
    SilentServerError,
    UnreachableError,
    UnsafeSocketError,
    WrongServiceError,
)
from rpyc_kernel.transport import dial as dial_module
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.dial import dial, explain_refusal
from rpyc_kernel.transport.rpyc_wire.brine import RPYC_5, RPYC_6
from tests.needs import needs
from tests.servers.calls import call_method
from tests.servers.rpyc_servers import free_port, start_server


@pytest.fixture(autouse=True)
def know_nothing(monkeypatch):
    monkeypatch.setattr(dial_module, "_known", {})


@contextmanager
def listening(serve, family=socket.AF_INET, host="127.0.0.1"):
    """A port where `serve(socket)` runs for each connection, in a thread; gives the address."""
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, 0))
    listener.listen()
    sockets, threads = [], []

    def one(sock):
        try:
            serve(sock)
        except OSError:
            pass  # we hung up

    def accept():
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sockets.append(sock)
            threads.append(threading.Thread(target=one, args=(sock,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    port = listener.getsockname()[1]
    try:
        yield Address.parse(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for sock in sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in threads:
            thread.join(5)
        for sock in sockets:
            sock.close()


def says(data):
    def serve(sock):
        sock.sendall(data)
        time.sleep(0.01)  # some close right behind it
        sock.close()

    return serve


def silence(sock):
    while sock.recv(1000):
        pass


@contextmanager
def full_queue():
    """A port whose machine drops what comes: its queue of connections is full, and nobody accepts them."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(3):
        filler = socket.socket()
        filler.setblocking(False)
        assert filler.connect_ex(listener.getsockname()) == errno.EINPROGRESS
        fillers.append(filler)
    try:
        yield Address.parse(f"127.0.0.1:{listener.getsockname()[1]}")
    finally:
        for sock in [*fillers, listener]:
            sock.close()


def failing(address, error, *, timeout=5.0, within=1.0, **options):
    """Dial, and return the sentence of the error, which must be of that class, come in time, and name the address."""
    start = time.monotonic()
    with pytest.raises(DialError) as caught:
        dial(address, timeout=timeout, **options)
    took = time.monotonic() - start
    assert type(caught.value) is error, repr(caught.value)
    assert took < within
    assert caught.value.address == str(address)
    said = str(caught.value)
    assert (address.host or address.path or "local:") in said
    assert "\n" not in said
    return said


# --- it does not get there ----------------------------------------------------------------------------------------


def test_a_closed_port_says_how_to_start_a_server():
    said = failing(Address.parse(f"127.0.0.1:{free_port()}"), NobodyListeningError)
    assert "python3 -c" in said
    assert "hostname='127.0.0.1'" in said


def test_a_closed_port_of_localhost_in_both_families():
    failing(Address.parse(f"localhost:{free_port()}"), NobodyListeningError)


def test_ipv6():
    needs("ipv6")
    said = failing(Address.parse(f"[::1]:{free_port()}"), NobodyListeningError)
    assert "ipv6=True" in said
    with listening(says(b"SSH-2.0-x\r\n"), socket.AF_INET6, "::1") as address:
        failing(address, NotRpycError)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x.invalid"])
def test_a_name_that_does_not_exist(host):
    said = failing(Address.parse(host), NameNotResolvedError, within=6)
    assert "spelling" in said or "no name server answered" in said  # as it is on a machine that is in no network


def test_a_name_server_that_does_not_answer(monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert "online" in failing(Address.parse("board"), NameNotResolvedError)


def test_a_look_up_that_hangs(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(20))
    failing(Address.parse("board"), NameNotResolvedError, timeout=0.3)
    release.set()


def test_a_machine_that_drops_what_comes():
    with full_queue() as address:
        assert "firewall" in failing(address, DialTimeoutError, timeout=0.5)


@pytest.mark.parametrize("code", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES])
def test_a_network_that_says_no(monkeypatch, code):
    class Unreachable(socket.socket):
        def connect_ex(self, _):
            return code

    monkeypatch.setattr(socket, "socket", Unreachable)
    assert "ping" in failing(Address.parse("127.0.0.1"), UnreachableError)


def test_every_address_of_a_name_is_tried(monkeypatch):
    def serve(sock):
        sock.recv(1000)
        sock.sendall(ROOT)
        silence(sock)

    with listening(serve) as address:
        places = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, address.port)) for host in ("127.0.0.2", "127.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
        dial(Address.parse(f"board:{address.port}")).close()


def test_an_address_that_hangs_does_not_eat_the_time_of_the_next(monkeypatch):
    with full_queue() as silent, listening(says(b"SSH-2.0-x\r\n")) as speaking:
        places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each.port)) for each in (silent, speaking)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
        failing(Address.parse("board"), NotRpycError, timeout=1.0, within=1.0)


def test_unix_sockets_that_are_none(tmp_path):
    failing(Address.parse(f"unix://{tmp_path}/none"), NobodyListeningError)
    (tmp_path / "file").touch()
    failing(Address.parse(f"unix://{tmp_path}/file"), NobodyListeningError)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    failing(Address.parse(f"unix://{tmp_path}/dead"), NobodyListeningError)


def test_unix_sockets_behind_which_somebody_else_may_be(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    path = folder / "s"
    address = Address.parse(f"unix://{path}")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o777)
        assert "everybody may write to it" in failing(address, UnsafeSocketError)
        path.chmod(0o700)
        folder.chmod(0o777)
        said = failing(address, UnsafeSocketError)
        assert "everybody may write to its folder, so that somebody else may be there" in said
        folder.chmod(0o1777)  # as /tmp, where nobody can put another one in its place
        if os.geteuid() == 0:
            os.chown(path, 1, -1)
            assert "it belongs to daemon" in failing(address, UnsafeSocketError)
            os.chown(path, 54321, -1)
            assert "it belongs to the user 54321" in failing(address, UnsafeSocketError)
            os.chown(path, 0, -1)
        with address.transport.open_socket(address, Deadline(5.0)) as sock:
            assert sock.getpeername() == str(path)


# --- it gets there, but --------------------------------------------------------------------------------------------


class Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_a_web_server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        assert "HTTP" in failing(Address.parse(f"127.0.0.1:{server.server_port}"), NotRpycError)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("greeting", "word"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "HTTP"),
        (b"<!DOCTYPE HTML>\n<html>", "HTTP"),
        (b"SSH-2.0-OpenSSH_9.6p1 Debian-4\r\n", "SSH"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "write rpycs://"),
        (b"220 mail.example ESMTP\r\n", "220 mail"),
        (b"-ERR unknown command\r\n", "-ERR"),
        (b"\xff\xfd\x18\xff\xfd\x20", "something else"),
        (b"\x1b]0;evil\x07\x1b[2J", "something else"),
        (b"J\x00\x00\x00\x0a8.0.36", "something else"),
    ],
)
def test_a_port_that_speaks_something_else(greeting, word):
    with listening(says(greeting)) as address:
        said = failing(address, NotRpycError)
        assert word in said
        assert "\x1b" not in said


def test_a_port_behind_tls(tmp_path):
    openssl = needs("openssl")
    make = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", "1"]
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    subprocess.run([*make, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")

    def serve(sock):
        context.wrap_socket(sock, server_side=True)

    with listening(serve) as address:
        assert "TLS" in failing(address, ServerClosedError)  # OpenSSL hangs up without an alert


def test_a_silent_port():
    with listening(silence) as address:
        said = failing(address, SilentServerError, timeout=1.5, within=1.8)
        assert "1.5 s" in said


def test_a_silent_port_is_left_in_time_even_when_the_time_is_short():
    with listening(silence) as address:
        failing(address, SilentServerError, timeout=0.2, within=0.5)


def test_a_port_that_drips():
    def drip(sock):
        sock.sendall(b"\x00\x00\x10\x00\x00")
        while True:
            sock.sendall(b"x")
            time.sleep(0.01)

    with listening(drip) as address:
        failing(address, SilentServerError, timeout=0.5)


@pytest.mark.parametrize("how", ["closes", "reads and closes", "resets"])
def test_a_port_that_hangs_up(how):
    def serve(sock):
        if how == "reads and closes":
            sock.recv(1000)
        if how == "resets":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sock.close()

    with listening(serve) as address:
        failing(address, ServerClosedError)


def test_another_service():
    with start_server(service="VoidService") as server:
        connection = dial(Address.parse(server.address))
        with pytest.raises(RemoteError) as caught:
            call_method(connection, connection.root(), "eval", "1", timeout=5)
        explained = explain_refusal(caught.value, connection)
        connection.close()
    assert type(explained) is WrongServiceError
    assert "VoidService" in str(explained)
    assert "SlaveService" in str(explained)
    assert server.address in str(explained)


def test_other_errors_are_not_taken_for_another_service():
    with start_server() as server:
        connection = dial(Address.parse(server.address))
        with pytest.raises(RemoteError) as caught:
            call_method(connection, connection.root(), "eval", "1/0", timeout=5)
        assert explain_refusal(caught.value, connection) is caught.value
        connection.close()


def frame(body):
    return len(body).to_bytes(4, "big") + b"\x00" + body + b"\n"


# The answer to the first request, as RPyC 6 and RPyC 5 put it
ROOT = frame(b"\x02\x11\x51\x11\x54\x12\x08\x0e\x07a.Slave\x51\x52")
ROOT_5 = frame(b"\x12\x52\x51\x11\x54\x12\x08\x0e\x07a.Slave\x51\x52")


@pytest.mark.parametrize(
    "reply",
    [
        # RPyC 3 and older: references are (id, class, module)
        b"\x12\x52\x51\x11\x54\x12\x16\x0512345\x08\x0c" + b"Foo" + b"\x08\x0c" + b"bar",
        b"\x02\x11\x51\x11\x59\x51",  # a label of tomorrow
        b"\x02\x11\x51\x11\x51\x51",  # a root that is a number
    ],
)
def test_an_rpyc_of_another_age(reply):
    def serve(sock):
        asked = sock.recv(1000)
        old = asked[5] == 0x12
        if old == (reply[0] == 0x12):
            sock.sendall(frame(reply))
            silence(sock)
        sock.close()

    with listening(serve) as address:
        said = failing(address, RpycVersionError)
        assert "pip install" in said


def test_the_other_dialect_after_silence_and_after_a_goodbye():
    goodbye = b"\x12\x51\x50\x11\x52\x11\x51\x02"
    for first in ("silence", "goodbye", "close"):

        def serve(sock, first=first):
            if sock.recv(1000)[5] == 0x12:
                sock.sendall(ROOT_5)
            elif first == "goodbye":
                sock.sendall(frame(goodbye))
            elif first == "close":
                sock.close()
                return
            silence(sock)

        with listening(serve) as address:
            connection = dial(address, timeout=5)
            assert connection.dialect == RPYC_5
            connection.close()


@pytest.mark.parametrize("other", [socket.socket.close, silence], ids=["hung up", "one connection at a time"])
def test_a_slow_answer_in_the_first_dialect_is_taken(other):
    def serve(sock):
        if sock.recv(1000)[5] == 1:  # the other one is understood by nobody
            time.sleep(1.5)  # longer than the patience that is tested
            sock.sendall(ROOT)
            silence(sock)
        other(sock)

    with listening(serve) as address:
        connection = dial(address, timeout=5)
        assert connection.dialect == RPYC_6
        connection.close()


# --- cancelled ----------------------------------------------------------------------------------------------------


def cancelled_within(address, seconds=0.1):
    """Dial in a thread, cancel once it waits: it ends in time. On a busy machine the best of three tries counts."""
    took = [cancelled(address)]
    while min(took) >= seconds and len(took) < 3:
        took.append(cancelled(address))
    assert min(took) < seconds


def cancelled(address):
    """How many seconds a dial goes on after it was cancelled."""
    cancel, results = threading.Event(), queue.SimpleQueue()

    def run():
        try:
            dial(address, timeout=30, cancel=cancel).close()
        except DialError as error:
            results.put((time.monotonic(), error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    start = time.monotonic()
    cancel.set()
    ended, error = results.get(timeout=5)
    thread.join()
    assert type(error) is DialCancelledError
    return ended - start


def test_cancel_while_the_name_is_looked_up(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(20))
    cancelled_within(Address.parse("board"))
    release.set()


def test_cancel_while_connecting():
    with full_queue() as address:
        cancelled_within(address)


def test_cancel_while_connecting_to_a_unix_socket_that_is_full(tmp_path):
    path = str(tmp_path / "s")
    fillers = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        while True:
            filler = socket.socket(socket.AF_UNIX)
            fillers.append(filler)
            filler.setblocking(False)
            if filler.connect_ex(path):
                break
        cancelled_within(Address.parse(f"unix://{path}"))
        failing(Address.parse(f"unix://{path}"), DialTimeoutError, timeout=0.2)
        for filler in fillers:
            filler.close()


def test_cancel_while_the_server_is_silent():
    with listening(silence) as address:
        cancelled_within(address)


def test_cancel_while_two_attempts_wait():
    with listening(silence) as address:
        cancel = threading.Event()
        timer = threading.Timer(1.3, cancel.set)
        timer.start()
        failing(address, DialCancelledError, timeout=10, within=1.5, cancel=cancel)
        timer.join()


def test_cancel_while_the_server_drips():
    def drip(sock):
        sock.sendall(b"\x00\x00\x10\x00\x00")
        while True:
            sock.sendall(b"x")
            time.sleep(0.01)

    with listening(drip) as address:
        cancelled_within(address)


def test_cancelled_before_it_begins():
    cancel = threading.Event()
    cancel.set()
    with listening(silence) as address:
        failing(address, DialCancelledError, within=0.3, cancel=cancel)


def test_no_socket_is_left_behind(recwarn):
    needs("linux")
    from pathlib import Path

    before = len(list(Path("/proc/self/fd").iterdir()))
    for serve in (silence, says(b"SSH-2.0-x\r\n"), lambda sock: sock.close()):
        with listening(serve) as address, pytest.raises(DialError):
            dial(address, timeout=1.2)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
