"""An interpreter that dies: named, after all that it had printed, and followed by a fresh one."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import ALSO_SPAWNED
from tests.kernel.gates import Gate
from tests.kernel.remotes import Remote, wait_until
from tests.kernel.results import Request

pytestmark = [ALSO_SPAWNED, pytest.mark.mainly("plain")]

SOON = 10.0
"""Seconds: meant is one; a loaded machine gets more."""

DEATHS = {
    "segmentation fault": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "abort": ("import os; os.abort()", "SIGABRT"),
    "kill": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    "terminate": ("import os, signal; signal.signal(15, signal.SIG_DFL); os.kill(os.getpid(), 15)", "SIGTERM"),
    "bus error": ("import os, signal; os.kill(os.getpid(), signal.SIGBUS)", "SIGBUS"),
    "_exit": ("import os; os._exit(3)", "3"),
    "_exit without an error": ("import os; os._exit(0)", "0"),
}


def told(cell: Request) -> str:
    """The sentence a user reads about a death."""
    assert cell.status == "error", cell
    assert cell.error is not None
    assert "rpyc_kernel/" not in cell.traceback
    assert "Traceback" not in cell.traceback
    return f"{cell.error['ename']}: {cell.error['evalue']}"


@pytest.mark.parametrize("death", DEATHS)
def test_a_death_is_named_after_all_that_was_printed(
    nb: Client, death: str, record_property: Callable[[str, object], None]
) -> None:
    code, name = DEATHS[death]
    nb.good("variable = 1")
    cell = nb.start(f"for i in range(1000): print('line', i)\nprint('last', flush=True)\n{code}")
    nb.wait_output(cell, "last\n")
    seen = time.monotonic()
    nb.finish(cell)
    assert cell.replied_at is not None
    record_property("seconds", cell.replied_at - seen)
    assert cell.replied_at - seen < SOON
    assert cell.stdout == "".join(f"line {i}\n" for i in range(1000)) + "last\n"
    assert name in told(cell)
    assert cell.messages[-1].kind == "error"
    asked = time.monotonic()
    after = nb.run("variable")
    record_property("seconds until the next", time.monotonic() - asked)
    assert time.monotonic() - asked < SOON
    assert after.error is not None
    assert after.error["ename"] == "NameError", "the next cell runs in a fresh interpreter"
    assert nb.good("6 * 7").text == "42"


def test_an_unfinished_line_is_not_lost(nb: Client) -> None:
    cell = nb.run("import os, sys\nprint('whole')\nprint('half', end='')\nos.kill(os.getpid(), 11)")
    assert cell.stdout == "whole\nhalf"
    assert "SIGSEGV" in told(cell)


def test_output_of_c_code_before_the_crash_is_not_lost(nb: Client) -> None:
    cell = nb.run("import ctypes, os\nos.write(1, b'raw ')\nctypes.CDLL(None).printf(b'from C')\nctypes.string_at(0)")
    assert cell.stdout == "raw from C"


@pytest.mark.parametrize("first", [0, 3])
def test_a_python_that_closes_all_its_files_is_replaced(nb: Client, remote: Remote, first: int) -> None:
    """As a program does that becomes a daemon: nothing that it says would ever arrive."""
    if remote.name != remote.kind:
        return  # a spawned one has no pipe of its own for what it says
    assert "closed the files" in told(nb.run(f"import os; os.closerange({first}, 256)", timeout=10))
    assert nb.good("6 * 7").text == "42"


def test_a_kill_hints_at_memory(nb: Client) -> None:
    """The usual reason for a SIGKILL that nobody sent."""
    assert "memory" in told(nb.run("import os; os.kill(os.getpid(), 9)")).lower()


def test_cells_behind_a_death_are_aborted(nb: Client, gate: Gate) -> None:
    dying = nb.start(f"import os\n{gate.wait}os._exit(1)")
    waiting = nb.start("print('must not run')")
    nb.kernel_info()  # behind them
    gate.open()
    nb.finish(waiting)
    nb.finish(dying)
    assert (waiting.status, waiting.messages) == ("aborted", [])


def test_a_death_while_nothing_runs_is_told_too(nb: Client) -> None:
    """At the latest with the next cell, which must not wait for a reply that never comes."""
    before = nb.good("lost = 1\nimport os; os.getpid()")
    pid = int(str(before.text))
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists()), "nobody has noticed its death"
    first = nb.run("'after'")
    everything = str([m.content for m in before.messages + first.messages + nb.stray])
    assert "SIGKILL" in everything
    after = nb.run("lost")
    assert after.error is not None
    assert after.error["ename"] == "NameError"


def test_a_death_during_input(nb: Client) -> None:
    cell = nb.start("import os, threading\nthreading.Timer(0.2, os._exit, [5]).start()\ninput('? ')")
    nb.wait_for(lambda: cell.inputs, what="the question")
    nb.finish(cell)
    assert "5" in told(cell)
    assert nb.good("input('again? ')", answers=["yes"]).text == "'yes'"


def test_many_deaths_in_a_row(nb: Client) -> None:
    for _ in range(5):
        assert "SIGKILL" in told(nb.run("import os; os.kill(os.getpid(), 9)"))
    assert nb.good("'alive'").text == "'alive'"


def test_completion_works_after_a_death(nb: Client) -> None:
    nb.run("import os; os._exit(1)")
    nb.good("name_of_something = 1")
    assert "name_of_something" in nb.complete("name_of_s")["matches"]


def test_exit_and_quit_keep_the_session(nb: Client) -> None:
    nb.good("kept = 'kept'")
    nb.run("import sys; sys.exit(1)")
    assert nb.good("kept").text == "'kept'"


DIES_BEHIND = {
    "SIGABRT": "import asyncio, os\nasyncio.get_event_loop().call_soon(os.abort);",
    "exit code 7": "import asyncio, os\nasyncio.get_event_loop().call_soon(os._exit, 7);",
}


@pytest.mark.parametrize("death", DIES_BEHIND)
def test_a_death_between_two_cells_is_the_error_of_those_that_were_sent_before(nb: Client, death: str) -> None:
    """Sent together, and as nbclient sends them, one after the other's end; whoever comes later has a fresh Python."""
    for together in (True, False):
        nb.good("state = 1")
        dying = nb.start(DIES_BEHIND[death], stop_on_error=False)
        if not together:
            nb.finish(dying)
        behind = [nb.start("print('state' in globals())", stop_on_error=False) for _ in range(1 + together)]
        nb.finish(behind[-1])
        for cell in behind:
            assert death in told(cell)
            assert "has not run" in told(cell)
            assert cell.stdout == ""
        nb.finish(dying)
        after = nb.good("print('state' in globals())")
        assert (after.stdout, after.stderr) == ("False\n", ""), "it was told once"


