"""Reports about RPyC's live objects, as `remote` in local cells."""

from __future__ import annotations

import pytest

from tests.kernel.client import Client
from tests.reports.conftest import REFERENCE, of

pytestmark = [
    pytest.mark.skipif(REFERENCE, reason="ipykernel has no live connections"),
    pytest.mark.mainly("plain"),
]


@pytest.mark.soak
@of("rpc-02-callback-timeout")
def test_a_callback_may_take_long(nb: Client, cells: list[str]) -> None:
    assert nb.good(cells[0], timeout=90).stdout == "[2]\n"


@of("rpc-03-remote-arrays-here")
def test_arrays_of_there_here(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    for code in cells[1:]:
        cell = nb.run(code)
        assert cell.status == "ok" or "remote.value" in cell.traceback, cell
    assert "(2, 3) 15.0 5.0 True" in nb.good(cells[1]).stdout
    assert "ndarray" in nb.good(cells[4]).stdout


@of("rpc-04-frames-to-and-fro")
def test_frames_and_plain_values(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0], timeout=60)
    for code in cells[1:3]:
        assert nb.good(code).stdout == "(2, 2)\n"
    assert "remote.value" in nb.run(cells[3]).traceback
    assert nb.good(cells[4]).stdout == "[0, 1, 2] 1000\n"
    dumped = nb.run(cells[5])
    assert dumped.status == "ok" or "remote.value" in dumped.traceback


@of("rpc-05-many-small-things")
def test_many_small_things(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    assert "remote.value" in nb.good(cells[1], timeout=60).stderr
    assert nb.good(cells[2]).stdout.startswith("20000 {'id': 7, 'v': [7, 8]} ")


@of("rpc-06-references-that-vanish")
def test_references_do_not_vanish(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    assert nb.good(cells[1]).stdout == "items ok\n"
    assert nb.good(cells[2]).stdout.startswith("False True True False ")
    assert nb.good(cells[3], timeout=60).stdout == "True True 300 True\n"


@of("rpc-07-threads-and-background-serving")
def test_threads_on_one_connection(nb: Client, cells: list[str]) -> None:
    worst, count = nb.good(cells[0], timeout=120).stdout.split()
    assert int(count) == 4
    assert float(worst) < 10
    assert nb.good(cells[1], timeout=60).stdout == "50 50\n"


@of("rpc-08-exceptions-across")
def test_exceptions_of_there(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    assert nb.good(cells[1]).stdout.startswith("caught ")
    name, called, *rest = nb.good(cells[2]).stdout.split()
    assert "Fault" in (name, called)
    assert rest[:2] == ["fault", "7"]
    failed = nb.run(cells[3])
    assert failed.error is not None
    assert failed.error["ename"] == "AttributeError"
    assert "message of the property" in failed.traceback


@of("rpc-10-redirected-output")
def test_output_of_there_is_in_order(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    talked = nb.good(cells[1])
    assert talked.stdout == "print there\nINFO:root:log there\nhere\nprint there\nINFO:root:log there\n"
    assert talked.stderr == "err there\n" * 2
    nb.run(cells[2])
    for _round in range(5):
        loop = nb.start(cells[3])
        nb.wait_output(loop, "loop\n")
        nb.interrupted(loop)
        assert nb.good(cells[4]).stdout == "print there\nINFO:root:log there\n"
