"""Reports about the event loop: background tasks, stop, nested loops, policies, context variables."""

from __future__ import annotations

from tests.kernel.client import Client
from tests.reports.conftest import of


def error_name(client: Client, code: str) -> str:
    """Start a cell, stop it a second later, as the reports do, and return its error's name."""
    cell = client.start(code)
    client.drain(1)  # as the reports do; there is nothing to see before
    assert client.interrupted(cell) < 10
    assert cell.error is not None
    return str(cell.error["ename"])


@of("aio-02-nested-loop-drops-queued-cell")
def test_cells_behind_a_nested_loop_run(nb: Client, cells: list[str]) -> None:
    requests = [nb.start(each) for each in cells]
    for each in requests:
        nb.finish(each)
    assert [each.status for each in requests] == ["ok"] * 3
    assert [each.stdout for each in requests] == ["", "B ran\n", "C ran\n"]
    order = [each.replied_at for each in requests]
    assert order == sorted(order)


@of("aio-03-background-task-needs-next-cell")
def test_a_background_task_goes_on_between_cells(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    nb.drain(3)  # the report is about what happens while nobody asks anything
    assert nb.good(cells[1]).stdout == "19 True\n"


@of("aio-05-stop-an-await")
def test_an_await_is_stopped(nb: Client, cells: list[str]) -> None:
    assert error_name(nb, cells[0]) == "KeyboardInterrupt"
    assert nb.good(cells[1]).text == "'loop fine'"


@of("aio-06-stop-gather-of-blocking-tasks")
def test_tasks_that_block_are_stopped(nb: Client, cells: list[str]) -> None:
    cell = nb.start(cells[0])
    nb.wait_output(cell, "2\n")
    nb.send("control", "interrupt_request", {})
    try:
        nb.finish(cell, 2)
    except AssertionError:
        nb.interrupted(cell)
    assert cell.status == "error"
    counted = nb.good(cells[1]).text
    assert counted is not None
    assert int(counted) < 8
    nb.drain(2.5)  # longer than two of the tasks take
    assert nb.good(cells[1]).text == counted


@of("aio-07-loop-after-interrupt")
def test_loop_and_background_task_survive_a_stop(nb: Client, cells: list[str]) -> None:
    assert error_name(nb, cells[0]) == "KeyboardInterrupt"
    assert nb.good(cells[1]).text == "(False, False, 'ok')"


@of("aio-08-contextvars")
def test_context_variables_are_those_of_the_cell_before(nb: Client, cells: list[str], machine: object) -> None:
    assert nb.good(cells[0]).status == "ok"
    assert nb.good(cells[1]).stdout == "sync 7\n"
    nb.good(cells[2])
    assert nb.good(cells[3]).stdout == "after await\n"


@of("aio-08-contextvars", on=("ipython",))
def test_context_variables_in_a_click(nb: Client, cells: list[str]) -> None:
    for each in cells[:4]:
        nb.good(each)
    nb.good(cells[4])
    button = next(comm for comm in nb.comms.values() if comm.state.get("_model_name") == "ButtonModel")
    nb.comm_send(button.id, {"method": "custom", "content": {"event": "click"}})
    assert nb.good(cells[5]).stdout == "[('after await', 7), ('after await', 7)]\n"


@of("aio-09-loop-stop")
def test_stopping_the_loop_loses_nothing(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    nb.run(cells[1])
    assert nb.good(cells[2]).text == "1"
    nb.run(cells[3])
    nb.drain(1)  # the loop is stopped meanwhile
    assert nb.good(cells[4]).text == "1"


@of("aio-10-loop-policy")
def test_another_loop_policy(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    assert nb.good(cells[1]).text == "('still', True)"
    assert nb.good(cells[2]).text == "['thread']"


@of("aio-11-silent-task-error")
def test_an_error_in_a_task_is_shown(nb: Client, cells: list[str]) -> None:
    requests = [nb.good(each) for each in cells]
    nb.wait_for(lambda: "lost in a task" in "".join(each.stderr for each in requests))


@of("aio-12-cleanup-awaits-after-stop")
def test_a_cleanup_may_await_after_a_stop(nb: Client, cells: list[str]) -> None:
    cell = nb.start(cells[0])
    nb.drain(1)  # as the report does; there is nothing to see before
    nb.interrupted(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert cell.stdout == "device closed\n"
    assert nb.good(cells[1]).text == "'next'"
