"""Reports about processes, signals, and the end of the session's Python."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until
from tests.reports.conftest import REFERENCE, of

pytestmark = pytest.mark.mainly("plain")


def running(*words: str) -> list[str]:
    """The command lines that have all of these words as arguments of their own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if all(word in arguments for word in words) and arguments[0] != "pgrep":
            found.append(" ".join(arguments))
    return found


def stopped(client: Client, code: str, text: str) -> None:
    """Run a cell until it has printed `text`, and stop it."""
    cell = client.start(code)
    client.wait_for(lambda: cell.input is not None)
    client.wait_output(cell, text)
    client.interrupted(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"


@of("proc-01-spawn-function-of-cell")
def test_a_spawned_process_and_a_function_of_the_notebook(nb: Client, cells: list[str], machine: Remote) -> None:
    cell = nb.start(cells[0])
    try:
        nb.finish(cell, 5)
    except AssertionError:
        nb.interrupted(cell)
    assert "SlaveService" not in cell.stderr
    if cell.status == "ok":
        assert cell.text == "[0, 1, 4, 9]"
    assert nb.good(cells[1]).text == "'clean'"
    nb.good(cells[2])
    assert wait_until(lambda: not [line for line in machine.processes().values() if "multiprocessing.spawn" in line])


@of("proc-02-fork-while-printing")
def test_forks_while_another_thread_prints(nb: Client, cells: list[str]) -> None:
    cell = nb.good(cells[0], timeout=120)
    nb.wait_for(lambda: cell.stdout.count("child\n") >= 60)
    assert "{0} 60\n" in cell.stdout


@of("proc-03-dataloader-workers-after-stop")
def test_stopping_a_loop_over_worker_processes(nb: Client, cells: list[str]) -> None:
    stopped(nb, cells[0].replace("while True: q.get()", "print('loop')\nwhile True: q.get()"), "loop")
    assert re.fullmatch(  # those that the stop has reached may not have ended yet
        r"\(\[(True|False), (True|False)\], \[None, None\], \[None, None\], \[\]\)", nb.good(cells[1]).text or ""
    )


@of("proc-04-server-of-an-earlier-cell")
def test_stop_leaves_the_server_of_an_earlier_cell(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    cell = nb.start(cells[1])
    nb.wait_for(lambda: running("sleep", "60"))
    nb.interrupted(cell)
    assert cell.error is not None
    assert wait_until(lambda: not running("sleep", "60"))
    assert nb.good(cells[2]).stdout == "None\n"
    assert nb.good(cells[3]).text == "-15"


@of("proc-05-bash-interrupt-leaves-grandchildren")
def test_stop_ends_all_that_a_shell_cell_has_started(nb: Client, cells: list[str]) -> None:
    first, second = nb.start(cells[0]), nb.start(cells[1])
    nb.wait_for(lambda: running("sleep", "300"))
    nb.interrupted(first)
    nb.finish(second)
    assert first.status == "error"
    assert second.status == "aborted"
    assert wait_until(lambda: not running("sleep", "300") and not running("sleep", "0.2"))
    nb.good(cells[2])


@of("proc-06-bg-magic")
def test_a_background_script_can_be_killed(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    assert nb.good(cells[1]).stdout.endswith(" None\n")
    last = nb.good(cells[2])
    assert last.stdout.startswith("-9 ") or "None" not in last.stdout
    assert "started" in last.stdout
    assert wait_until(lambda: not running("sleep", "120"))


@of("proc-07-shell-loop")
def test_a_loop_over_shell_commands_is_stopped(nb: Client, cells: list[str]) -> None:
    cell = nb.start(cells[0])
    nb.wait_for(lambda: cell.input is not None)
    nb.drain(1)  # the stop is to hit the loop somewhere in its midst
    nb.send("control", "interrupt_request", {})
    try:
        nb.finish(cell, 3)
    except AssertionError:
        nb.interrupted(cell)
    assert cell.status == "error"
    assert nb.good(cells[1]).text == "'out'"


@of("proc-08-children-after-restart")
def test_children_end_with_a_restart(nb: Client, cells: list[str], kernel: Kernel) -> None:
    nb.good(cells[0])
    nb.wait_for(lambda: running("sleep", "3333") and running("sleep", "4444"))
    try:
        kernel.restart()
        assert wait_until(lambda: not running("sleep", "3333"), 15)
    finally:
        subprocess.run(["pkill", "-9", "-f", "sleep 3333|sleep 4444"], check=False)


@of("sig-01-swallowed-interrupt")
def test_a_loop_that_catches_everything(nb: Client, cells: list[str]) -> None:
    nb.good(cells[0])
    cell = nb.start(cells[1])
    nb.wait_for(lambda: cell.input is not None)
    for _press in range(2):
        nb.interrupt()
        nb.drain(2)  # the report's two presses are 2 s apart
    if not cell.done:
        assert "%restart" in cell.stderr
        nb.run("%restart")
        nb.finish(cell)
    else:
        assert nb.good(cells[2]).text == "42"


@of("sig-02-interrupt-in-post-execute")
def test_an_interrupt_in_a_hook_ends_no_session(nb: Client, cells: list[str], machine: Remote) -> None:
    nb.good(cells[0])
    nb.run(cells[1])
    assert nb.run(cells[2]).text == "1"
    nb.run(cells[3])
    assert nb.good(cells[4]).text == "1"


@of("sig-03-alarm-timeout")
def test_an_alarm_comes_in_time(nb: Client, cells: list[str]) -> None:
    cell = nb.run(cells[0])
    assert cell.error is not None
    assert (cell.error["ename"], cell.error["evalue"]) == ("TimeoutError", "alarm")
    assert nb.good(cells[1]).text == "(True, True)"


@of("sig-04-own-sigint-handler")
def test_a_handler_of_the_cells_own_takes_the_stop(nb: Client, cells: list[str]) -> None:
    cell = nb.start(cells[0].replace("t = time.time()", "print('ready'); t = time.time()"))
    nb.wait_output(cell, "ready")
    nb.interrupt()
    nb.finish(cell)
    assert cell.status == "ok"
    assert cell.stdout == "ready\nhits 1\n"
    stopped(nb, cells[1].replace("import time;", "import time; print('ready');"), "ready")


@of("sig-05-remote-stop-at-all")
def test_stop_and_input_work_from_afar(nb: Client, cells: list[str]) -> None:
    stopped(nb, "print('ready')\n" + cells[0], "ready")
    assert nb.good(cells[1], answers=["pi"]).text == "'pi'"


@of("end-02-abort-names-its-reason")
def test_the_last_words_of_a_python_that_aborts(nb: Client, cells: list[str]) -> None:
    cell = nb.run(cells[0])
    assert cell.error is not None
    assert "SIGABRT" in cell.error["evalue"]
    kinds = [kind for kind, _text in cell.script]
    assert kinds[-1] == "error"
    assert "could not connect to display" in cell.stderr
    assert "failed to start" in cell.stderr
    assert cell.stdout == "last words"
    assert nb.good(cells[1]).text == "'fresh'"


@of("end-03-death-under-nbclient")
def test_nbclient_ends_at_the_cell_that_died(execute: Callable[[list[str]], tuple[str, str]], cells: list[str]) -> None:
    error, saved = execute(cells)
    assert error.startswith("DeadKernelError" if REFERENCE else "CellExecutionError")
    assert "must not run with" not in saved.replace("print('must not run", "")
    assert REFERENCE or "SIGKILL" in saved


@of("end-06-restart-from-code")
def test_a_restart_from_code(nb: Client, cells: list[str]) -> None:
    first = nb.run(cells[0])
    assert first.status == "ok" or "restart" in first.traceback
    assert nb.good(cells[1]).text == "'alive'"
    ended = nb.run(cells[2])
    assert ended.error is not None
    assert nb.good(cells[3]).text == "'alive again'"
