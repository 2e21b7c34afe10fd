"""mDNS between two machines, each in a network of its own with a cable between: real announcements, and false ones."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from zeroconf import ServiceInfo, Zeroconf

from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.discovery import mdns
from rpyc_kernel.transport.discovery.found import FoundMachine
from rpyc_kernel.transport.discovery.sources import look
from tests.faults.networks import FAR, Cable

pytestmark = pytest.mark.needs("ip")
THERE = f"rpycs://{FAR}:18821"


@pytest.fixture
def cable() -> Iterator[Cable]:
    with Cable() as networks:
        yield networks


@contextmanager
def announced(cable: Cable, *names: str, port: int = 18821, host: str = "pi-of-a-test.local.") -> Iterator[None]:
    """The far machine announces services under these names."""
    with cable.far.inside():
        network = Zeroconf(interfaces=[FAR])
    try:
        for name in names:
            info = ServiceInfo(
                mdns.SERVICE, f"{name}.{mdns.SERVICE}", addresses=[socket.inet_aton(FAR)], port=port, server=host
            )
            network.register_service(info)
        yield
    finally:
        network.close()


def browsed(cable: Cable, seconds: float = 10) -> list[FoundMachine]:
    with cable.near.inside():
        return mdns.browse(Deadline(seconds))


def test_a_machine_is_found_and_forgotten(cable: Cable) -> None:
    with announced(cable, "pi"):
        assert browsed(cable) == [FoundMachine("mDNS", "pi", THERE)]
        with cable.near.inside():
            assert THERE in [each.address for each in look().machines]
    assert browsed(cable) == []


def test_many_are_bounded_in_number_and_time(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mdns, "MAX_MACHINES", 2)
    with announced(cable, "a", "b", "c", "d"):
        started = time.monotonic()
        assert len(browsed(cable)) == 2
        assert time.monotonic() - started < 10


def test_what_can_be_no_machine_is_left_out_and_names_are_shown_plainly(cable: Cable) -> None:
    with announced(cable, "nothing", port=0), announced(cable, "a\u202eb", host="-bad host-.local."):
        assert browsed(cable) == [FoundMachine("mDNS", "a b", THERE)]


def test_noise_does_no_harm(cable: Cable) -> None:
    with cable.far.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
        noise.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(FAR))
        with announced(cable, "pi"):
            for length in (0, 1, 11, 12, 13, 100, 1400):
                noise.sendto(b"\x00" * 2 + b"\x84\x00" + b"\xff" * length, ("224.0.0.251", 5353))
            assert [each.name for each in browsed(cable)] == ["pi"]
