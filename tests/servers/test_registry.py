"""Services are found through RPyC's own registries, by UDP and TCP; and from a hostile one nothing is believed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rpyc_kernel import errors
from rpyc_kernel.transport.discovery.names import meant
from rpyc_kernel.transport.discovery.registry import discover
from rpyc_kernel.transport.rpyc_wire import brine
from tests.kernel.remotes import wait_until
from tests.servers.registries import answering, registered, registering, start_registry
from tests.servers.rpyc_servers import Server, free_port

SERVICE = """
from rpyc.core.service import Service
class TallyService(Service):
    ALIASES = ["Tally", "count"]
"""
LONG = 60.0  # seconds that nothing here takes


def packed(value: object) -> bytes:
    return b"".join(brine.dump(value))


@pytest.fixture(params=["udp", "tcp"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["4.1.5", "5.3.1", "6.0.2"])
def registry(request: pytest.FixtureRequest, kind: str) -> Iterator[Server]:
    with start_registry(kind, rpyc=request.param) as server:
        yield server


# --- by name


def test_a_server_is_found_by_each_of_its_names_in_any_case(registry: Server, kind: str) -> None:
    with registering(registry, kind, service="TallyService", before=SERVICE) as server:
        place = f"{kind}://{registry.address}"
        assert registered(place, "TALLY") == (("127.0.0.1", server.port),)
        for name in ("tally", "Tally", "COUNT", "count"):
            for where in (place, registry.address, place.upper()):
                assert discover(name, registry=where) == (("127.0.0.1", server.port),)
        assert [str(each) for each in meant("tally").locate(place)] == [server.address]
        assert [str(each) for each in meant("service:count").locate(place)] == [server.address]
        with pytest.raises(errors.NotRegisteredError, match=rf"SLAVE .*{registry.address}.*auto_register=True"):
            discover("slave", registry=place)


def test_several_servers_each_once(kind: str) -> None:
    with start_registry(kind) as registry, registering(registry, kind) as one:
        registered(registry.address, "SLAVE")
        with registering(registry, kind, rpyc="5.3.1") as other:
            assert set(registered(registry.address, "SLAVE", 2)) == {("127.0.0.1", one.port), ("127.0.0.1", other.port)}


def test_a_server_that_was_killed_is_forgotten_after_a_while(kind: str) -> None:
    with start_registry(kind, options="pruning_timeout=2") as registry, registering(registry, kind) as server:
        registered(registry.address, "SLAVE")
        server.kill()
        assert wait_until(lambda: not known(registry, "SLAVE"), LONG)


def known(registry: Server, name: str) -> tuple[tuple[str, int], ...]:
    try:
        return discover(name, registry=registry.address)
    except errors.NotRegisteredError:
        return ()


@pytest.mark.needs("ipv6")
def test_by_ipv6() -> None:
    with start_registry("udp", host="::1") as registry:
        with registering(registry, host="::1", options="ipv6=True") as server:
            place = f"udp://[::1]:{registry.port}"
            assert registered(place, "SLAVE") == (("::1", server.port),)
            assert [str(each) for each in meant("slave").locate(place)] == [f"[::1]:{server.port}"]
            with pytest.raises(errors.NotRegisteredError, match=rf"\[::1\]:{registry.port} by UDP"):
                discover("nobody", registry=place)


# --- all names


@pytest.mark.parametrize("rpyc", ["5.3.1", "6.0.2"])
def test_a_registry_lists_what_it_knows_if_it_may(kind: str, rpyc: str) -> None:
    with start_registry(kind, rpyc=rpyc, options="allow_listing=True") as registry:
        assert discover(registry=registry.address) == {}
        with (
            registering(registry, kind) as one,
            registering(registry, kind, service="TallyService", before=SERVICE) as two,
        ):
            registered(registry.address, "SLAVE")
            registered(registry.address, "COUNT")
            tally = (("127.0.0.1", two.port),)
            assert discover(registry=registry.address) == {
                "COUNT": tally,
                "SLAVE": (("127.0.0.1", one.port),),
                "TALLY": tally,
            }


def test_a_registry_that_may_not_list_says_so(registry: Server) -> None:
    """RPyC's before 5.3 can't at all, and then don't answer."""
    with pytest.raises(errors.ListingRefusedError, match=rf"{registry.address} by .* Ask for one by its name"):
        discover(registry=registry.address, timeout=1.0)


