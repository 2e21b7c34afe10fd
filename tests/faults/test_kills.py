"""`kill -9` of each process while a cell prints: what outlives it, what is lost, and what the notebook says."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.faults.clock import Clock
from tests.faults.compare import assert_same, link_lines
from tests.faults.notebooks import Notebook, counting
from tests.faults.processes import WORKER_AND_KEEPER, gone, kill, pids, start_again
from tests.kernel.remotes import Remote, wait_until
from tests.kernel.results import Request

LINES = 60
CODE = counting(LINES, pause=0.2)
PRINTED = "".join(f"line {i}\n" for i in range(LINES))
NOISE = "".join(f"noise {i}\n" for i in range(LINES))


@pytest.fixture
def own() -> Iterator[Remote]:
    """A server for one test, which may kill it."""
    with Remote("bare") as server:
        yield server


def test_the_server(notebook: Notebook, own: Remote, clock: Clock) -> None:
    """Killed and started again: the cell has gone on meanwhile, and nothing of it is missing."""

    def fault(cell: Request) -> None:
        port = own.port
        own.running.kill()
        notebook.client.wait_for(lambda: link_lines(cell), what="the line that says so")
        clock.sleep(10)
        start_again(own, port=port)

    cell = notebook.survives(own.address, own.address, CODE, fault)
    assert link_lines(cell) == [
        ("display_data", f"link to {own.address} lost, reconnecting…"),
        ("update_display_data", f"link to {own.address} was lost, and is back"),
    ]


def test_the_server_which_comes_back_on_another_port(notebook: Notebook, own: Remote) -> None:
    client = notebook.client
    client.good(f"%connect {own.address}\nkept = 'still here'")
    own.running.kill()
    start_again(own, port=0)
    assert client.good(f"%connect {own.address}\nkept").text == "'still here'"


def test_a_server_that_does_not_come_back(notebook: Notebook, own: Remote, remote: Remote) -> None:
    """The stop button ends the waiting, and the notebook goes on elsewhere."""
    client = notebook.client
    client.good(f"%connect {own.address}")
    cell = client.start("import time\nprint('on')\ntime.sleep(600)")
    client.wait_output(cell, "on")
    own.running.kill()
    client.wait_for(lambda: link_lines(cell), what="the line that says so")
    client.interrupt()
    time.sleep(0.3)  # two presses at once would be one
    assert not cell.done
    client.interrupted(cell)
    assert cell.status == "error"
    assert client.good(f"%connect {remote.address}\n1 + 1").text == "2"


def test_the_worker(notebook: Notebook, remote: Remote) -> None:
    """All that it had printed is there, the death is named, and the next cell runs in a fresh one."""
    client = notebook.client
    client.good(f"%connect {remote.address} --new")
    worker, keeper = pids(client.good(WORKER_AND_KEEPER).stdout)
    cell = client.start(CODE)
    queued = client.start("6 * 7")
    client.wait_output(cell, "line 10\n")
    kill(worker)
    client.finish(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "WorkerDied"
    assert "SIGKILL" in cell.error["evalue"]
    assert "Its variables are lost" in cell.error["evalue"]
    assert PRINTED.startswith(cell.stdout)
    assert NOISE.startswith(cell.stderr)
    assert cell.messages[-1].kind == "error"
    client.finish(queued)
    assert not gone(keeper)
    after = client.good(WORKER_AND_KEEPER)
    assert pids(after.stdout)[1] == keeper
    assert pids(after.stdout)[0] != worker


def test_the_keeper(notebook: Notebook, remote: Remote) -> None:
    """The state is lost, and the sentence says exactly that."""
    client = notebook.client
    client.good(f"%connect {remote.address} --new\nlost = 1")
    worker, keeper = pids(client.good(WORKER_AND_KEEPER).stdout)
    cell = client.start(CODE)
    client.wait_output(cell, "line 10\n")
    kill(keeper)
    client.finish(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "SessionGoneError"
    sentence = cell.error["evalue"]
    assert re.search(r"session on \S+ is gone", sentence)
    assert "with it its variables" in sentence
    assert f'$connect("{remote.address}")' in sentence
    assert PRINTED.startswith(cell.stdout)
    assert wait_until(lambda: gone(worker), 2 + 3), "the worker has outlived its keeper"
    assert client.run("lost").status == "error"
    again = client.run(f"%connect {remote.address}\nlost")
    assert again.error is not None
    assert again.error["ename"] == "NameError"


def test_the_kernel(notebook: Notebook, remote: Remote) -> None:
    """Jupyter starts it again by itself, and it finds its own session without being asked."""
    kernel, client = notebook.kernel, notebook.client
    assert kernel is not None
    undisturbed = notebook.undisturbed(remote.address, CODE)
    client.good(f"%connect {remote.address} --new\nkept = 'still here'")
    pid = pids(client.good(WORKER_AND_KEEPER).stdout)[0]
    cell = client.start(CODE)
    client.wait_output(cell, "line 10\n")
    assert cell.input is not None
    number = cell.input.content["execution_count"]
    kill(kernel.pid)
    crashed(notebook)
    client = notebook.client
    again = client.good("kept", notebook.clock.patience(30))
    assert [each.content["data"]["text/plain"] for each in again.of("execute_result")][-1] == "'still here'"
    assert "was found again" in again.stderr
    assert pids(client.good(WORKER_AND_KEEPER).stdout)[0] == pid
    for whole, before, after in (
        (PRINTED, cell.stdout, again.stdout),
        (NOISE, cell.stderr, again.stderr.partition("found again.\n")[2]),
    ):
        assert whole.startswith(before)
        assert whole.endswith(after)
    replayed = client.good(f"%replay {number}")  # also what the first had got, and was killed before it was passed on
    replayed.reply = undisturbed.reply
    assert_same(undisturbed, replayed)


def crashed(notebook: Notebook) -> None:
    """What Jupyter does when a kernel has died: start it again, on the same connection file."""
    kernel = notebook.kernel
    assert kernel is not None
    kernel.manager.restart_kernel(now=True)
    for client in list(kernel._clients):
        client.ready()
