"""A motor stops when the Wi-Fi does: functions that run on the other machine when heartbeats don't come any more."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rpyc_kernel.transport.address import Address
from rpyc_kernel.transport.broker_client import open_broker
from tests.faults.clock import Clock
from tests.faults.notebooks import Notebook
from tests.faults.proxy import Proxy
from tests.kernel.client import Client
from tests.kernel.remotes import Remote
from tests.servers.sessions import Session

pytestmark = pytest.mark.needs("linux")

FOREVER = 3600.0
AFTER = 0.5  # seconds of silence
JITTER = 0.3  # seconds that a heartbeat may be late
CUTS = 1000
SESSIONS = 5  # whose links are cut together
JITTER_S = 40.0  # seconds that the link is like that
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
    assert AFTER - 0.35 < ran - cut < AFTER + 0.5
    assert left == 1  # as it was when the function was registered
    proxy.refuse(0)
    client.finish(cell)
    client.wait_for(lambda: REPORT in cell.stderr, what="the line that says so")
    ago = float(re.findall(r"([\d.]+) s after the last heartbeat", cell.stderr)[0])
    assert AFTER <= ago < AFTER + 0.5


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


def test_a_python_that_is_not_forked_runs_it_on_a_thread(proxy: Proxy, log: Path) -> None:
    """As on Windows and macOS; it sees the variables as they are, and there is no `on_death`."""
    with Session(proxy.address, worker="spawn") as session:
        assert session.run(MOTOR.format(log=str(log)))[1]["status"] == "ok"
        _text, reply = session.run("on_death(print)")
        assert "works where processes are forked" in reply["evalue"], reply
        for count in (1, 2):
            cell = session.start("print('on', flush=True)\nfor _ in range(200): time.sleep(0.01)")
            session.until("stream", cell)
            assert len(stops(log)) == count - 1
            proxy.refuse(FOREVER)
            until(lambda count=count: len(stops(log)) == count, "the stop")
            proxy.refuse(0)
            assert stops(log)[-1][1] == 2
            session.until("execute_reply", cell)
            cell = session.start("on_disconnect(stop_motors)")  # waits for a heartbeat, too
            told = [each.content.get("text", "") for each in session.until("execute_reply", cell)]
            assert not [each for each in told if "No heartbeat" in each]


@pytest.fixture
def burdened() -> Iterator[None]:
    """Twice as many programs as there are processors keep these busy."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    yield
    for program in programs:
        program.kill()
        program.wait()


@pytest.mark.usefixtures("burdened")
def test_late_heartbeats_are_no_silence(client: Client, proxy: Proxy, log: Path, clock: Clock) -> None:
    end = time.monotonic() + clock(JITTER_S)
    jitter = JITTER if clock.is_full else JITTER / 2  # else other tests run beside this one
    while time.monotonic() < end:
        proxy.delay = random.uniform(0.0, jitter)
        time.sleep(0.05)  # the delay stays a moment
    proxy.delay = 0.0
    assert client.good("1 + 1").text == "2"
    assert not stops(log)


@pytest.mark.usefixtures("burdened")
def test_each_cut_stops_each_motor(
    remote: Remote, proxy: Proxy, tmp_path: Path, clock: Clock, rng: random.Random
) -> None:
    """Several sessions, whose links are cut together: each cut of each has to stop its motor.

    A heartbeat that this busy machine has held back for half a second is counted: it stops the motor, too.
    """
    with ExitStack() as stack:
        sessions = [stack.enter_context(Session(proxy.address)) for _ in range(SESSIONS)]
        broker = stack.enter_context(open_broker(Address.parse(remote.address)))
        logs = [tmp_path / each.link.session for each in sessions]
        for each, log in zip(sessions, logs, strict=True):
            assert each.run(MOTOR.format(log=str(log)))[1]["status"] == "ok"
            each.start(HOLD_GIL.format(10**6))
        ids = {each.link.session for each in sessions}

        def all_heard() -> bool:
            told = [each["heard"] for each in broker.call("list", {})[0]["sessions"] if each["session"] in ids]
            return len(told) == SESSIONS and all(heard is not None and heard < AFTER / 2 for heard in told)

        rounds = max(1, clock.number(CUTS // SESSIONS) // (1 if clock.is_full else 10))
        expected, false = [0] * SESSIONS, 0
        for count in range(1, rounds + 1):
            until(all_heard, f"heartbeats before cut {count}")
            before = [len(stops(log)) for log in logs]
            false += sum(before) - sum(expected)
            time.sleep(rng.uniform(0.0, 0.1))  # the cut is somewhere between two heartbeats
            proxy.refuse(FOREVER)
            until(
                lambda before=before: all(len(stops(log)) > was for log, was in zip(logs, before, strict=True)),
                f"stop {count}",
            )
            proxy.refuse(0)
            expected = [was + 1 for was in before]
        late: list[float] = []

        def told() -> bool:
            for each in sessions:
                while not each.messages.empty():
                    text = str(each.messages.get().content.get("text", ""))
                    late.extend(float(ago) for ago in re.findall(r"([\d.]+) s after the last heartbeat", text))
            return len(late) >= sum(expected)

        until(told, "the lines about all stops")
    late.sort()
    figures = " ".join(f"{late[int(share * (len(late) - 1))]:.2f}" for share in (0.0, 0.5, 0.9, 0.99, 0.999, 1.0))
    print(f"{rounds * SESSIONS} cuts, {false} stops beside them")
    print(f"s after the last heartbeat: least, 50, 90, 99, 99.9 %, most: {figures}")
    assert late[0] >= AFTER
    assert late[len(late) // 2] < AFTER + 0.1


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.01)
