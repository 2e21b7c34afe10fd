"""The stop button ends what runs, and nothing of what waits behind it."""

from typing import Any

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import SPAWNED_IN_SOAK
from tests.kernel.results import Request

pytestmark = SPAWNED_IN_SOAK

SOON = 10.0

CLICKS = """
import asyncio, comm, time
log = []
def opened(made, message):
    def clicked(message):
        log.append(message["content"]["data"]["n"])
        exec(message["content"]["data"]["code"])
    made.on_msg(clicked)
comm.get_comm_manager().register_target("clicks", opened)
"""


class Button:
    """A page's button: each click sends a comm message, which runs code there."""

    def __init__(self, nb: Client) -> None:
        self.nb = nb
        nb.good(CLICKS)
        nb.comm_open("button", "clicks", {})
        self.clicks: list[Request] = []

    def click(self, code: str = "") -> Request:
        content: dict[str, Any] = {"comm_id": "button", "data": {"n": len(self.clicks), "code": code}}
        self.clicks.append(self.nb.send("shell", "comm_msg", content))
        return self.clicks[-1]

    def wait(self) -> str | None:
        """Wait until all clicks have been handled; which ones ran, in their order."""
        self.nb.wait_for(lambda: all(each.idle_at for each in self.clicks), what="the end of all clicks")
        return self.nb.good("log").text


@pytest.fixture
def button(nb: Client) -> Button:
    return Button(nb)


@pytest.mark.parametrize("wait", ["time.sleep(.05)", "await asyncio.sleep(.05)", "await asyncio.sleep(60)"])
def test_clicks_and_cells_behind_the_stopped_one_run(nb: Client, button: Button, wait: str) -> None:
    cell = nb.start(f"print('ready')\nwhile True: {wait}")
    nb.wait_output(cell, "ready")
    for _ in range(20):
        button.click()
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert button.wait() == str(list(range(20)))


def test_of_many_clicks_the_running_one_ends(nb: Client, button: Button) -> None:
    first = button.click("print('ready'); time.sleep(60)")
    for _ in range(20):
        button.click()
    nb.wait_output(first, "ready")
    nb.interrupt()
    assert button.wait() == str(list(range(21)))
    assert [bool(each.of("error")) for each in button.clicks] == [True] + [False] * 20


def test_a_cell_that_waits_behind_a_click_runs(nb: Client, button: Button) -> None:
    click = button.click("print('ready'); time.sleep(60)")
    nb.wait_output(click, "ready")
    cell = nb.start("'ran'")
    assert nb.ask("kernel_info_request", {}, "control")["status"] == "ok"
    nb.interrupt()
    nb.finish(cell)
    assert cell.text == "'ran'"


def test_a_click_that_holds_up_an_awaiting_cell_ends_with_it(nb: Client, button: Button) -> None:
    cell = nb.start("print('ready'); await asyncio.sleep(60)")
    nb.wait_output(cell, "ready")
    click = button.click("print('click'); time.sleep(60)")
    nb.wait_output(click, "click")
    behind = button.click()
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert button.wait() == "[0, 1]"
    assert not behind.of("error")


def test_tasks_that_hold_up_the_loop_are_stopped(nb: Client) -> None:
    code = """
import asyncio, time
done = 0
async def one():
    global done
    print("ready")
    time.sleep(2)
    done += 1
await asyncio.gather(*[asyncio.create_task(one()) for _ in range(10)])
"""
    cell = nb.start(code)
    nb.wait_output(cell, "ready")
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert nb.good("done <= 1").text == "True"
