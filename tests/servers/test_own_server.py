"""Our own RPyC server: sessions on each Python, and nothing for whoever sends something else."""

from __future__ import annotations

import random
import socket
import struct
import threading
from contextlib import closing

import pytest

from rpyc_kernel.agent.serve.rpyc_server import ServerConnection
from rpyc_kernel.errors import LinkError, RemoteError
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import open_broker
from rpyc_kernel.transport.dial import dial
from rpyc_kernel.transport.rpyc_wire import brine
from rpyc_kernel.transport.rpyc_wire.brine import HANDLE_CALL, HANDLE_PING, RPYC_6
from rpyc_kernel.transport.rpyc_wire.connection import RemoteRef
from tests.needs import needs
from tests.servers.calls import call, call_method
from tests.servers.own_server import own_server
from tests.servers.sessions import Session
from tests.servers.test_sessions import works
from tests.servers.venvs import VERSIONS, venv

PYTHONS = sorted({python for _rpyc, python in VERSIONS})


@pytest.mark.parametrize("python", PYTHONS)
def test_a_session_on_every_python(python: str) -> None:
    """It is a Python without RPyC."""
    with own_server(needs(f"python{python}")) as (port, _process), Session(f"127.0.0.1:{port}") as session:
        assert session.info["python"].startswith(python)
        works(session)


def test_the_broker_hears_of_the_end_of_its_connection() -> None:
    """Else it would hold the session of a link that is gone."""
    ours, theirs = socket.socketpair()
    ended = threading.Event()
    connection = ServerConnection(theirs, "the test's")
    connection.call_at_end(ended.set)
    thread = threading.Thread(target=connection.serve)
    thread.start()
    with own_server(venv()) as (port, _process), open_broker(Address.parse(f"127.0.0.1:{port}")) as broker:
        assert broker.hello["server"] == "the test's"  # it has found the connection
    assert not ended.is_set()
    ours.close()
    assert ended.wait(10)
    thread.join(10)
    assert theirs.fileno() == -1


def hello() -> bytes:
    return frame(RPYC_6.dump(1, 1, (3, (1, ()))))


def frame(body: list[bytes] | bytes) -> bytes:
    data = body if isinstance(body, bytes) else b"".join(body)
    return struct.pack("!LB", len(data), 0) + data + b"\n"


HOSTILE = {
    "garbage": b"GET / HTTP/1.1\r\n\r\n" * 10,
    "a frame of 4 GiB": struct.pack("!LB", 0xFFFFFFFF, 0) + b"x" * 100,
    "a packed frame": struct.pack("!LB", 10, 1) + b"x" * 11,
    "a frame without its end": struct.pack("!LB", 2, 0) + b"xxx",
    "an empty frame": frame(b""),
    "no brine": frame(b"\x01\xfe\xff"),
    "a bomb of tuples": frame(b"\x01" + b"\x15\xff\xff\xff\xff" * 100),
    "nested without end": frame(b"\x01" + b"\x10" * 5000 + b"\x00"),
    "a reply": frame(RPYC_6.dump(2, 1, (1, ()))),
    "no arguments": frame(RPYC_6.dump(1, 1, (7, 5))),
    "a label of its own": frame(RPYC_6.dump(1, 1, (7, (9, (1, 2))))),
    "a long integer": frame(b"\x01\x11\x17\x00\x00\x10\x00" + b"9" * 4096 + b"\x00"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_whoever_sends_something_else_is_hung_up_on_and_nobody_else_is_hurt(data: bytes) -> None:
    with own_server(venv()) as (port, process), open_broker(Address.parse(f"127.0.0.1:{port}")) as broker:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            sock.sendall(hello() + data)
            while sock.recv(4096):
                pass
        assert process.stdout
        assert process.stdout.readline().startswith("refused: ")
        assert broker.call("list", {})[0]["sessions"] is not None


def test_random_bytes_never_end_the_server() -> None:
    chance = random.Random(10)
    with own_server(venv()) as (port, _process), open_broker(Address.parse(f"127.0.0.1:{port}")) as broker:
        for _ in range(200):
            data = frame(RPYC_6.dump(1, 1, (chance.randrange(25), (2, ((3, ("", 0, chance.randrange(4))), (1, ()))))))
            changed = bytearray(data)
            for _ in range(chance.randrange(4)):
                changed[chance.randrange(5, len(changed))] = chance.randrange(256)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
                sock.sendall(changed)
                sock.shutdown(socket.SHUT_WR)
                try:
                    while sock.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
        assert broker.call("list", {})[0]["sessions"] is not None


def test_it_does_what_a_kernel_asks_for_and_nothing_else() -> None:
    with own_server(venv()) as (port, _process), closing(dial(Address.parse(f"127.0.0.1:{port}"))) as connection:
        root = connection.root()
        assert connection.dialect == RPYC_6
        assert connection.receive(connection.send_request(HANDLE_PING, "are you there?")) == "are you there?"
        assert call_method(connection, root, "eval", "6 * 7") == brine_only(42)  # without the empty keywords
        with pytest.raises(RemoteError, match="ZeroDivisionError: division by zero"):
            call_method(connection, root, "eval", "1 / 0")
        with pytest.raises(RemoteError, match="SystemExit: 3"):
            call_method(connection, root, "eval", "exit(3)")
        for attribute in ("execute", "namespace", "__class__", "getconn"):
            with pytest.raises(RemoteError, match="PermissionError"):
                call_method(connection, root, attribute, "1")
        with pytest.raises(RemoteError, match="PermissionError"):
            connection.receive(connection.send_request(HANDLE_CALL, RemoteRef("x", 0, 99), (), ()))
        function = call_method(connection, root, "eval", "lambda *args: args")
        assert call(connection, function, "a", b"b" * 100_000, -5, 10**30, None, True, ()) == brine_only(
            ("a", b"b" * 100_000, -5, 10**30, None, True, ())
        )
        with pytest.raises(LinkError):
            call_method(connection, root, "eval", "1.5")  # no kernel asks for such a value


def brine_only(value: object) -> object:
    """What the value is after it has travelled."""
    return brine.load(b"".join(brine.dump(value)))
