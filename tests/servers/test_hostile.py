"""A hostile server gets nowhere: nothing of it runs here, memory stays bounded, and an error of ours comes in time."""

import gc
import json
import os
import sys
import time
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import pytest
from rpyc.core import consts

from rpyc_kernel.errors import (
    DialError,
    FrameTooLargeError,
    LinkLost,
    NoAnswerError,
    NotRpycError,
    ProtocolError,
    RemoteError,
    RpycVersionError,
    ServerClosedError,
    SilentServerError,
    WrongServiceError,
)
from rpyc_kernel.transport import dial as dial_module
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.dial import dial
from rpyc_kernel.transport.rpyc_wire.connection import RemoteRef
from tests import nursery
from tests.servers.calls import call, call_method
from tests.servers.rpyc_servers import start_server

MEGABYTE = 2**20
LIMIT = 8 * MEGABYTE  # what one message may be, in these tests
# What each does as the first thing it is asked (dial), and in the place of a later answer (call): the error, or what
# comes back where there is nothing wrong with it.
BEHAVIOURS = {
    "asks": (RemoteRef, "proper"),
    "asks_forever": (RpycVersionError, ProtocolError),
    "asks_forever_and_never_reads": (RpycVersionError, ProtocolError),
    "four_gigabytes": (NotRpycError, FrameTooLargeError),
    "never_complete": (SilentServerError, NoAnswerError),
    "big_and_never_complete": (NotRpycError, FrameTooLargeError),
    "bomb": (RpycVersionError, FrameTooLargeError),
    "bomb_of_a_value": (NotRpycError, FrameTooLargeError),
    "deep": (NotRpycError, ProtocolError),
    "deep_boxes": (NotRpycError, ProtocolError),
    "many_items": (NotRpycError, ProtocolError),
    "long_number": (NotRpycError, ProtocolError),
    "short_string": (NotRpycError, ProtocolError),
    "garbage": (NotRpycError, FrameTooLargeError),
    "garbage_in_a_frame": (NotRpycError, ProtocolError),
    "unknown_reply": (RpycVersionError, ProtocolError),
    "replies_forever": (RpycVersionError, ProtocolError),
    "replies_twice": (RpycVersionError, 1),
    "our_object": (RpycVersionError, ProtocolError),
    "pickled": (RpycVersionError, bytes),
    "reference_with_a_bad_name": (RemoteRef, RemoteRef),
    "exception_of_os": (WrongServiceError, RemoteError),
    "exception_to_import": (WrongServiceError, RemoteError),
    "exception_of_subprocess": (WrongServiceError, RemoteError),
    "exception_system_exit": (WrongServiceError, RemoteError),
    "exception_keyboard_interrupt": (WrongServiceError, RemoteError),
    "exception_stop_iteration": (WrongServiceError, RemoteError),
    "exception_of_nothing": (RpycVersionError, ProtocolError),
    "exception_that_is_long": (WrongServiceError, RemoteError),
    "goodbye": (ServerClosedError, LinkLost),
    "hangs_up": (ServerClosedError, LinkLost),
    "resets": (ServerClosedError, LinkLost),
}


@pytest.fixture(autouse=True)
def know_nothing(monkeypatch):
    monkeypatch.setattr(dial_module, "_known", {})


@contextmanager
def hostile(behaviour, phase, folder):
    log = folder / "log"
    program = [str(Path(__file__).with_name("hostile.py")), behaviour, phase, str(folder)]
    with log.open("wb") as file:
        server = nursery.start(program, env=os.environ, stdout=file, stderr=file)
    try:
        end = time.monotonic() + 20
        while not (folder / "port").exists():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end
            time.sleep(0.01)
        yield Address.parse(f"127.0.0.1:{(folder / 'port').read_text()}")
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        server.kill()
        server.wait()


@contextmanager
def bounded(seconds, memory):
    """What is done inside takes no longer, and never holds more memory of Python's, than that."""
    gc.collect()
    tracemalloc.start()
    start = time.monotonic()
    try:
        yield
        assert time.monotonic() - start < seconds
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """Where a module lies in wait whose import would show; afterwards nothing of theirs may have run."""
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "evil_module.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\nclass Evil(Exception): pass\n")
    monkeypatch.syspath_prepend(str(trap))
    yield
    assert not (tmp_path / "canary").exists()
    assert "evil_module" not in sys.modules


def outcome(work):
    """What `work` returns, or the error of ours that it raises. Anything else goes on, SystemExit included."""
    try:
        return work()
    except (DialError, LinkLost, NoAnswerError, ProtocolError, RemoteError) as error:
        return error


def check(found, expected):
    if isinstance(expected, type):
        assert type(found) is expected, repr(found)
    else:
        assert found == expected
    if isinstance(found, Exception):
        assert len(str(found)) < 120_000


@pytest.mark.parametrize(("behaviour", "expected"), [(name, both[0]) for name, both in BEHAVIOURS.items()])
def test_a_hostile_server_from_the_first_answer_on(behaviour, expected, tmp_path, canary):
    with hostile(behaviour, "root", tmp_path) as address:
        seconds = 1 if expected is SilentServerError else 6
        with bounded(seconds + 2, MEGABYTE * 8):
            found = outcome(lambda: dial(address, timeout=seconds))
        if not isinstance(found, Exception):
            found, connection = found.root(), found
            connection.close()
        check(found, expected)
        if isinstance(found, Exception):
            assert str(address) in str(found)
    check_refusals(tmp_path, behaviour)


