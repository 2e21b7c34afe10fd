"""The client is suspended, and its clocks jump an hour; the other machine's clock jumps from 1970 to today."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.clock import Clock
from tests.faults.clocks import HOUR, Clocks
from tests.faults.notebooks import Notebook, counting
from tests.faults.processes import stopped
from tests.faults.proxy import Proxy
from tests.kernel.kernels import SOURCE
from tests.kernel.remotes import Remote, wait_until
from tests.kernel.results import Request

CODE = counting(60, pause=0.1)


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> Clocks:
    return Clocks(tmp_path_factory.mktemp("laptop"), SOURCE)


@pytest.fixture(scope="module")
def laptop(clock: Clock, clocks: Clocks) -> Iterator[Notebook]:
    """A notebook whose clocks can jump."""
    with Notebook(clock, env=clocks.env) as notebook:
        notebook.prepare()
        yield notebook


@pytest.mark.parametrize("link", ["lived on", "was cut meanwhile", "was forgotten by a router"])
def test_the_client_is_suspended(laptop: Notebook, remote: Remote, clocks: Clocks, clock: Clock, link: str) -> None:
    jumped = clocks.offset + HOUR
    with Proxy(remote.port) as proxy:

        def fault(_cell: Request) -> None:
            assert laptop.kernel is not None
            with stopped(laptop.kernel.pid):
                clock.sleep(10)
                if link == "was cut meanwhile":
                    proxy.cut()
                elif link == "was forgotten by a router":
                    proxy.blackhole()
                    proxy.heal()
                clocks.move(jumped, jumped)

        laptop.survives(proxy.address, remote.address, CODE, fault, seconds=60)
        moved = laptop.client.good("%%local\nimport time\nprint(time.time(), time.monotonic())").stdout
        assert float(moved.split()[0]) > time.time() + jumped - HOUR / 2
        assert float(moved.split()[1]) > time.monotonic() + jumped - HOUR / 2


def test_a_board_without_a_battery(notebook: Notebook, tmp_path: Path) -> None:
    """Its clock starts in 1970 and jumps; the session goes on, connected or left."""
    clocks = Clocks(tmp_path)
    clocks.move(-time.time())
    client = notebook.client
    with Remote("bare", env=clocks.env) as board:
        assert float(client.good(f"%connect {board.address} --keep 1m\nimport time\ntime.time()").text or 0) < HOUR
        cell = client.start("print('on')\ntime.sleep(0.5)\ntime.time()")
        client.wait_output(cell, "on")
        clocks.move(0.0)
        client.finish(cell)
        assert float(cell.text or 0) > HOUR
        client.good("kept = 'still here'\n")
        client.good("%disconnect")
        for offset in (HOUR, -time.time(), 0.0):
            clocks.move(offset)
            assert "idle" in client.good(f"%sessions {board.address}").stdout  # its keeper has looked at its clock
        assert wait_until(lambda: "connected" in client.good(f"%connect {board.address}").stdout.lower(), 5)
        assert client.good("kept").text == "'still here'"
