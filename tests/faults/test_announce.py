"""`serve --announce` on one machine, and `%discover`'s half on another, with a cable between."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator

import pytest

from rpyc_kernel.transport.deadline import Deadline
from rpyc_kernel.transport.discovery import mdns
from tests.faults.networks import FAR, Cable
from tests.servers.daemons import PortDaemon, run_serve

pytestmark = pytest.mark.needs("ip")


@pytest.fixture
def cable() -> Iterator[Cable]:
    with Cable() as networks:
        yield networks


def browsed(cable: Cable) -> list[tuple[str, str]]:
    with cable.near.inside():
        return [(each.name, each.address) for each in mdns.browse(Deadline(10))]


def test_a_server_is_found_where_it_can_be_connected_to_and_forgotten_when_it_ends(cable: Cable) -> None:
    with cable.far.inside(), PortDaemon("--announce", host=FAR) as daemon:
        ((name, address),) = browsed(cable)
        assert address == f"rpycs://{FAR}:{daemon.port}"
        assert re.fullmatch(re.escape(socket.gethostname().partition(".")[0]) + "-[0-9a-z]{1,4}", name)
    assert browsed(cable) == []


def test_two_servers_of_one_machine_s_name_are_two(cable: Cable) -> None:
    with cable.far.inside(), PortDaemon("--announce", host=FAR) as one, PortDaemon("--announce", host=FAR) as two:
        found = browsed(cable)
        assert sorted(address for _name, address in found) == sorted(
            f"rpycs://{FAR}:{each.port}" for each in (one, two)
        )
        assert len({name for name, _address in found}) == 2


def test_noise_does_no_harm(cable: Cable) -> None:
    with cable.far.inside(), PortDaemon("--announce", host=FAR) as daemon:
        with cable.near.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
            for size in (0, 1, 12, 13, 100, 1400) * 100:
                noise.sendto(os.urandom(size), (FAR, 5353))
                noise.sendto(b"\0\0\0\0\0\x01\0\0\0\0\0\0" + os.urandom(size), (FAR, 5353))
        assert browsed(cable)
        assert daemon.stop() == 0


def test_without_a_port_there_is_nothing_to_announce() -> None:
    done = run_serve("--announce")
    assert (done.returncode, done.stderr) == (2, "--announce is for a port: say --port 18821, too.\n")
