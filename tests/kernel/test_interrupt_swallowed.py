"""The stop button on code that catches KeyboardInterrupt: it may clean up, or go on; it can't keep the notebook."""

import os
import time
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import SPAWNED_IN_SOAK
from tests.kernel.results import Request

pytestmark = SPAWNED_IN_SOAK

SOON = 10.0
APART = 0.6
"""Seconds between two presses, so that they don't count as one."""

QUESTIONS = {
    "pdb": "import pdb\ndef f(n):\n    pdb.set_trace()\n    return n\nf(5)",
    "breakpoint": "for i in range(3):\n    breakpoint()\n    print(i)",
    "%debug": "%debug",
    "post mortem": "import pdb\npdb.pm()",
    "code.interact": "import code\ncode.interact()",
    "IPython.embed": "import IPython\nIPython.embed(colors='neutral')",
    "cmd": "import cmd\nwhile True:\n    try: cmd.Cmd().cmdloop()\n    except KeyboardInterrupt: pass",
    "loop": "while True:\n    try: input('? ')\n    except KeyboardInterrupt: print('again')",
    "bare except": "while True:\n    try: input('? ')\n    except: pass",
    "nested": "def f():\n    while True:\n        try: input('? ')\n        except: pass\n"
    "while True:\n    try: f()\n    except BaseException: pass",
    "getpass": "import getpass\nwhile True:\n    try: getpass.getpass()\n    except KeyboardInterrupt: pass",
    "async": "import asyncio\nawait asyncio.sleep(0)\nimport pdb; pdb.set_trace()\nx = 1",
}


def works_as_before(nb: Client) -> None:
    """What a debugger may have left: tracing, streams, the shell's own parts, the handler of SIGINT."""
    code = """
import sys
print("out", flush=True); print("err", file=sys.stderr)
sys.gettrace(), sys.getprofile(), sys.stdin.read(), __name__, get_ipython() is shell_before
"""
    cell = nb.good(code)
    assert (cell.text, cell.stdout, cell.stderr) == ("(None, None, '', '__main__', True)", "out\n", "err\n")
    assert nb.good("input('? ')", answers=["yes"]).text == "'yes'"
    cell = nb.start("import time\nprint('ready'); time.sleep(60)")
    nb.wait_output(cell, "ready")
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert "time.sleep(60)" in cell.traceback
    assert "rpyc" not in cell.traceback


def open_question(nb: Client, kind: str) -> Request:
    nb.good("shell_before = get_ipython()")
    if kind in ("%debug", "post mortem"):
        nb.run("def fails(): 1 / 0\nfails()")
    cell = nb.start(QUESTIONS[kind], answers=[])
    nb.wait_for(lambda: cell.inputs, what="the question")
    return cell


@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_question_that_is_asked_again_and_again(nb: Client, kind: str, remote_kind: str) -> None:
    if kind == "IPython.embed" and remote_kind != "ipython":
        pytest.skip("there is no IPython")
    cell = open_question(nb, kind)
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert "rpyc" not in cell.traceback
    works_as_before(nb)


@pytest.mark.parametrize("kind", ["pdb", "breakpoint", "%debug", "async"])
def test_what_waits_behind_a_stopped_debugger_runs(nb: Client, kind: str) -> None:
    """As under ipykernel, whose own tests ask for it. Behind another question it is aborted, as after any error."""
    cell = open_question(nb, kind)
    behind = [nb.start(code) for code in ("3 + 4", cell.code, "1 / 0", "5")]
    nb.interrupted(cell)
    for each in behind:
        nb.finish(each)
    assert [each.status for each in (cell, *behind)] == ["error", "ok", "aborted", "error", "aborted"]
    assert cell.reply is not None
    assert "debugger_stopped" not in cell.reply

    cell = open_question(nb, "loop")
    behind = [nb.start("3 + 4")]
    nb.interrupted(cell)
    nb.finish(behind[0])
    assert behind[0].status == "aborted"


@pytest.mark.parametrize("code", ["1 / 0", "raise KeyboardInterrupt", "def f(): g()\ndef g(): int('x')\nf()"])
def test_a_debugger_that_opens_by_itself(nb: Client, code: str, remote_kind: str) -> None:
    if remote_kind != "ipython":
        pytest.skip("there is no %pdb")
    nb.good("shell_before = get_ipython()\n%pdb on")
    cell = nb.start(code, answers=[])
    nb.wait_for(lambda: cell.inputs or cell.done, what="the question")
    assert cell.inputs, cell
    assert nb.interrupted(cell) < SOON
    assert len(cell.inputs) == 1
    assert cell.error is not None
    assert cell.error["ename"] in ("ZeroDivisionError", "KeyboardInterrupt", "ValueError")
    nb.good("%pdb off")
    works_as_before(nb)