# --- nobody, and somebody else


def test_nobody_answers_where_nothing_listens() -> None:
    port = free_port()
    with pytest.raises(errors.NoRegistryError, match=rf"127.0.0.1:{port} by UDP \(Connection refused\).*by TCP \(Conn"):
        discover("SLAVE", registry=f"127.0.0.1:{port}", timeout=LONG)  # and is noticed at once


def test_a_silent_registry_is_given_up(kind: str) -> None:
    with answering(kind, hang_up=False) as place:
        with pytest.raises(errors.NoRegistryError, match=r"\(no answer\)"):
            discover("SLAVE", registry=place, timeout=0.5)


def test_waiting_is_ended_by_the_stop_button(kind: str) -> None:
    pressed = threading.Event()
    with answering(kind, hang_up=False) as place:
        threading.Timer(0.2, pressed.set).start()
        with pytest.raises(errors.DialCancelledError):
            discover("SLAVE", registry=place, timeout=LONG, cancel=pressed)


def test_a_datagram_that_was_lost_is_sent_again() -> None:
    with answering("udp", packed((("10.0.0.5", 18861),)), ignore=2) as place:
        assert discover("SLAVE", registry=place, timeout=LONG) == (("10.0.0.5", 18861),)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x10" * 60_000,
        b"\xff" * 65_000,
        packed("OK"),
        packed(None),
        packed((("10.0.0.5", 18861),))[:-1],
    ],
    ids=["http", "deep", "junk", "text", "none", "cut"],
)
def test_what_no_registry_would_answer_is_refused_in_words(kind: str, answer: bytes) -> None:
    with answering(kind, answer) as place:
        with pytest.raises(errors.NoRegistryError, match="it answered with something") as caught:
            discover("SLAVE", registry=place, timeout=LONG)
    assert len(str(caught.value)) < 500


def test_an_endless_answer_is_cut() -> None:
    with answering("tcp", *[b"\x01" * 60_000] * 100, hang_up=False) as place:
        with pytest.raises(errors.NoRegistryError, match="it answered with more than 64 KiB"):
            discover("SLAVE", registry=place, timeout=10.0)


def test_of_a_hostile_answer_only_servers_are_taken(kind: str) -> None:
    odd = (("a\x1b[2Jb", 5), ("10.0.0.5", 99999), ("0.0.0.0", 5), "x", ("10.0.0.6", 5), ("10.0.0.6", 5))
    with answering(kind, packed(odd)) as place:
        assert discover("SLAVE", registry=place) == (("10.0.0.6", 5),)


def test_of_thousands_of_servers_a_thousand_are_taken(kind: str) -> None:
    many = packed(tuple(("10.0.0.6", port) for port in range(1, 3000)))
    with answering(kind, many) as place:
        assert len(discover("SLAVE", registry=place)) == 1000


def test_whoever_answers_a_moment_later_is_heard_too() -> None:
    """By UDP and TCP; a search that has found something still waits a little."""
    both = (("10.0.0.5", 5), ("10.0.0.6", 6))
    with answering("udp", packed(both[:1])) as place:
        port = int(place.rpartition(":")[2])
        with answering("tcp", packed(both[1:]), port=port, delay=0.03):
            found = [discover("SLAVE", registry=f"127.0.0.1:{port}") for _ in range(10)]
    assert sum(each == both for each in found) > 5, found  # not each: this machine may be busy with something else


def test_a_list_of_thousands_of_names_asks_for_two_hundred(kind: str) -> None:
    """The same bytes answer both questions: its names are no servers."""
    with answering(kind, packed(tuple(f"S{number}" for number in range(3000)))) as place:
        found = discover(registry=place, timeout=LONG)
    assert len(found) == 200
    assert set(found.values()) == {()}
