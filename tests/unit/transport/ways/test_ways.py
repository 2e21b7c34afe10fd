"""Transports of our own: each is a file of its own that nothing else names, and is loaded by whoever needs it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rpyc_kernel.errors import AddressError, DialCancelledError, DiscoveryError, ServiceDownError, UnreachableError
from rpyc_kernel.transport import address, ways
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.discovery import registry
from rpyc_kernel.transport.servers import first_server

SCHEMES = sorted(path.stem for path in Path(ways.__file__).parent.glob("[a-z]*.py"))

CUPS = """
import socket
from rpyc_kernel.transport.address import Address, Transport
class Cups(Transport):
    default_port = 7
    def open_socket(self, address, deadline):
        ours, theirs = socket.socketpair()
        theirs.sendall(str(address).encode())
        theirs.close()
        return ours
TRANSPORT = Cups("cups")
"""


def test_the_files_are_those_that_are_told_of():
    assert SCHEMES == ["adb", "dask", "docker", "http", "local", "podman", "rpyc", "rpycs", "service", "ssh", "unix"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_is_what_its_name_says(scheme):
    transport = address.transport_of(scheme)
    assert isinstance(transport, address.Transport)
    assert transport.scheme == scheme
    assert transport is address.transport_of(scheme)


def test_a_new_one_is_a_new_file_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "cups.py").write_text(CUPS)
    with pytest.raises(AddressError, match="no way to cups://"):
        Address.parse("cups://kitchen")
    monkeypatch.setattr(address, "_transports", {})
    monkeypatch.setattr(ways, "__path__", [*ways.__path__, str(tmp_path)])
    try:
        found = Address.parse("CUPS://me@Kitchen")
        assert (str(found), found.display, found.port) == ("cups://me@kitchen:7", "cups://me@kitchen:7", 7)
        assert Address.parse("cups://kitchen").display == "kitchen"
        with found.transport.open_socket(found, Deadline(1.0)) as sock:
            assert sock.recv(100) == b"cups://me@kitchen:7"
    finally:
        sys.modules.pop("rpyc_kernel.transport.ways.cups", None)


def test_one_that_is_broken_is_not_taken_for_one_that_is_missing(tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("import no_such_module")
    monkeypatch.setattr(ways, "__path__", [*ways.__path__, str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        ways.find("broken")


@pytest.mark.parametrize("scheme", ["", "a.b", "a-b", "rpyc.socket", "../x", "1"])
def test_what_is_no_name_of_a_file_is_not_looked_for(scheme):
    assert ways.find(scheme) is None


def test_the_others_stay_unloaded():
    """What an address doesn't name costs the start of a kernel nothing."""
    said = """
import sys
from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.dial import dial
Address.parse("board")
Address.parse("board:5000")
print(*(name.rpartition('.')[2] for name in sys.modules if name.startswith("rpyc_kernel.transport.ways.")))
print("importlib.metadata" in sys.modules, "rpyc_kernel.transport.plugins" in sys.modules)
"""
    loaded = subprocess.check_output([sys.executable, "-c", said], text=True, timeout=60)
    assert loaded.split() == ["rpyc", "False", "False"]


# --- the name of a service


def servers(monkeypatch, *found, error=None):
    def discover(name, **_options):
        assert name == "SLAVE"
        if error:
            raise error
        return found

    monkeypatch.setattr(registry, "discover", discover)


def first(address, connect, **options):
    return first_server(address, address.locate(), connect, **options)


def test_a_name_stands_for_its_servers(monkeypatch):
    servers(monkeypatch, ("10.0.0.5", 18861), ("::1", 5))
    assert [str(each) for each in Address.parse("service:slave").locate()] == ["10.0.0.5:18861", "[::1]:5"]
    assert Address.parse("board").locate() == [Address.parse("board")]


def test_the_first_server_that_can_be_connected_to_is_taken(monkeypatch):
    servers(monkeypatch, ("a", 1), ("b", 2), ("c", 3), ("d", 4))
    asked = []

    def connect(server, seconds):
        asked.append((str(server), round(seconds, 1)))
        if server.host != "c":
            raise UnreachableError(server, "no")
        return "there"

    assert first(Address.parse("service:slave"), connect, timeout=8.0) == "there"
    assert [server for server, _seconds in asked] == ["a:1", "b:2", "c:3"]
    assert asked[0][1] == 2.0  # a fourth of the time


def test_each_server_has_a_second_where_there_are_many(monkeypatch):
    servers(monkeypatch, *(("a", port) for port in range(1, 51)))
    shares = []
    with pytest.raises(ServiceDownError, match="None of the 50 servers that are registered as SLAVE"):
        first(
            Address.parse("service:slave"),
            lambda server, seconds: shares.append(seconds) or _raise(UnreachableError(server, "no")),
            timeout=2.0,
        )
    assert all(0.9 < share <= 1.0 for share in shares[:-2])  # to the last two it all belongs


def test_a_stop_ends_it(monkeypatch):
    servers(monkeypatch, ("a", 1), ("b", 2))
    with pytest.raises(DialCancelledError):
        first(Address.parse("service:slave"), lambda server, _seconds: _raise(DialCancelledError(server)))


def test_an_address_is_connected_to_with_its_own_error():
    with pytest.raises(UnreachableError, match="Cannot reach board"):
        first(Address.parse("board"), lambda server, _seconds: _raise(UnreachableError(server, "no")))


def test_the_name_of_a_service_can_be_dialled_like_an_address(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        servers(monkeypatch, closed.getsockname(), listener.getsockname())
        name = Address.parse("service:slave")
        for seconds in (10.0, None):
            with name.transport.open_socket(name, Deadline(seconds)) as sock:
                assert sock.getpeername() == listener.getsockname()


def test_what_the_registry_says_is_told(monkeypatch):
    servers(monkeypatch, error=DiscoveryError("nobody answered"))
    name = Address.parse("service:slave")
    with pytest.raises(DiscoveryError, match="nobody answered"):
        name.transport.open_socket(name, Deadline(1.0))


def test_which_options_mean_nothing_there():
    assert "service:NAME" in Address.parse("board").transport.inapplicable["registry"]
    assert not Address.parse("service:slave").transport.inapplicable


def _raise(error):
    raise error
