"""Two machines, as far as the network knows: a link that goes down for a while, and one that loses packets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.clock import Clock
from tests.faults.compare import link_lines
from tests.faults.networks import FAR, Cable, Networks, Radio
from tests.faults.notebooks import Notebook, counting
from tests.kernel.remotes import Remote
from tests.kernel.results import Request

pytestmark = pytest.mark.needs("ip")


@contextmanager
def two_machines(networks: Networks, clock: Clock, remote: Remote) -> Iterator[tuple[Notebook, str]]:
    """A notebook whose kernel is in the near network, and the address of a server in the far one.

    *remote* is where the notebook runs what nothing disturbs.
    """
    with ExitStack() as stack:
        with networks.far.inside():
            server = Remote("bare", host=FAR)
            stack.enter_context(server)
        with networks.near.inside():  # its front ends reach it by files
            notebook = Notebook(clock, transport="ipc")
            stack.enter_context(notebook)
            notebook.prepare()
            notebook.prepare_another()
        yield notebook, server.address


def test_a_link_that_is_down_for_10_seconds(clock: Clock, notebook: Notebook, remote: Remote) -> None:
    """TCP may live through it; once more, until the deadline has come. Nothing is lost either way."""
    code = counting(60, pause=clock(6))
    undisturbed = notebook.undisturbed(remote.address, code)
    with Cable() as cable, two_machines(cable, clock, remote) as (there, address):
        there.know(code, undisturbed)

        def fault(cell: Request) -> None:
            cable.pull_out()
            clock.sleep(10)
            cable.plug_in()
            there.client.wait_output(cell, "line 10\n", clock.patience(20))
            cable.pull_out()
            there.client.wait_for(lambda: link_lines(cell), clock.patience(20), "the line about the link")
            clock.sleep(10)
            cable.plug_in()

        cell = there.survives(address, address, code, fault, seconds=120)
        assert link_lines(cell)[-1][1].endswith("was lost, and is back")


@pytest.mark.needs("tun")
def test_a_link_of_300_ms_that_loses_5_percent(clock: Clock, notebook: Notebook, remote: Remote, seed: int) -> None:
    code = counting(clock.number(3000), every=20, together=10)
    undisturbed = notebook.undisturbed(remote.address, code)
    with Radio(clock(0.3), 0.05, seed) as radio, two_machines(radio, clock, remote) as (there, address):
        there.know(code, undisturbed)
        there.survives(address, address, code, lambda _cell: None, seconds=300)
        print(f"{radio.packets} packets, of which {radio.lost} were lost")
        assert radio.lost
