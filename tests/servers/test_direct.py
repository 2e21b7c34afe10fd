"""Direct connections into sessions: by every kind of server and every way, through cuts, and beside other work."""

from __future__ import annotations

import os
import signal
import threading
from hashlib import sha256

import pytest

from rpyc_kernel.agent import local_socket
from rpyc_kernel.agent.direct.handover import PASSED
from rpyc_kernel.errors import AgentError, DialCancelledError
from rpyc_kernel.transport import proving
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.values import exchange
from tests import elsewhere
from tests.faults.proxy import Proxy
from tests.kernel.kernels import SOURCE
from tests.servers.daemons import PATIENCE, Daemon, PortDaemon
from tests.servers.rpyc_servers import start_server
from tests.servers.sessions import Session
from tests.servers.ssh_servers import SshServer
from tests.servers.venvs import VERSIONS

SIZE = 3_000_001


def nothing(_done: int) -> None:
    pass


def push(session: Session, progress=nothing, **values: object) -> None:
    parts = exchange.pack_all(values, {})
    assert session.request("push", exchange.put(session, parts, threading.Event(), progress)) == {"status": "ok"}


def pull(session: Session, *expressions: str, progress=nothing, stop: threading.Event | None = None) -> list[object]:
    reply = session.request("pull", {"expressions": list(expressions)})
    offer = exchange.offer_of(reply, len(expressions), "there")
    return exchange.take(session, offer, "there", stop or threading.Event(), progress)


