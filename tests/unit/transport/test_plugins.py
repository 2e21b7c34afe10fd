"""Transports of other packages: found late, refused with a sentence that names the package, and never in our place."""

import socket
import sys
import threading
import time
from importlib import import_module

import pytest

from rpyc_kernel.errors import (
    AddressError,
    DialCancelledError,
    DialTimeoutError,
    ServerClosedError,
    TransportError,
)
from rpyc_kernel.transport import dial as dialling
from rpyc_kernel.transport import plugins
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.dial import dial
from tests.servers.transports import write_package

PAIR = """
import socket
others = []
def way(address, deadline):
    one, other = socket.socketpair()
    others.append(other)
    return one
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a made-up package with one transport, `odd://`, unless told otherwise."""
    monkeypatch.syspath_prepend(tmp_path)
    modules = set()

    def install(source, name="odd-transport", schemes=None):
        modules.add(write_package(tmp_path, name, schemes or {"odd": "way"}, source))

    yield install
    wait_for(lambda: not any(thread.name.startswith("dial odd") for thread in threading.enumerate()))
    for module in modules:
        loaded = sys.modules.pop(module, None)
        for sock in getattr(loaded, "others", ()):
            sock.close()


def failing(text="odd://there", error=TransportError, timeout=20.0):
    """Dial, and return the sentence that it fails with."""
    with pytest.raises(error) as caught:
        dial(Address.parse(text), timeout=timeout)
    said = str(caught.value)
    assert said.endswith((".", "?"))
    assert "\n" not in said
    assert "\x1b" not in said
    assert "Traceback" not in said
    return said


# --- addresses

WRITTEN = {
    # written: (canonical, host, port, path, user)
    "odd://there": ("odd://there", "there", None, "", ""),
    " ODD://There:5/ ": ("odd://there:5", "there", 5, "", ""),
    "odd://there/board:18812": ("odd://there/board:18812", "there", None, "/board:18812", ""),
    "odd://there/Board/": ("odd://there/Board/", "there", None, "/Board/", ""),
    "odd:///dev/ttyUSB0": ("odd:///dev/ttyUSB0", "", None, "/dev/ttyUSB0", ""),
    "odd://me@[::1]:7/x": ("odd://me@[::1]:7/x", "::1", 7, "/x", "me"),
    "odd://there/me@board": ("odd://there/me@board", "there", None, "/me@board", ""),
}


@pytest.mark.parametrize(("written", "expected"), WRITTEN.items())
def test_addresses_are_read_like_the_others_and_may_have_a_path(installed, written, expected):
    installed(PAIR)
    address = Address.parse(written)
    assert (str(address), address.host, address.port, address.path, address.user) == expected
    assert Address.parse(str(address)) == address
    assert address.display == str(address)


def test_a_host_on_the_way_is_not_where_the_server_is(installed):
    installed(PAIR)
    address = Address.parse("odd://localhost:3128/board")
    assert not address.is_loopback
    assert address.server == ("", None)  # so that no hint says how to start a server on port 3128


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("odd://", "names no host"),
        ("odd:///", "names no host"),
        ("odd://there:x", "1 to 65535"),
        ("odd://-there/x", "no host name"),
        ("odd://there?a", "ends before"),
        ("odd://there/a#b", "ends before"),
        ("odd://there/\u202ea", "can't be shown"),
        ("odd://there/\ud800", "can't be shown"),
        ("odd://-o@there/x", "user name"),
        ("even://there", "nor an installed package"),
    ],
)
def test_what_is_no_address_of_theirs(installed, written, part):
    installed(PAIR)
    with pytest.raises(AddressError) as caught:
        Address.parse(written)
    assert part in str(caught.value)
    assert "\u202e" not in str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        "odd://me:hunter2@there",
        "odd://there/me:hunter2@board",
        "odd://there?token=hunter2",
        "odd://there/x?hunter2",
        "odd://there/x#hunter2",
        "odd://me:hunter2@there/x?y",
    ],
)
def test_a_secret_is_refused_and_never_repeated(installed, written):
    installed(PAIR)
    with pytest.raises(AddressError) as caught:
        Address.parse(written)
    assert "hunter2" not in str(caught.value)


# --- found late


def test_it_is_not_imported_before_it_is_dialled(installed):
    installed("raise RuntimeError('imported')")
    assert str(Address.parse("odd://there")) == "odd://there"
    assert "odd_transport" not in sys.modules
    assert "RuntimeError: imported" in failing()


def test_nothing_is_looked_up_for_our_own_schemes(monkeypatch):
    monkeypatch.setattr(plugins, "_find", None)  # it can't be called
    for text in ("board", "rpyc://board:1", "rpycs://board", "ssh://me@board", "unix:///s", "local:"):
        Address.parse(text)
    with pytest.raises(AddressError):
        Address.parse("http://board")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(dialling.NobodyListeningError):
        dial(Address.parse(f"127.0.0.1:{port}"))


@pytest.mark.parametrize("text", ["rpyc://127.0.0.1:1", "unix:///nowhere/s", "rpycs://127.0.0.1:1"])
def test_our_own_schemes_cannot_be_replaced(installed, text):
    installed(PAIR, schemes=dict.fromkeys(("rpyc", "unix", "rpycs", "ssh", "local", "http"), "way"))
    with pytest.raises(dialling.NobodyListeningError):
        dial(Address.parse(text))
    with pytest.raises(AddressError, match="web page"):
        Address.parse("http://there")
    assert "odd_transport" not in sys.modules


