"""`%doctor` in a notebook: on the machine where cells run, on another one, and where there is none."""

import socket
import sys

import pytest

from tests.kernel.client import Client
from tests.kernel.remotes import Remote

pytestmark = pytest.mark.mainly("plain")


def test_the_machine_where_cells_run_is_looked_at_and_the_session_stays(fresh: Client, remote: Remote) -> None:
    fresh.good("x = 1")
    shown = fresh.good("%doctor").stdout
    assert shown.startswith("ok       name         127.0.0.1 is 127.0.0.1\nok       route ")
    assert "\nok       session      ran a program with " in shown
    assert fresh.good("x").text == "1"


def test_another_machine(front: Client, remote: Remote) -> None:
    shown = front.good("%doctor 127.0.0.1:1").stdout
    assert "\nwrong    port         No server is listening on 127.0.0.1:1" in shown


def test_without_a_machine_it_looks_at_this_side(front: Client) -> None:
    shown = front.good("%doctor").stdout
    assert shown.startswith("Not connected to a machine: this is how it is here.")
    assert f"\nok       python       {sys.executable}, " in shown
    assert "\nok       machines     saved: " in shown


def test_stop_ends_it(front: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(10)
        cell = front.start(f"%doctor 127.0.0.1:{silent.getsockname()[1]}")
        with silent.accept()[0]:
            assert front.interrupted(cell) < 10
    assert cell.error is not None
    assert "rpyc_kernel/" not in cell.traceback
    assert front.good("%%local\n1").text == "1"