def test_cells_behind_a_death_that_do_not_mind_errors_are_told_too(nb: Client) -> None:
    dying = nb.start("import os, time; time.sleep(0.3); os._exit(1)", stop_on_error=False)
    waiting = [nb.start("print('must not run')", stop_on_error=False) for _ in range(2)]
    nb.finish(waiting[1])
    assert ["exit code 1" in told(cell) for cell in (dying, *waiting)] == [True] * 3
    assert ["has not run" in told(cell) for cell in (dying, *waiting)] == [False, True, True]
    assert nb.good("'fresh'").text == "'fresh'"


def test_a_death_long_ago_is_told_by_the_next_cell_which_runs(nb: Client) -> None:
    pid = int(str(nb.good("state = 1\nimport os; os.getpid()").text))
    os.kill(pid, signal.SIGKILL)
    nb.drain(1.5)  # a cell that is sent right behind a death is told that it has not run
    cell = nb.good("'state' in globals()")
    assert cell.text == "False"
    assert "SIGKILL" in cell.stderr
    assert nb.good("1").stderr == ""


def test_a_cell_behind_a_restart_runs_whatever_has_ended_the_python_before(nb: Client) -> None:
    pid = int(str(nb.good("import os; os.getpid()").text))
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists())
    nb.good("%restart")
    cell = nb.good("'fresh'")
    assert (cell.text, cell.stderr) == ("'fresh'", "")


def test_what_a_cell_raises_or_sends_is_not_taken_for_a_death(nb: Client) -> None:
    nb.good("import os\nkept = os.getpid()")
    cell = nb.run("class WorkerDied(Exception): end = {'text': 'mine'}\nraise WorkerDied('mine')")
    assert cell.error is not None
    assert (cell.error["ename"], cell.error["evalue"]) == ("WorkerDied", "mine")
    assert "raise WorkerDied('mine')" in cell.traceback
    forged = "{'status': 'error', 'ename': 'WorkerDied', 'evalue': 'x', 'end': {'text': 'forged', 'restart': True}}"
    for code in (
        "get_ipython().kernel.send_response(None, 'worker_died', {'text': 'forged', 'signal': 'SIGKILL'})",
        f"get_ipython().kernel.send_response(None, 'execute_reply', {forged})",
        f"get_ipython().kernel.send_response(None, 'complete_reply', {forged})",
        "get_ipython().kernel.send_response(None, 'session_info', {'pid': [], 'python': {}, 'cwd': 'a\\nb'})",
    ):
        assert nb.good(code + "\n'end'").text == "'end'"
        assert "forged" not in str([each.content for each in nb.stray])
        assert nb.good("print(kept == os.getpid())").stdout == "True\n"
    assert "forged" not in str(
        [
            each.content
            for request in nb.requests.values()
            for each in request.messages
            if each.kind in ("error", "stream")
        ]
    )
