"""What a page with our extension is told of a notebook's connection, and what it asks for, by its comm."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.proxy import Proxy
from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote

pytestmark = pytest.mark.mainly("plain")


class Page:
    """A page that shows a notebook."""

    def __init__(self, nb: Client) -> None:
        self.nb = nb
        self.id = uuid.uuid4().hex
        self.numbers = itertools.count(1)
        target = nb.kernel_info()["rpyc_kernel"]["comm"]
        self.opened = nb.comm_open(self.id, target, {})

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it was told, beside what answers its own requests."""
        found = [*self.opened.of("comm_msg"), *self.nb.stray]
        return [each.content["data"] for each in found if each.content.get("comm_id") == self.id]

    @property
    def states(self) -> list[str]:
        return [each["status"]["state"] for each in self.events if each["event"] == "status"]

    @property
    def status(self) -> dict[str, Any]:
        return [each["status"] for each in self.events if each["event"] == "status"][-1]

    def wait_state(self, state: str) -> dict[str, Any]:
        self.nb.wait_for(lambda: self.status["state"] == state, what=f"the state {state!r} after {self.states}")
        return self.status

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Ask for something; the whole answer."""
        number = next(self.numbers)
        self.nb.comm_send(self.id, {"do": do, "id": number, **more})
        self.nb.wait_for(lambda: self._answers(number), 30, f"the answer to {do}")
        return self._answers(number)[0]

    def _answers(self, number: int) -> list[dict[str, Any]]:
        return [each for each in self.events if each["event"] == "answer" and each["id"] == number]


def test_a_page_is_told_what_becomes_of_the_link_and_of_the_python(front: Client, remote: Remote) -> None:
    page = Page(front)
    assert page.states == ["not connected"]
    assert page.ask("reconnect")["error"] == "This notebook is connected to no machine."
    with Proxy(remote.port) as proxy:
        front.good(f"%connect {proxy.address}")
        status = page.wait_state("connected")
        assert page.states == ["not connected", "connecting", "connected"]
        assert status["machine"] == proxy.address
        assert status["description"].startswith(f"{front.good('import socket; socket.gethostname()').text}"[1:-1])

        proxy.refuse(3600)
        assert page.wait_state("reconnecting")["machine"] == proxy.address
        front.wait_for(lambda: page.status["detail"], what="a reason")
        proxy.refuse(0)
        assert page.ask("reconnect") == {
            "event": "answer", "id": 2, "value": {"machine": proxy.address, "warnings": []}, "error": "",
        }  # fmt: skip
        page.wait_state("connected")

        front.run("import os; os._exit(3)")
        assert "Its variables are lost" in page.wait_state("worker died")["detail"]
        front.good("alive = 1")
        page.wait_state("connected")

        running = front.start("import time; print('runs', flush=True); time.sleep(3600)")
        front.wait_output(running, "runs")
        listed = page.ask("sessions")
        assert listed["value"]["machine"] == proxy.address
        assert [each["busy"] for each in listed["value"]["sessions"] if each["ours"]] == [True]
        assert not running.done, "a page is answered while a cell runs"
        assert page.ask("restart")["value"]["machine"] == proxy.address
        assert front.finish(running).status == "error"
        assert front.good("'alive' in globals()").text == "False"
        assert page.wait_state("connected")["detail"] == ""


def test_a_page_is_told_to_which_machine_the_next_cell_connects(
    new_kernel: Callable[..., Kernel], own_remote: Remote
) -> None:
    kernel = new_kernel(f"--RpycKernel.address={own_remote.address}")
    page = Page(kernel.first)
    waiting = {"state": "connects with the next cell", "machine": own_remote.address, "fresh": False}
    assert {key: page.status[key] for key in waiting} == waiting
    kernel.first.good("%disconnect")
    page.wait_state("not connected")
    assert kernel.first.run("%connect 127.0.0.1:1 --name off").status == "error"
    assert page.wait_state("connects with the next cell")["machine"] == "off"
    kernel.first.good(f"%connect {own_remote.address} --name walk")
    page.wait_state("connected")
    kernel.restart()
    page = Page(kernel.first)
    assert (page.states, page.status["machine"]) == (["connects with the next cell"], "walk")
    own_remote.__exit__(None, None, None)
    cell = kernel.first.start("1")  # nobody was bothered until then
    # where the session of before has not ended yet, the cell waits for a machine that may be on its way back
    kernel.first.wait_for(lambda: cell.done or "reconnecting" in str(cell.messages), what="an error, or a line")
    kernel.first.interrupt()
    assert kernel.first.finish(cell).status == "error"
    assert page.wait_state("connects with the next cell")["machine"] == "walk"


def test_a_page_sees_a_takeover_and_connects_again(new_kernel: Callable[..., Kernel], remote: Remote) -> None:
    first, second = new_kernel().first, new_kernel().first
    connect(first, remote, "--name", "walk")
    page = Page(first)
    assert page.states == ["connected"]
    assert (page.status["session"], page.status["machine"]) == ("walk", remote.address)
    second.good(f"%attach walk {remote.address}")
    assert "was taken over by" in page.wait_state("taken over")["detail"]
    answer = page.ask("connect", machine=remote.address)
    assert (answer["value"]["machine"], answer["error"]) == (remote.address, "")
    assert page.wait_state("connected")["id"] != Page(second).status["id"]
    assert first.good("6 * 7").text == "42"
    refused = page.ask("connect", machine="127.0.0.1:1")
    assert refused["value"] is None
    assert "127.0.0.1:1" in refused["error"]
    assert page.wait_state("connected")["machine"] == remote.address, "cells run where they did"
    assert first.good("6 * 7").text == "42"
    assert "doesn't know" in page.ask("format the disk")["error"]
    assert "needs the name" in page.ask("connect", machine="")["error"]


def test_a_page_that_is_looked_at_is_told_the_figures(nb: Client) -> None:
    page = Page(nb)
    nb.good("import time")
    assert not [each for each in page.events if each["event"] == "figures"]
    nb.comm_send(page.id, {"do": "watch", "watched": True})
    nb.wait_for(lambda: [each for each in page.events if each["event"] == "figures"], what="figures")
    figures = next(each["figures"] for each in page.events if each["event"] == "figures")
    assert 0 < figures["round_trip"] < 5
    assert figures["host_virtual_memory"]["total"] > 0
    assert page.id not in nb.comm_info(), "it is none of the user's comms"
    assert set(page.ask("hosts")["value"]) == {"saved", "recent"}
    nb.comm_close(page.id)
    nb.comm_send(page.id, {"do": "hosts", "id": 99})
    nb.drain()  # nothing is to come
    assert not page._answers(99)


def test_a_page_has_cells_run_on_another_machine_of_the_notebook(front: Client, remote: Remote) -> None:
    page = Page(front)
    front.good(f"%connect {remote.address} --name here\n%connect {remote.address} --new --name there\nmark = 'there'")
    assert [(each["label"], each["state"]) for each in page.wait_state("connected")["others"]] == [
        ("here", "connected")
    ]
    assert "machine" in page.ask("use", machine="here")["value"]
    front.wait_for(lambda: page.status["label"] == "here", what="the other machine")
    assert front.good("'mark' in globals()").text == "False"
    refused = page.ask("use", machine="nowhere")
    assert "This notebook has no machine nowhere. It has: " in str(refused)
    assert front.good("'mark' in globals()").text == "False"