def moves(session: Session, size: int = SIZE) -> None:
    """Bytes go there and come back."""
    data = bytes(range(251)) * (size // 251 + 1)
    push(session, data=data)
    assert session.run("len(data), data[:251] == bytes(range(251))")[0] == f"({len(data)}, True)"
    assert pull(session, "data", "data[:9]") == [data, data[:9]]


@pytest.mark.parametrize(("rpyc", "python"), VERSIONS)
def test_by_every_rpyc(rpyc, python):
    with start_server(rpyc=rpyc, python=python) as server, Session(server.address) as session:
        moves(session)


@pytest.mark.parametrize("kind", ["instance", "pool", "forking", "classic"])
def test_by_every_kind_of_server(kind):
    with start_server(kind) as server, Session(server.address) as session:
        moves(session)


@pytest.mark.needs("posix")
def test_by_a_unix_socket():
    with Daemon() as daemon, Session(daemon.address) as session:
        moves(session)


@pytest.mark.needs("posix")
@pytest.mark.usefixtures("private_jupyter")
def test_through_tls():
    """Its socket can't be handed over: the broker passes bytes."""
    with PortDaemon("--pair") as daemon:
        address = Address.parse(f"rpycs://127.0.0.1:{daemon.port}")
        proving.pair(address, daemon.code, Deadline(PATIENCE))
        with Session(str(address)) as session:
            moves(session)


@pytest.mark.needs("sshd")
def test_through_ssh(monkeypatch):
    with SshServer() as server:
        monkeypatch.setenv("PATH", server.path)
        with Session("ssh://machine") as session:
            moves(session)


@pytest.mark.needs("linux")
def test_workers_that_are_spawned():
    path = f"{elsewhere.FOLDER}:{SOURCE}"
    with start_server(env={"PYTHONPATH": path}) as server, Session(server.address) as session:
        moves(session)


def test_what_was_cut_goes_on_where_it_stopped():
    """Cut again and again; and no block is carried twice that had arrived."""
    with start_server() as server, Proxy(server.port) as proxy, Session(proxy.address) as session:
        session.run("import os; data = os.urandom(30_000_000)")
        asked: list[int] = []
        cuts = iter([2_000_000, 9_000_000, 20_000_000, 40_000_000, 50_000_000])
        due = next(cuts)
        moved = 0

        def progress(done: int) -> None:
            nonlocal due
            asked.append(done)
            if moved + done >= due:
                due = next(cuts, 1 << 60)
                assert proxy.cut()

        (data,) = pull(session, "data", progress=progress)
        assert session.run("import hashlib; hashlib.sha256(data).hexdigest()")[0] == repr(sha256(data).hexdigest())
        assert asked == sorted(set(asked))
        moved = 30_000_000
        push(session, progress, back=data)
        assert session.run("back == data")[0] == "True"
        assert due == 1 << 60


def test_a_slow_link_carries_less_where_it_shrinks():
    with start_server() as server, Proxy(server.port) as proxy, Session(proxy.address) as session:
        session.run("import os; text = b'much the same ' * 200_000; noise = os.urandom(1_000_000)")
        text, noise = pull(session, "text", "noise")
        proxy.rate = 2_000_000  # which either end notices once it has waited, on a busy machine after a few pieces
        for value, least, most in ((text, 0, 1_900_000), (noise, 1_000_000, 1_200_000)):
            down, up = proxy.down, proxy.up
            assert pull(session, "text" if value is text else "noise") == [value]
            assert least <= proxy.down - down <= most
            push(session, back=value)
            assert least <= proxy.up - up <= most
            assert session.run(f"back == {'text' if value is text else 'noise'}")[0] == "True"


def test_the_stop_button_ends_a_transfer_and_the_session_goes_on():
    with start_server() as server, Session(server.address) as session:
        session.run("data = bytes(50_000_000)")
        stop = threading.Event()
        with pytest.raises(DialCancelledError):
            pull(session, "data", progress=lambda done: stop.set(), stop=stop)
        assert session.run("len(data)")[0] == "50000000"
        moves(session, 1000)


def test_a_worker_that_dies_ends_a_transfer_with_a_sentence():
    with start_server() as server, Session(server.address) as session:
        session.run("data = bytes(50_000_000)")
        killed: list[int] = []

        def kill(_done: int) -> None:
            if not killed:
                killed.append(session.info["pid"])
                os.kill(session.info["pid"], signal.SIGKILL)

        with pytest.raises(AgentError, match="not there any more"):
            pull(session, "data", progress=kill)
        assert session.until("session_info", "")
        moves(session, 1000)


def test_an_expression_that_fails_is_told_and_nothing_is_held():
    with start_server() as server, Session(server.address) as session:
        told = session.request("pull", {"expressions": ["1", "nowhere"]})
        assert (told["status"], told["ename"], told["expression"]) == ("error", "NameError", "nowhere")
        told = session.request("push", {"draft": "77", "values": [["x", "value", "", 1]]})
        assert told["status"] == "error"


def test_others_are_served_while_much_is_moving():
    """A completion and a cell's output, while much is under way: neither waits for the end of it."""
    with start_server() as server, Session(server.address) as session:
        session.run("data = bytes(100_000_000)")
        answered: list[int] = []

        def ask(done: int) -> None:
            if not answered:
                assert session.run("1 + 1")[0] == "2"
                assert session.request("complete", {"code": "dat", "cursor_pos": 3})["matches"] == ["data"]
                answered.append(done)

        pull(session, "data", progress=ask)
        assert answered
        assert answered[0] < 50_000_000


def test_requests_that_are_no_requests():
    with start_server() as server, Session(server.address) as session:
        with session.direct.connection(threading.Event()) as connection:
            for op in ("nothing", "no.thing", "values.nothing", ""):
                with pytest.raises(AgentError):
                    connection.call(op, {})
            with pytest.raises(AgentError, match="not there any more"):
                connection.call("values.read", {"offer": "1", "buffer": 0, "start": 0, "size": 1})
            draft = connection.call("values.draft", {"sizes": [10]})["draft"]
            with pytest.raises(AgentError, match="isn't there"):
                connection.call("values.write", {"draft": draft, "buffer": 0, "start": 5}, [b"too much"])
            assert connection.call("values.forget", {"held": draft}) == {}
        moves(session, 10)


def test_who_does_not_know_the_key_is_nobody_and_keeps_nobody_out():
    """The worker waits for one broker; whoever comes before, with another key or without a word, changes nothing."""
    with start_server() as server, Session(server.address) as session:
        key = os.urandom(32)
        name = session.request("direct", {"key": key.hex()})["socket"]
        with pytest.raises(OSError, match="closed"):
            local_socket.connect(name, os.urandom(32))
        local_socket._connect(name, 10.0).close()
        with local_socket.connect(name, key) as worker:
            worker.sendall(PASSED)
            assert worker.recv(100).startswith(b"rpyc-kernel direct")
        moves(session, 100)
        for wrong in ({}, {"key": "no"}, {"key": 7}):
            assert session.request("direct", wrong)["status"] == "error"
