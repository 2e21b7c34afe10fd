"""A motor stops when the Wi-Fi does: functions that run on the other machine when heartbeats don't come any more."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.notebooks import Notebook
from tests.faults.proxy import Proxy
from tests.kernel.client import Client
from tests.kernel.remotes import Remote

pytestmark = pytest.mark.needs("linux")

FOREVER = 3600.0
AFTER = 0.5  # seconds of silence
JITTER = 0.3  # seconds that a heartbeat may be late
REPORT = "on_disconnect ran stop_motors on"
HOLD_GIL = "import ctypes\nprint('on', flush=True)\nctypes.PyDLL(None).usleep({} * 1000)"
MOTOR = """
import json, time
def stop_motors():
    with open({log!r}, 'a') as file:
        file.write(json.dumps([time.monotonic(), left]) + '\\n')
left = 1
stopping = on_disconnect(stop_motors)
left = 2
"""


@pytest.fixture
def proxy(remote: Remote) -> Iterator[Proxy]:
    with Proxy(remote.port) as each:
        yield each


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "motors"


@pytest.fixture
def client(notebook: Notebook, proxy: Proxy, log: Path) -> Client:
    notebook.client.good(f"%connect {proxy.address} --new")
    notebook.client.good(MOTOR.format(log=str(log)))
    return notebook.client


def stops(log: Path) -> list[list[Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_it_runs_once_for_each_loss_whatever_the_cell_does(client: Client, proxy: Proxy, log: Path) -> None:
    cell = client.start(HOLD_GIL.format(4000))
    client.wait_output(cell, "on\n")
    assert not stops(log)
    cut = time.monotonic()
    proxy.refuse(FOREVER)
    client.wait_for(lambda: len(stops(log)) == 1, what="the first stop")
    ran, left = stops(log)[0]
    assert AFTER - 0.15 < ran - cut < AFTER + 0.2
    assert left == 1  # as it was when the function was registered
    proxy.refuse(0)
    client.finish(cell)
    client.wait_for(lambda: REPORT in cell.stderr, what="the line that says so")
    ago = float(re.findall(r"([\d.]+) s after the last heartbeat", cell.stderr)[0])
    assert AFTER <= ago < AFTER + 0.2


def test_it_is_armed_again_when_the_link_is_back(client: Client, proxy: Proxy, log: Path) -> None:
    for count in (1, 2):
        proxy.refuse(FOREVER)
        client.wait_for(lambda count=count: len(stops(log)) == count, what="a stop")
        time.sleep(AFTER + 0.2)  # a second one would have come by then
        assert len(stops(log)) == count
        proxy.refuse(0)
        client.good("on_disconnect(stop_motors); 1")  # waits for a heartbeat, too
    client.good("stopping = on_disconnect(stop_motors); stopping.cancel()")
    cut = time.monotonic()
    proxy.refuse(2 * AFTER)
    client.good("1")
    assert time.monotonic() - cut > AFTER
    assert len(stops(log)) == 2


def test_late_heartbeats_are_no_silence(client: Client, proxy: Proxy, log: Path) -> None:
    end = time.monotonic() + 4.0
    while time.monotonic() < end:
        proxy.delay = random.uniform(0.0, JITTER)
        time.sleep(0.05)  # the delay stays a moment
    proxy.delay = 0.0
    assert client.good("1 + 1").text == "2"
    assert not stops(log)