@pytest.mark.parametrize(("behaviour", "expected"), [(name, both[1]) for name, both in BEHAVIOURS.items()])
def test_a_hostile_server_once_it_is_trusted(behaviour, expected, tmp_path, canary):
    with hostile(behaviour, "call", tmp_path) as address:
        connection = dial(address, timeout=5)
        connection.max_frame = LIMIT
        seconds = 1 if expected is NoAnswerError else 5
        try:
            with bounded(seconds + 2, LIMIT * 4):
                found = outcome(lambda: call(connection, connection.root(), b"ask", timeout=seconds))
            check(found, expected)
            if isinstance(found, ProtocolError):
                assert str(address) in str(found)
                assert connection.fileno() == -1  # hung up by itself
            if isinstance(found, RemoteError):  # and the connection goes on
                assert call(connection, connection.root(), timeout=5) == "proper"
            if behaviour == "replies_twice":
                assert isinstance(outcome(lambda: call(connection, connection.root(), timeout=5)), ProtocolError)
        finally:
            connection.close()
    check_refusals(tmp_path, behaviour)


def check_refusals(folder, behaviour):
    if behaviour != "asks":
        return
    for line in (folder / "replies").read_text().splitlines():
        replies = json.loads(line)
        assert len(replies) == 15
        for _, kind, answer in replies:
            assert kind == consts.MSG_EXCEPTION
            assert "this client serves nothing" in answer


def test_the_default_limit_bounds_memory_too(tmp_path):
    with hostile("bomb_of_a_value", "call", tmp_path) as address:
        connection = dial(address, timeout=5)
        with bounded(20, 300 * MEGABYTE):
            found = outcome(lambda: call(connection, connection.root(), timeout=20))
        check(found, FrameTooLargeError)


def test_memory_grows_with_what_comes_and_not_with_what_is_announced(tmp_path):
    with hostile("big_and_never_complete", "call", tmp_path) as address:
        connection = dial(address, timeout=5)
        with bounded(5, 30 * MEGABYTE):  # 60 are announced, which would be taken, and 10 come
            check(outcome(lambda: call(connection, connection.root(), timeout=1)), NoAnswerError)
        connection.close()


def test_the_process_does_not_grow_over_many_hostile_connections(tmp_path):
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    with hostile("bomb", "call", tmp_path) as address:
        sizes = []
        for _ in range(30):
            connection = dial(address, timeout=5)
            connection.max_frame = LIMIT
            check(outcome(lambda: call(connection, connection.root(), timeout=5)), FrameTooLargeError)  # noqa: B023
            sizes.append(resident())
        assert sizes[-1] - sizes[9] < 4 * MEGABYTE


# With RPyC's own pieces: what a hostile service reaches through the connection object that its server has.

HOSTILE_SERVICE = """
from rpyc.core.service import SlaveService
from rpyc.utils import classic
CANARY = {canary!r}
LOG = open({log!r}, "a", buffering=1)

class Hostile(SlaveService):
    def eval(self, text):
        connection = self._conn
        connection._config["sync_request_timeout"] = 2
        from rpyc.core import consts, netref
        def attempt(name, work):
            try:
                LOG.write(name + " got " + repr(work()) + chr(10))
            except BaseException as error:
                LOG.write(name + " refused " + type(error).__name__ + " " + str(error).splitlines()[0] + chr(10))
        touch = "open(" + repr(CANARY) + ", 'w')"
        attempt("root", lambda: connection.root)
        attempt("eval", lambda: connection.root.eval(touch))
        attempt("getattr", lambda: connection.sync_request(consts.HANDLE_GETATTR, connection, "_stream"))
        class Netref(netref.BaseNetref):
            __slots__ = ()
        proxy = Netref(connection, ("builtins.object", 1, 2))
        attempt("call", lambda: connection.sync_request(consts.HANDLE_CALL, proxy, (touch,), ()))
        attempt("getmodule", lambda: connection.sync_request(consts.HANDLE_CALLATTR, proxy, "getmodule", ("os",), ()))
        attempt("pickle", lambda: connection.sync_request(consts.HANDLE_PICKLE, proxy, 4))
        attempt("obtain", lambda: classic.obtain(proxy))
        attempt("copy", lambda: __import__("copy").copy(proxy))
        attempt("reduce", lambda: proxy.__reduce_ex__(4))
        attempt("array", lambda: proxy.__array__())
        check = consts.HANDLE_INSTANCECHECK
        attempt("isinstance", lambda: connection.sync_request(check, proxy, ("builtins.int", 1, 2)))
        LOG.write("end" + chr(10))
        return "survived"
"""


def test_a_hostile_service_of_rpyc_itself(tmp_path):
    canary, log = tmp_path / "canary", tmp_path / "attempts"
    before = HOSTILE_SERVICE.format(canary=str(canary), log=str(log))
    with start_server(before=before, service="Hostile") as server:
        connection = dial(Address.parse(server.address))
        try:
            with bounded(10, 4 * MEGABYTE):
                found = outcome(lambda: call_method(connection, connection.root(), "eval", "1", timeout=10))
            assert found == "survived"
        finally:
            connection.close()
        attempts = log.read_text().splitlines()
    assert len(attempts) == 12
    assert [line for line in attempts if "refused PermissionError this client" not in line] == ["end"]
    assert not canary.exists()
