"""The connection against every RPyC that has to work, in every kind of server."""

import os
import threading
import time

import pytest

from rpyc_kernel.errors import LinkLost, NoAnswerError, NobodyListeningError, RemoteError, ServerClosedError
from rpyc_kernel.transport import dial as dial_module
from rpyc_kernel.transport import sockets
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.dial import dial
from rpyc_kernel.transport.rpyc_wire import brine as own_brine
from rpyc_kernel.transport.rpyc_wire.brine import RPYC_5, RPYC_5_BOUND, RPYC_6, RPYC_6_BOUND
from rpyc_kernel.transport.rpyc_wire.connection import RemoteRef
from tests.servers.calls import call, call_method
from tests.servers.rpyc_servers import KINDS, start_server
from tests.servers.venvs import VERSIONS

# An echo; and what a cell's answer is made of: bytes, texts, numbers, nothing.
ECHO = "lambda *values: values if len(values) != 1 else values[0]"
SLEEP = "lambda seconds: (__import__('time').sleep(seconds), seconds)[1]"
WAIT_FOR_A_FILE = (
    "lambda path: ([__import__('time').sleep(0.01)"
    " for _ in iter(lambda: __import__('os').path.exists(path), True)], path)[1]"
)


def connect(server, **options):
    return dial(Address.parse(server.address), **options)


@pytest.fixture
def connected():
    """Dial, and close at the end."""
    connections = []

    def open_one(server, **options):
        connections.append(connect(server, **options))
        return connections[-1]

    yield open_one
    for connection in connections:
        connection.close()


@pytest.fixture(autouse=True)
def know_nothing(monkeypatch):
    monkeypatch.setattr(dial_module, "_known", {})


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: "rpyc{}-py{}".format(*version))
def server(request):
    """A ThreadedServer of the class, as in the README, for all tests of one version."""
    rpyc, python = request.param
    with start_server(rpyc=rpyc, python=python) as running:
        running.rpyc = rpyc
        yield running


def evaluate(connection, text, timeout=20):
    return call_method(connection, connection.root(), "eval", text, timeout=timeout)


# --- every version ------------------------------------------------------------------------------------------------


def test_the_dialect_is_found_and_remembered(server, connected, monkeypatch):
    opened = []
    open_tcp = sockets.open_tcp
    monkeypatch.setattr(sockets, "open_tcp", lambda *args: opened.append(args) or open_tcp(*args))
    expected = RPYC_6 if server.rpyc.startswith("6") else RPYC_5
    first = connected(server)
    assert first.dialect == expected
    assert first.root().name == "rpyc.core.service.SlaveService"
    assert len(opened) == (1 if expected == RPYC_6 else 2)
    opened.clear()
    second = connected(server)
    assert second.dialect == expected
    assert evaluate(second, "1 + 1") == 2
    assert len(opened) == 1


def test_ids_and_labels_are_the_same_there(server, connected):
    names = [name for name in vars(own_brine) if name.startswith(("MSG_", "LABEL_", "HANDLE_", "EXC_"))]
    theirs = evaluate(connected(server), f"tuple(getattr(__import__('rpyc').core.consts, name) for name in {names!r})")
    assert dict(zip(names, theirs, strict=True)) == {name: getattr(own_brine, name) for name in names}


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -7, 10**40, 1.5, 2j, "", "text", "ü\U0001f40d", b"", b"\x00\xff", (), (1, ("a", (b"b", None)))],
    ids=repr,
)
def test_values_go_there_and_back(server, connected, value):
    connection = connected(server)
    echo = evaluate(connection, ECHO)
    assert isinstance(echo, RemoteRef)
    assert call(connection, echo, value, timeout=20) == value


@pytest.mark.parametrize("size", [1, 300, 3000, 3001, 63_994, 64_000, 350_000, 3_000_000])
def test_bytes_of_all_sizes_go_there_and_back(server, connected, size):
    connection = connected(server)
    echo = evaluate(connection, ECHO)
    for data in (bytes(size), os.urandom(size)):  # one packs well, one doesn't
        assert call(connection, echo, data, timeout=60) == data


def test_references_come_in_tuples_and_go_as_arguments(server, connected):
    connection = connected(server)
    echo, number = evaluate(connection, f"({ECHO}, 5)")
    assert number == 5
    length = evaluate(connection, "len")
    apply = evaluate(connection, "lambda function, *args: function(*args)")
    assert call(connection, apply, length, "four", timeout=20) == 4
    assert call(connection, apply, echo, "x", timeout=20) == "x"


def test_methods_of_references(server, connected):
    connection = connected(server)
    things = evaluate(connection, "[3, 1, 2]")
    assert call_method(connection, things, "index", 2) == 2
    assert call_method(connection, things, "__len__") == 3


def test_exceptions_are_told_as_text(server, connected):
    connection = connected(server)
    with pytest.raises(RemoteError) as caught:
        evaluate(connection, "[][5]")
    assert (caught.value.name, caught.value.message) == ("IndexError", "list index out of range")
    assert "Traceback" in caught.value.remote_traceback
    with pytest.raises(RemoteError) as caught:
        evaluate(connection, "(_ for _ in ()).throw(StopIteration)")
    assert caught.value.name in ("StopIteration", "RuntimeError")
    with pytest.raises(RemoteError, match="SyntaxError"):
        evaluate(connection, "1 +")
    call_method(connection, connection.root(), "execute", "class Odd(Exception):\n  x = frozenset([1]); y = slice(1)")
    with pytest.raises(RemoteError, match="Odd"):
        evaluate(connection, "(_ for _ in ()).throw(Odd())")
    assert evaluate(connection, "1 + 1") == 2


