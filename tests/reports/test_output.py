"""Reports about what cells print: threads, file descriptors, streams that libraries replace, floods."""

from __future__ import annotations

from collections.abc import Callable

from tests.kernel.client import Client
from tests.reports.conftest import REFERENCE, of


@of("out-02-pool-thread-lost-in-papermill")
def test_a_pool_of_an_earlier_cell_prints_into_the_saved_notebook(
    execute: Callable[[list[str]], tuple[str, str]], cells: list[str]
) -> None:
    error, saved = execute(cells)
    assert not error
    assert '"SECOND-LINE-MUST-BE-SAVED\\n"' in saved


@of("out-03-queue-listener")
def test_a_queue_listener_prints_into_the_cell_that_logs(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    assert nb.good(cells[1]).stdout == "sample 0\nsample 1\nsample 2\n"
    nb.good(cells[2])


@of("out-04-loguru-enqueue")
def test_loguru_prints_into_the_cell_that_logs(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    assert nb.good(cells[1]).stderr == "logged by cell two\n"


@of("out-05-thread-in-thread")
def test_a_thread_of_a_thread_prints_all_in_one_place(nb: Client, cells: list[str]) -> None:
    requests = [nb.good(each) for each in cells]
    nb.wait_for(lambda: len("".join(each.stdout for each in requests)) >= 5)
    assert sorted(each.stdout for each in requests) == ["", "01234"]


@of("out-11-gil-held-and-pipe-full")
def test_c_code_that_holds_the_gil_may_write_more_than_a_pipe_takes(nb: Client, cells: list[str]) -> None:
    first = nb.good(cells[0])
    nb.wait_output(first, "1" * 300_000 + "\n")
    assert nb.good(cells[1]).text == "'alive'"


@of("out-12-both-streams-verbose")
def test_a_child_that_writes_much_on_both_streams(nb: Client, cells: list[str]) -> None:
    cell = nb.good(cells[0])
    nb.wait_output(cell, "\n0\n")
    assert cell.stdout.count("o" * 60) == cell.stderr.count("e" * 60) == 20_000


@of("out-13-popen-stdout-sysstdout")
def test_a_child_may_be_given_sys_stdout(nb: Client, cells: list[str]) -> None:
    assert nb.good(cells[0]).stdout == "before from echo\nafter\n"


@of("out-14-stdout-buffer-and-rewrap")
def test_stdout_may_be_wrapped_again(nb: Client, cells: list[str]) -> None:
    assert nb.good(cells[0]).stdout == "bytes: äöü\n"
    assert nb.good(cells[1]).stdout == "re-wrapped line\n"
    assert nb.good(cells[2]).stdout == "next cell\n"
    assert nb.good(cells[3]).stdout == "restored\n"


@of("out-15-faulthandler-pytest-click")
def test_faulthandler_click_and_pytest(nb: Client, cells: list[str]) -> None:
    first = nb.good(cells[0])
    nb.wait_output(first, "most recent call first")
    assert first.stdout.split()[1:3] == (["UTF-8", "True"] if REFERENCE else ["utf-8", "True"])
    click = nb.good(cells[1])
    assert "echo out\n" in click.stdout
    assert "colour" in click.stdout
    assert click.stderr == "echo err\n"
    nb.good(cells[2])
    last = nb.good(cells[3], timeout=60)
    nb.wait_output(last, "fd 1 still works\n")
    assert "1 passed" in last.stdout
    assert "stdout still works\n" in last.stdout


@of("out-16-wurlitzer-on-top")
def test_wurlitzer_does_no_harm(nb: Client, cells: list[str], machine: object) -> None:
    nb.run(cells[0])  # an extension of IPython's: refused in a sentence where IPython isn't there
    cell = nb.good(cells[1])
    nb.wait_output(cell, "fd line\n")
    assert sorted((cell.stdout + cell.stderr).splitlines()) == ["child line", "fd line", "python line"]
    nb.run(cells[2])
    assert nb.good(cells[3]).stdout == "afterwards\n"


@of("out-18-capture-logging-and-children")
def test_what_capture_does_not_take_is_shown(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    captured = nb.good(cells[1])
    last = nb.good(cells[2])
    assert last.stdout.startswith("'printed\\n")
    assert last.stdout.rstrip().endswith(" 1")
    nb.wait_for(lambda: "child" in captured.stdout + last.stdout)
    assert "logged" in captured.stderr + last.stdout


@of("out-19-endless-print-stop")
def test_an_endless_loop_that_prints_is_stopped(nb: Client, cells: list[str]) -> None:
    endless = nb.start(cells[0])
    nb.wait_for(lambda: len(endless.messages) > 50)
    assert nb.interrupted(endless) < 10
    assert endless.error
    assert endless.error["ename"] == "KeyboardInterrupt"
    shown = len(endless.messages)
    assert nb.good(cells[1]).text == "'stopped'"
    assert len(endless.messages) == shown, "nothing comes after the error"


@of("out-22-progress-bar-after-interrupt")
def test_a_bar_after_an_interrupted_one_stays_on_its_line(nb: Client, cells: list[str]) -> None:
    first = nb.start(cells[0])
    nb.wait_output(first, "it/s]")
    nb.interrupted(first)
    second = nb.good(cells[1])
    nb.wait_output(second, "30/30")
    assert second.stderr.count("\n") <= 31 if REFERENCE else second.stderr.count("\n") <= 2, second.stderr
