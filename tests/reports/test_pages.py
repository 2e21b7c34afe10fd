"""Reports about pages, front ends and kernels that go away while a cell runs."""

from __future__ import annotations

import os
import signal

import pytest

from tests.faults.jupyter import JupyterServer, Page, kernels_of
from tests.kernel.remotes import Remote, wait_until
from tests.reports.conftest import REFERENCE, of

pytestmark = [
    pytest.mark.skipif(REFERENCE, reason="ipykernel neither shows again what a page has missed nor survives"),
    pytest.mark.mainly("plain"),
]


@of("con-01-page-closed")
def test_a_reloaded_page_shows_all_of_it_with_replay(machine: Remote, cells: list[str]) -> None:
    """A reload is a new session of the page with Jupyter: what came meanwhile was for the old one."""
    with JupyterServer() as jupyter:
        page = jupyter.page()
        page.good(f"%connect {machine.address}")
        first = page.start(cells[0].replace("0.5", "0.05"))
        page.wait_output(first, "5\n")
        page.socket.close()
        again = Page(jupyter, page.kernel_id)
        jupyter.pages.append(again)
        again.good("'the cell has ended'")
        replayed = again.good("%replay 2")
        assert "".join(f"{n}\n" for n in range(40)) in replayed.stdout
        assert "'end'" in str([each.content for each in replayed.messages])


@of("con-02-kernel-outlives-everything")
def test_a_cell_goes_on_without_jupyter_and_kernel(machine: Remote, cells: list[str]) -> None:
    with JupyterServer() as jupyter, JupyterServer() as later:
        page = jupyter.page()
        page.good(f"%connect {machine.address}")
        cell = page.start(cells[0].replace("60", "6").replace("time.sleep(1)", "print(n); time.sleep(1)"))
        page.wait_output(cell, "1\n")
        jupyter.kill()
        for pid in kernels_of(jupyter.mark):
            os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: not kernels_of(jupyter.mark))
        other = later.page()
        listed = other.good(f"%sessions {machine.address}").stdout
        assert "busy" in listed or "runs" in listed, listed
        name = next(line for line in listed.splitlines() if "busy" in line or "runs" in line).split()[0]
        attached = other.good(f"%attach {name} {machine.address}", timeout=60)
        assert "done\n" in attached.stdout
        assert (other.good(cells[1]).text or "").isdigit()