# --- what it returns


def test_a_socket_that_it_returns_is_spoken_through(installed):
    installed(PAIR.replace("others.append(other)", "other.close()"))
    with pytest.raises(ServerClosedError, match="odd://there closed the connection"):
        dial(Address.parse("odd://there"))


def test_it_is_given_the_address_and_the_time_that_is_left(installed):
    installed("def way(address, deadline): raise ValueError(f'{address.port} {address.path} {deadline.left() > 5}')")
    assert "7 /x True" in failing("odd://there:7/x")


@pytest.mark.parametrize("returned", ["None", "'text'", "7"])
def test_what_is_no_socket(installed, returned):
    installed(f"def way(address, deadline): return {returned}")
    said = failing()
    assert "odd-transport" in said
    assert "instead of a socket" in said


# --- broken ones


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def (", "SyntaxError"),
        ("other = 1", "AttributeError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise RuntimeError('one\\ntwo \\x1b[31m')", "RuntimeError: one two [31m"),
        ("raise RuntimeError('x' * 5000)", "…"),
    ],
)
def test_one_that_cannot_be_loaded_is_named(installed, source, part):
    installed(source)
    said = failing()
    assert said.startswith("Cannot connect to odd://there: the transport of odd-transport cannot be loaded (")
    assert part in said
    assert len(said) < 600


@pytest.mark.parametrize(
    ("raised", "part"),
    [
        ("ValueError('no')", "the transport of odd-transport failed, which is a bug in it (ValueError: no)."),
        ("SystemExit(3)", "failed, which is a bug in it (SystemExit: 3)."),
        ("KeyboardInterrupt", "failed, which is a bug in it (KeyboardInterrupt)."),
        ("StopIteration", "failed, which is a bug in it"),
        ("OSError(113, 'No route to host')", ": No route to host (said by the transport of odd-transport)."),
        ("ConnectionError('403')", ": 403 (said by the transport of odd-transport)."),
        ("ConnectionRefusedError", ": ConnectionRefusedError (said by"),
    ],
)
def test_one_that_raises_is_named(installed, raised, part):
    installed(f"def way(address, deadline): raise {raised}")
    assert part in failing()


def test_a_timeout_is_told_as_ours(installed):
    installed("def way(address, deadline): raise TimeoutError")
    assert "20 s" in failing(error=DialTimeoutError)


def test_a_dial_error_is_passed_on(installed):
    installed(
        "from rpyc_kernel.errors import UnreachableError\n"
        "def way(address, deadline): raise UnreachableError(address, 'the bridge is up')"
    )
    assert "the bridge is up" in failing(error=dialling.DialError)


def test_two_packages_with_one_scheme_are_both_named(installed):
    installed(PAIR)
    installed(PAIR, name="odder-transport")
    assert "odd-transport and odder-transport both bring" in failing()


def test_one_that_was_uninstalled_meanwhile(monkeypatch, installed):
    installed(PAIR)
    address = Address.parse("odd://there")
    monkeypatch.setattr(plugins, "_find", lambda scheme: [])
    with pytest.raises(TransportError, match="odd:// is not installed any more"):
        dial(address)


# --- one that hangs

HANGS = """
import socket, threading
others, entered, gate = [], threading.Event(), threading.Event()
def way(address, deadline):
    entered.set()
    gate.wait()
    one, other = socket.socketpair()
    others.append(other)
    return one
"""


def test_one_that_hangs_is_left_at_the_deadline(installed):
    installed(HANGS)
    module = import_module("odd_transport")  # which may take longer than the dialling
    started = time.monotonic()
    failing(error=DialTimeoutError, timeout=0.3)
    assert time.monotonic() - started < 10
    assert module.entered.wait(20)
    see_it_closed(module)


def test_one_that_hangs_is_left_when_it_is_cancelled_and_what_it_opens_then_is_closed(installed):
    installed(HANGS)
    cancel, errors = threading.Event(), []

    def run():
        try:
            dial(Address.parse("odd://there"), timeout=None, cancel=cancel)
        except DialCancelledError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while "odd_transport" not in sys.modules or not hasattr(sys.modules["odd_transport"], "way"):
        time.sleep(0.01)
    module = sys.modules["odd_transport"]
    assert module.entered.wait(20)
    cancel.set()
    thread.join(20)
    assert [str(error) for error in errors] == ["Connecting to odd://there was stopped."]
    see_it_closed(module)


def see_it_closed(module):
    """What it opens when nobody waits for it any more is closed."""
    module.gate.set()
    (other,) = wait_for(lambda: module.others)
    other.settimeout(20)
    assert other.recv(1) == b""


def wait_for(condition):
    end = time.monotonic() + 20
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def test_a_socket_that_comes_with_the_end_of_the_time_is_not_left_open(installed):
    """However the two fall together: either it is returned, or closed."""
    installed(PAIR)
    address = Address.parse("odd://there")
    for _ in range(200):
        try:
            address.transport.open_socket(address, Deadline(0.0004)).close()
        except DialTimeoutError:
            pass
    wait_for(lambda: not any(thread.name.startswith("dial odd") for thread in threading.enumerate()))
    for other in sys.modules["odd_transport"].others:
        other.settimeout(20)
        assert other.recv(1) == b""
