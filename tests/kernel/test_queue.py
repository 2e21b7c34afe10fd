"""Cells that wait for others: aborted behind an error, unless their author said otherwise."""

import datetime as dt

import pytest

from tests.kernel.client import Client
from tests.kernel.gates import Gate
from tests.kernel.results import Request

OFTEN = pytest.mark.parametrize("times", [30, pytest.param(300, marks=pytest.mark.soak)])
"""What goes wrong now and then, where it does, is tried that often."""


def test_cells_behind_an_error_are_aborted(nb: Client, gate: Gate) -> None:
    failing = nb.start(f"{gate.wait}1/0")
    waiting = [nb.start(f"print('must not run {i}')") for i in range(3)]
    nb.kernel_info()  # behind them, so that they have come before the cell fails
    gate.open()
    for cell in (failing, *waiting):
        nb.finish(cell)
    assert failing.status == "error"
    assert [cell.status for cell in waiting] == ["aborted"] * 3
    assert [cell.messages for cell in waiting] == [[], [], []]
    assert nb.good("'on again'").text == "'on again'"


@pytest.mark.mainly("plain")
@OFTEN
def test_a_cell_sent_after_the_end_of_a_failed_one_runs(nb: Client, times: int) -> None:
    """What aborts the queue must be over when the failed cell is idle."""
    for i in range(times):
        assert nb.run("1/0").status == "error"
        assert nb.good(f"{i}").text == str(i)


@pytest.mark.mainly("plain")
@OFTEN
def test_a_cell_sent_after_the_reply_of_a_failed_one_runs(nb: Client, times: int) -> None:
    """Scripts go by the reply, as jupyter_client's `execute_interactive` does."""
    for i in range(times):
        failing = nb.start("1/0")
        nb.wait_for(lambda failing=failing: failing.reply is not None)  # type: ignore[misc]
        assert nb.good(f"{i}").text == str(i)


@pytest.mark.parametrize(("seconds", "status"), [(-1, "aborted"), (1, "ok")])
def test_a_cell_that_was_on_its_way_is_aborted(nb: Client, seconds: float, status: str) -> None:
    """It comes just after the reply of the one that failed; by its date it was sent before or after that."""
    failing = nb.start("%connect a b c")
    nb.wait_for(lambda: failing.reply is not None)
    message = nb.zmq.session.msg("execute_request", {"code": "1", "stop_on_error": True})
    message["header"]["date"] += dt.timedelta(seconds=seconds)
    cell = nb.requests[message["header"]["msg_id"]] = Request(message["header"]["msg_id"], "execute_request", "1", 0.0)
    nb.zmq.session.send(nb.sockets["shell"], message)
    assert nb.finish(cell).status == status


def test_aborted_cells_are_not_counted(nb: Client, gate: Gate) -> None:
    failing = nb.start(f"{gate.wait}1/0")
    waiting = nb.start("1")
    nb.kernel_info()
    gate.open()
    nb.finish(waiting)
    after = nb.good("1")
    assert failing.reply is not None
    assert after.reply is not None
    assert waiting.reply is not None
    assert waiting.reply["execution_count"] == 0
    assert after.reply["execution_count"] == failing.reply["execution_count"] + 1


def test_cells_run_on_after_an_error_without_stop_on_error(nb: Client, gate: Gate) -> None:
    failing = nb.start(f"{gate.wait}1/0", stop_on_error=False)
    waiting = nb.start("'ran'")
    gate.open()
    nb.finish(waiting)
    assert failing.status == "error"
    assert waiting.text == "'ran'"


def test_cells_behind_an_interrupt_are_aborted(nb: Client) -> None:
    running = nb.start("print('ready'); import time; time.sleep(60)")
    waiting = nb.start("print('must not run')")
    nb.wait_output(running, "ready")
    nb.interrupted(running)
    nb.finish(waiting)
    assert (running.status, waiting.status, waiting.messages) == ("error", "aborted", [])


def test_queued_cells_run_in_order(nb: Client) -> None:
    nb.good("order = []")
    cells = [nb.start(f"order.append({i})") for i in range(50)]
    for cell in cells:
        nb.finish(cell)
    assert nb.good("order == list(range(50))").text == "True"
    assert all(cell.status == "ok" for cell in cells)
