"""The stop button while the link is down: delivered late, or the end of waiting; never to another cell."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.faults.clock import Clock
from tests.faults.compare import link_lines
from tests.faults.notebooks import Notebook
from tests.faults.proxy import Proxy
from tests.kernel.client import Client
from tests.kernel.gates import Gate
from tests.kernel.remotes import Remote
from tests.kernel.results import Request

FOREVER = 3600.0
APART = 0.3  # seconds between two presses of a person


@pytest.fixture
def gate(tmp_path) -> Iterator[Gate]:  # type: ignore[no-untyped-def]
    gate = Gate(tmp_path)
    yield gate
    gate.open()


@pytest.fixture
def proxy(remote: Remote) -> Iterator[Proxy]:
    with Proxy(remote.port) as each:
        yield each


@pytest.fixture
def client(notebook: Notebook, proxy: Proxy) -> Client:
    notebook.client.good(f"%connect {proxy.address} --new\nimport time\nkept = 'still here'")
    return notebook.client


def lost(client: Client, proxy: Proxy, code: str) -> Request:
    """A cell that runs on, and whose notebook knows that its link is gone."""
    cell = client.start(code)
    client.wait_output(cell, "on\n")
    proxy.refuse(FOREVER)
    client.wait_for(lambda: link_lines(cell), what="the line about the link")
    return cell


def test_a_press_is_delivered_when_the_link_is_back(client: Client, proxy: Proxy) -> None:
    cell = lost(client, proxy, "print('on')\ntime.sleep(600)")
    client.interrupt()
    client.wait_for(lambda: "stopped when it is back" in link_lines(cell)[-1][1], what="the line that says so")
    assert not cell.done
    proxy.refuse(0)
    client.finish(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert link_lines(cell)[-1][1].endswith("was lost, and is back")
    assert client.good("kept").text == "'still here'"


def test_a_press_ends_the_cell_here_soon_and_there_when_the_link_is_back(client: Client, proxy: Proxy) -> None:
    cell = lost(client, proxy, "print('on')\ntry:\n    time.sleep(600)\nfinally:\n    stopped = 'stopped'")
    assert client.interrupted(cell) < 10
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert "stopped waiting" in cell.error["evalue"]
    proxy.refuse(0)
    assert client.good("stopped").text == "'stopped'"


def test_a_press_for_a_cell_that_has_ended_meanwhile_hits_no_other(client: Client, proxy: Proxy, gate: Gate) -> None:
    cell = lost(client, proxy, f"print('on')\n{gate.wait}print('ended')")
    following = client.start("time.sleep(0.3)\n'following'")
    client.interrupt()
    gate.open()
    time.sleep(0.3)  # for the worker, which nobody can ask
    proxy.refuse(0)
    client.finish(cell)
    client.finish(following)
    assert cell.status == "ok"
    assert cell.stdout == "on\nended\n"
    assert following.text == "'following'"


def test_a_second_press_ends_the_waiting_and_nothing_else(client: Client, proxy: Proxy, gate: Gate) -> None:
    cell = lost(client, proxy, f"print('on')\n{gate.wait}print('went on')\ndisplay('shown')\nlater = 1")
    client.interrupt()
    time.sleep(APART)  # two presses at once would be one
    client.interrupt()
    client.finish(cell)
    assert cell.error is not None
    sentence = cell.error["evalue"]
    assert "stopped waiting" in sentence
    assert "goes on" in sentence
    assert proxy.address in sentence
    gate.open()
    proxy.refuse(0)
    assert client.good("kept, later").text == "('still here', 1)"
    assert cell.stdout == "on\nwent on\n"
    assert {"text/plain": "'shown'"} in cell.displays


def test_a_cell_that_was_never_sent_ends_at_once_and_never_runs(client: Client, proxy: Proxy) -> None:
    client.good("ran = []")
    cell = lost(client, proxy, "print('on')\ntime.sleep(600)")
    for _ in range(2):
        client.interrupt()
        time.sleep(APART)  # two presses at once would be one
    client.finish(cell)
    unsent = client.start("ran.append(1)")
    client.wait_for(lambda: link_lines(unsent), what="the line about the link")
    took = client.interrupted(unsent)
    assert unsent.status == "error"
    assert took < 10
    proxy.refuse(0)
    again = client.run("ran", 30)
    assert again.text == "[]"


def test_a_cell_of_an_outage_waits_for_the_link(client: Client, proxy: Proxy, clock: Clock) -> None:
    proxy.refuse(clock(20))
    cell = client.good("kept", clock.patience(40))
    assert cell.text == "'still here'"
