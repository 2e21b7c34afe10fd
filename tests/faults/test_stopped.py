"""`SIGSTOP` of each process for 30 s while a cell prints, and on: late, and complete."""

from __future__ import annotations

import pytest

from tests.faults.clock import Clock
from tests.faults.compare import link_lines
from tests.faults.notebooks import Notebook, counting
from tests.faults.processes import stop_for
from tests.kernel.remotes import Remote
from tests.kernel.results import Request

CODE = counting(60, pause=0.1)
STOP = 30.0  # seconds
ENOUGH = 20.0  # seconds; more than the deadline


@pytest.mark.parametrize("who", ["server", "worker", "keeper", "kernel"])
def test_stopped_and_continued(notebook: Notebook, remote: Remote, clock: Clock, who: str) -> None:
    kernel = notebook.kernel
    assert kernel is not None

    def fault(_cell: Request) -> None:
        numbers = {"worker": notebook.worker, "keeper": notebook.keeper}
        numbers.update(server=remote.running.pid, kernel=kernel.pid)
        stop_for(numbers[who], clock(STOP if clock.is_full else ENOUGH))

    cell = notebook.survives(remote.address, remote.address, CODE, fault, seconds=90)
    told = [text for _kind, text in link_lines(cell)]
    if who == "worker":
        assert not told, "a worker that stands still is no link that is lost"
    elif who != "kernel":
        assert told[0].endswith("lost, reconnecting…")
        assert told[-1].endswith("was lost, and is back")
