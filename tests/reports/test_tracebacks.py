"""Reports about tracebacks, and about what looks for the source of a cell."""

from __future__ import annotations

from tests.kernel.client import Client
from tests.kernel.remotes import Remote
from tests.kernel.results import plain
from tests.reports.conftest import of


@of("tb-02-exception-groups-and-notes")
def test_groups_and_notes(nb: Client, cells: list[str]) -> None:
    group = nb.run(cells[0]).traceback
    for text in ("msg one", "msg two", "inner", "raise ExceptionGroup"):
        assert text in group
    tasks = nb.run(cells[1]).traceback
    for text in ("task 1", "task 2", "async with asyncio.TaskGroup"):
        assert text in tasks
    noted = nb.run(cells[2]).traceback
    for text in ("noted", "a note", "second note", "raise e"):
        assert text in noted


@of("tb-03-recursion")
def test_recursion_ends_in_a_short_error(nb: Client, cells: list[str]) -> None:
    for code in cells[:2]:
        cell = nb.run(code)
        assert cell.error is not None
        assert cell.error["ename"] == "RecursionError"
        assert cell.traceback.count("\n") < 400
    nb.run(cells[2])
    assert nb.good(cells[3]).text == "'alive'"


@of("tb-04-source-changed-on-disk")
def test_source_that_has_changed(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    for code in cells[1:3]:
        assert "RuntimeError: deep" in nb.run(code).traceback
    pool = nb.run(cells[3]).traceback
    assert "ValueError: in worker" in pool
    assert "RemoteTraceback" in pool
    assert nb.good(cells[4]).text == "'alive'"


@of("sh-03-getsource-and-profilers")
def test_source_of_cells(nb: Client, cells: list[str], machine: Remote) -> None:
    first = nb.good(cells[0]).stdout
    assert "def slow(n):" in first
    assert "return abs(self.x)" in first
    second = nb.run(cells[1])
    assert second.status == "error" or "class Point" in second.stdout
    if machine.name == "plain":  # %lprun, %memit and %prun are IPython's: a sentence says so
        for code in cells[2:]:
            assert nb.run(code).status == "error"
        return
    lines = nb.good(cells[2])
    shown = lines.stdout + str([each["data"].get("text/plain") for each in (lines.reply or {}).get("payload", [])])
    assert "for i in range(n): t += i" in shown
    assert "peak memory" in nb.good(cells[3]).stdout
    assert "function calls" in nb.good(cells[4]).stdout


@of("sh-04-unittest-argparse")
def test_unittest_argparse_and_doctest(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    assert nb.good(cells[1]).text == "Namespace(n=3)"
    tests = nb.good(cells[2])
    assert "Ran 2 tests" in tests.stderr
    assert "FAILED (failures=1)" in tests.stderr
    assert "self.fail('no')" in tests.stderr
    exits = nb.run(cells[3])
    assert exits.status == "error"
    assert exits.error is not None
    assert exits.error["ename"] == "SystemExit"
    assert nb.good(cells[4]).text == "TestResults(failed=0, attempted=1)"


@of("sh-05-completion-of-expensive-objects")
def test_tab_runs_no_property(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    cell = nb.start("import time\nfor _ in range(30): time.sleep(0.1)\n" + cells[1])
    nb.wait_for(lambda: cell.input is not None)
    for code in ("dev.", "dev.mo", "dev.slow.", "holder[0]."):
        assert nb.ask("complete_request", {"code": code, "cursor_pos": len(code)}, timeout=12)["status"] == "ok"
        nb.ask("inspect_request", {"code": code[:-1], "cursor_pos": len(code) - 1, "detail_level": 0}, timeout=12)
    nb.finish(cell)
    assert cell.text == "2"
    assert not cell.stdout + cell.stderr
    called = nb.good(cells[2]).text
    assert called is not None
    assert "'slow'" not in called
    assert "'motor'" not in called


@of("dsp-04-rich", on=("ipython",))
def test_rich(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    failed, queued = nb.start(cells[1]), nb.start(cells[2])
    nb.finish(failed)
    nb.finish(queued)
    assert failed.status == "error"
    assert failed.reply is not None
    assert failed.reply["ename"] == "ZeroDivisionError"
    assert queued.status == "aborted"
    shown = [each.get("text/plain", "") for each in failed.displays]  # rich tells of the error there, in colours
    assert "return 1 / n" in plain(
        "\n".join([failed.stdout, failed.stderr, failed.traceback if failed.error else "", *shown])
    )
    bar = nb.good(cells[3])
    assert "100%" in plain(bar.stdout + str([each.content for each in bar.messages]))
    assert nb.good(cells[4]).messages


@of("dsp-04-rich", on=("plain",))
def test_rich_without_ipython(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    failed = nb.run(cells[1])
    assert failed.status == "error"
    assert failed.error is not None
    assert failed.error["ename"] == "ZeroDivisionError"
    assert "return 1 / n" in failed.traceback
    assert "100%" in plain(nb.good(cells[3]).stdout)
    assert "red" in nb.good(cells[4]).stdout
