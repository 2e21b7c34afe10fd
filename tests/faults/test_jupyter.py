"""The Jupyter server stands still for 30 s, or is killed: its pages see everything, late or from another one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.clock import Clock
from tests.faults.compare import assert_same
from tests.faults.jupyter import JupyterServer, kernels_of
from tests.faults.notebooks import Notebook, counting
from tests.faults.processes import stop_for
from tests.kernel.remotes import Remote, wait_until

LINES = 150
CODE = counting(LINES, every=1, pause=0.02)
UNDER_WAY = 5  # lines that Jupyter may have had and not passed on when it was killed
PRINTED = "".join(f"line {i}\n" for i in range(LINES))
NOISE = "".join(f"noise {i}\n" for i in range(LINES))


@pytest.fixture(scope="module")
def jupyter(clock: Clock) -> Iterator[JupyterServer]:
    with JupyterServer(clock.kernel_option) as server:
        yield server


def test_stopped_and_continued(notebook: Notebook, remote: Remote, jupyter: JupyterServer, clock: Clock) -> None:
    page = jupyter.page()
    page.good(f"%connect {remote.address}")
    cell = page.start(CODE)
    page.wait_output(cell, "line 0\n")
    stop_for(jupyter.process.pid, clock(30 if clock.is_full else 20))
    page.finish(cell, clock.patience(60))
    assert_same(notebook.undisturbed(remote.address, CODE), cell)
    page.good("%disconnect --end")


def test_killed(notebook: Notebook, remote: Remote, jupyter: JupyterServer, clock: Clock) -> None:
    """Its kernels end without a word. Tomorrow, from another one: the session, its variables, and the output."""
    undisturbed = notebook.undisturbed(remote.address, CODE)
    with JupyterServer(clock.kernel_option) as first:
        page = first.page()
        page.good(f"%connect {remote.address} --name walk\nkept = 'still here'")
        cell = page.start(CODE)
        page.wait_output(cell, "line 10\n")
        first.kill()
        assert wait_until(lambda: not kernels_of(first.mark), 20), "the kernel has outlived Jupyter"
        page = jupyter.page()
        assert "walk" in page.good(f"%sessions {remote.address}").stdout
        again = page.good(f"%attach walk {remote.address}", clock.patience(30))
        printed = again.stdout.partition("\n")[2]
        assert PRINTED.endswith(printed)
        assert cell.stdout.count("\n") + printed.count("\n") >= LINES - UNDER_WAY, "it went on for nobody"
        assert NOISE.endswith(again.stderr)
        assert page.good("kept").text == "'still here'"
        replayed = page.good("%replay 2")  # also what the kernel had got when nobody listened to it any more
        replayed.reply = undisturbed.reply
        assert_same(undisturbed, replayed)
        page.good("%disconnect --end")
