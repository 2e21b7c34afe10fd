"""`serve --port` between two machines: it notices that the other one is gone."""

from __future__ import annotations

import time

import pytest

from tests.faults.networks import FAR, Cable
from tests.servers.daemons import PortDaemon
from tests.servers.tls_clients import pair, prove

pytestmark = pytest.mark.needs("ip")
NOTICED_S = 240.0  # by `broker.tune`, after two minutes


@pytest.mark.soak
def test_a_client_whose_network_is_gone_is_noticed() -> None:
    with Cable() as cable, cable.far.inside(), PortDaemon("--pair", host=FAR) as daemon:
        with cable.near.inside():
            name, key = pair(daemon.port, daemon.code, host=FAR)
            sock = prove(daemon.port, name, key, host=FAR)
        try:
            cable.near.ip("route", "add", "blackhole", FAR)  # nothing comes from there any more
            begun = time.monotonic()
            while not daemon.count("disconnected"):
                assert time.monotonic() - begun < NOTICED_S, daemon.log
                time.sleep(0.2)
        finally:
            sock.close()