def test_two_requests_under_way(server, connected):
    connection = connected(server)
    sleep = evaluate(connection, SLEEP)
    tickets = [connection.send_call(sleep, seconds) for seconds in (0.2, 0.1)]
    assert [connection.receive(ticket, Deadline(20)) for ticket in tickets] == [0.2, 0.1]


def test_a_late_reply_can_still_be_received(server, connected, tmp_path):
    connection = connected(server)
    there = tmp_path / "there"
    ticket = connection.send_call(evaluate(connection, WAIT_FOR_A_FILE), str(there))
    start = time.monotonic()
    with pytest.raises(NoAnswerError):
        connection.receive(ticket, Deadline(0.1))
    assert time.monotonic() - start >= 0.1
    there.touch()
    assert connection.receive(ticket, Deadline(20)) == str(there)


def test_closing_does_not_wait_for_a_busy_server(server, connected):
    connection = connected(server)
    connection.send_call(evaluate(connection, SLEEP), 6)
    start = time.monotonic()
    connection.close()
    assert time.monotonic() - start < 5.5


def test_abort_ends_waiting_for_a_busy_server(server, connected):
    connection = connected(server)
    ticket = connection.send_call(evaluate(connection, SLEEP), 6)
    timer = threading.Timer(0.1, connection.abort)
    timer.start()
    start = time.monotonic()
    with pytest.raises(LinkLost):
        connection.receive(ticket)
    assert time.monotonic() - start < 5.5
    timer.join()


# --- every kind of server -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "oneshot"])
@pytest.mark.parametrize(("rpyc", "python"), VERSIONS)
def test_every_kind_of_server(connected, kind, rpyc, python):
    with start_server(kind, rpyc=rpyc, python=python) as server:
        pull, submit = connected(server), connected(server)
        version = evaluate(pull, "__import__('sys').version_info[:2]")
        assert ".".join(map(str, version)) == python
        ticket = pull.send_call(evaluate(pull, SLEEP), 0.5)
        assert call(submit, evaluate(submit, ECHO), b"x" * 100_000, timeout=20) == b"x" * 100_000
        assert pull.receive(ticket, Deadline(20)) == 0.5


@pytest.mark.parametrize(("rpyc", "python"), [("6.0.2", "3.11")])
def test_a_one_shot_server_gives_one_connection(connected, rpyc, python):
    with start_server("oneshot", rpyc=rpyc, python=python) as server:
        connection = connected(server)
        assert evaluate(connection, "1 + 1") == 2
        connection.close()
        server.process.wait(10)
        with pytest.raises(NobodyListeningError):
            connect(server)


@pytest.mark.parametrize(("rpyc", "python"), [version for version in VERSIONS if version[0] < "6"])
def test_an_old_one_shot_server_says_why_not(rpyc, python):
    with start_server("oneshot", rpyc=rpyc, python=python) as server:
        with pytest.raises(ServerClosedError, match="OneShotServer"):
            connect(server)


@pytest.mark.parametrize("kind", ["threaded", "forking"])
@pytest.mark.parametrize(("rpyc", "spoken"), [("5.3.1", RPYC_5_BOUND), ("6.0.2", RPYC_6_BOUND)])
def test_servers_that_bind_threads(connected, kind, rpyc, spoken):
    with start_server(kind, rpyc=rpyc, env={"RPYC_BIND_THREADS": "true"}) as server:
        connection = connected(server)
        assert connection.dialect == spoken
        sleep = evaluate(connection, SLEEP)
        tickets = [connection.send_call(sleep, seconds) for seconds in (0.2, 0.1)]
        assert [connection.receive(ticket, Deadline(20)) for ticket in tickets] == [0.2, 0.1]
        with pytest.raises(RemoteError, match="ZeroDivisionError"):
            evaluate(connection, "1/0")


def test_a_unix_socket(connected, tmp_path):
    path = tmp_path / "s"
    before = f"""
import threading
listener = servers.ThreadedServer(SlaveService, socket_path={str(path)!r})
threading.Thread(target=listener.start, daemon=True).start()
"""
    with start_server(before=before):
        end = time.monotonic() + 10
        while True:
            try:
                connection = dial(Address.parse(f"unix://{path}"))
                break
            except NobodyListeningError:
                assert time.monotonic() < end
        assert evaluate(connection, "1 + 1") == 2
        connection.close()


# --- the server changes -------------------------------------------------------------------------------------------


def test_a_server_that_dies_in_the_middle(connected):
    with start_server() as server:
        connection = connected(server)
        ticket = connection.send_call(evaluate(connection, SLEEP), 30)
        server.kill()
        start = time.monotonic()
        with pytest.raises(LinkLost, match=server.address):
            connection.receive(ticket, Deadline(20))
        assert time.monotonic() - start < 15


@pytest.mark.parametrize(("before", "after"), [("5.3.1", "6.0.2"), ("6.0.2", "5.3.1")])
def test_another_rpyc_at_the_same_place(connected, before, after):
    with start_server(rpyc=before) as server:
        port = server.port
        connected(server).close()
    with start_server(rpyc=after, port=port, options="reuse_addr=True") as server:
        assert evaluate(connected(server), "__import__('rpyc').__version__") == after


def test_one_round_trip_a_call(connected):
    with start_server() as server:
        connection = connected(server)
        assert connection.requests_sent == 1  # for the root
        echo = evaluate(connection, ECHO)
        call(connection, echo, b"x")
        assert connection.requests_sent == 3