@pytest.mark.parametrize("kind", ["pdb", "%debug", "loop"])
def test_the_same_cell_run_again_while_it_asks_does_not_lock_the_notebook(nb: Client, kind: str) -> None:
    cell = open_question(nb, kind)
    again = nb.start(QUESTIONS[kind], answers=[])
    assert nb.interrupted(cell) < SOON
    nb.finish(again)
    assert again.status == "aborted"
    works_as_before(nb)


def test_the_debugger_goes_on_after_answers(nb: Client) -> None:
    cell = nb.run(QUESTIONS["pdb"], answers=["p n", "c"])
    assert cell.text == "5"
    assert "5\n" in cell.stdout


def test_another_question_may_follow_the_one_that_was_stopped(nb: Client) -> None:
    cell = nb.start("try: input('one')\nexcept KeyboardInterrupt: pass\ninput('two')", answers=[])
    nb.wait_for(lambda: cell.inputs, what="the first question")
    nb.interrupt()
    nb.wait_for(lambda: len(cell.inputs) == 2, what="the second question")
    nb.answer(cell.inputs[1], "2")
    assert nb.finish(cell).text == "'2'"


STUBBORN = {
    "sync": "while True:\n    try: time.sleep(.1)\n    except BaseException: pass",
    "function": "def f():\n    try: time.sleep(.1)\n    except: pass\nwhile True: f()",
    "in a handler": "try: time.sleep(60)\nexcept BaseException:\n"
    "    while True:\n        try: time.sleep(.1)\n        except BaseException: pass",
    "suppress": "while True:\n    with contextlib.suppress(BaseException): time.sleep(.1)",
    "await": "while True:\n    try: await asyncio.sleep(3600)\n    except BaseException: pass",
    "task": "async def f():\n    while True:\n        try: time.sleep(.1)\n        except BaseException: pass\n"
    "await asyncio.create_task(f())",
}


@pytest.mark.parametrize("kind", STUBBORN)
def test_a_loop_that_swallows_it_ends_with_the_second_press(nb: Client, kind: str) -> None:
    nb.good("shell_before = get_ipython(); kept = 42")
    cell = nb.start(f"import asyncio, contextlib, time\nprint('ready')\n{STUBBORN[kind]}", answers=[])
    nb.wait_output(cell, "ready")
    nb.drain(0.2)  # nothing tells that it is in its `try`
    nb.interrupt()
    between = time.monotonic() + APART
    nb.wait_for(lambda: time.monotonic() > between or cell.done)
    assert not cell.done
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert cell.stderr == ""  # nothing tells that it goes on
    assert nb.good("kept").text == "42"
    works_as_before(nb)


def test_what_cleans_up_is_not_cut_off_when_the_second_press_insists(nb: Client) -> None:
    code = """
import time
print("ready")
while True:
    try:
        try: time.sleep(60)
        finally: time.sleep(.2); print("cleaned")
    except BaseException: pass
"""
    cell = nb.start(code)
    nb.wait_output(cell, "ready")
    nb.interrupt()
    nb.wait_output(cell, "cleaned")
    between = time.monotonic() + APART
    nb.wait_for(lambda: time.monotonic() > between)
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.stdout.count("cleaned") == 2


@pytest.mark.needs("posix")
def test_a_cell_that_does_not_stop_names_the_way_out(nb: Client, tmp_path: Path) -> None:
    """A long call into C that no signal reaches."""
    fifo = tmp_path / "gate"
    os.mkfifo(fifo)
    cell = nb.start(
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
        f"print('ready')\nopen({str(fifo)!r}).read()\nsignal.pthread_sigmask(signal.SIG_UNBLOCK, {{signal.SIGINT}})"
    )
    nb.wait_output(cell, "ready")
    nb.interrupt()
    between = time.monotonic() + APART
    nb.wait_for(lambda: time.monotonic() > between)
    nb.interrupt()
    nb.wait_output(cell, "%restart")
    fifo.write_text("")
    nb.finish(cell)
    assert cell.stderr.startswith("The cell on ")
    nb.good("signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})")
