"""`on_interrupt`, `on_disconnect` and `on_death`: what stops a motor when the user, the link or the Python does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.client import Client

pytestmark = [pytest.mark.mainly("plain"), pytest.mark.needs("linux")]

HOLDS_THE_GIL = "print('on', flush=True)\nsum(range(10 ** 9))"  # in C, which looks for no signal
STOPPABLE = """
try:
    print('on')
    while True: pass
except KeyboardInterrupt:
    order.append('raised')
    raise
"""


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_a_press_runs_it_before_the_cell_is_interrupted(fresh: Client) -> None:
    fresh.good("order = []\n@on_interrupt\ndef stop(): order.append('stopped')")
    cell = fresh.start(STOPPABLE)
    fresh.wait_output(cell, "on\n")
    fresh.interrupt()
    fresh.finish(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert fresh.good("order").text == "['stopped', 'raised']"
    fresh.interrupt()  # nothing runs: a thread may drive the motor
    fresh.wait_for(lambda: fresh.good("len(order)").text == "3", what="the stop between two cells")
    fresh.good("stop.cancel()")
    cell = fresh.start("import time\nprint('on')\ntime.sleep(600)")
    fresh.wait_output(cell, "on\n")
    fresh.interrupt()
    fresh.finish(cell)
    assert fresh.good("len(order)").text == "3"


def test_one_that_fails_or_hangs_at_a_press_is_told_and_the_cell_ends(fresh: Client) -> None:
    fresh.good("def fails(): 1 / 0\ndef hangs():\n    while True: pass")
    fresh.good("failing, hanging = on_interrupt(fails), on_interrupt(hangs, deadline=0.3)")
    cell = fresh.start("import time\nprint('on')\ntime.sleep(600)")
    fresh.wait_output(cell, "on\n")
    fresh.interrupt()
    fresh.finish(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert "on_interrupt ran fails. It failed: ZeroDivisionError: division by zero." in cell.stderr
    assert "on_interrupt ran hangs. It did not end within 0.3 s, and was stopped." in cell.stderr


def test_a_press_runs_it_though_c_code_holds_the_gil(fresh: Client, tmp_path: Path) -> None:
    path = tmp_path / "stopped"
    fresh.good(f"@on_interrupt\ndef stop():\n    with open({str(path)!r}, 'a') as file: file.write('stopped')")
    cell = fresh.start(HOLDS_THE_GIL)
    fresh.wait_output(cell, "on\n")
    fresh.interrupt()
    fresh.wait_for(lambda: text_of(path) == "stopped", what="the stop")
    assert not cell.done
    fresh.good("%restart")
    assert text_of(path) == "stopped", "once"


def test_a_death_runs_it_with_what_was_there_at_the_registration(fresh: Client, tmp_path: Path) -> None:
    path = tmp_path / "stopped"
    code = f"speed = 1\n@on_death\ndef stop():\n    with open({str(path)!r}, 'a') as file: file.write(str(speed))\n"
    fresh.good(code + "    raise ValueError('no brake')")
    fresh.good("speed = 2")
    cell = fresh.run("import os; os.kill(os.getpid(), 9)")
    assert cell.status == "error"
    fresh.wait_for(lambda: text_of(path) == "1", what="the stop")
    fresh.wait_for(lambda: "It failed: ValueError: no brake." in cell.stderr, what="the line about it")
    assert "Traceback" in cell.stderr
    assert "on_death ran stop on " in cell.stderr
    fresh.good("%restart")
    assert text_of(path) == "1", "the next Python has registered nothing"


def test_a_death_that_comes_before_the_guard_has_done_anything_runs_it_too(fresh: Client, tmp_path: Path) -> None:
    path = tmp_path / "stopped"
    fresh.good("import os, time\nos.register_at_fork(after_in_child=lambda: time.sleep(0.5))")
    fresh.run(f"on_death(lambda: open({str(path)!r}, 'a').write('on'))\nos.kill(os.getpid(), 9)")
    fresh.wait_for(lambda: text_of(path) == "on", what="the stop")


def test_a_restart_is_a_death_and_one_that_hangs_is_ended(fresh: Client, tmp_path: Path) -> None:
    path = tmp_path / "stopped"
    code = "import time\n@on_death(deadline=0.3)\ndef stop():\n"
    cell = fresh.good(code + f"    open({str(path)!r}, 'w').write('on')\n    time.sleep(60)")
    fresh.good("%restart")
    fresh.wait_for(lambda: text_of(path) == "on", what="the stop")
    fresh.wait_for(lambda: "It did not end within 0.3 s, and was ended by force." in cell.stderr, what="the line")
    assert "on_death ran stop on " in cell.stderr


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("on_disconnect(1)", "takes a function that is called without arguments, not 1."),
        ("async def f(): pass\non_death(f)", "not a coroutine function"),
        ("on_disconnect(print, after=0.01)", "takes after from 0.1 to 86400 seconds, not 0.01."),
        ("on_interrupt(print, deadline=0)", "takes a deadline of up to 60 seconds, not 0."),
    ],
)
def test_what_cannot_be_registered_is_a_sentence(nb: Client, code: str, sentence: str) -> None:
    error = nb.run(code).error
    assert error is not None
    assert sentence in error["evalue"]


def test_the_same_function_registered_again_takes_its_place(fresh: Client) -> None:
    code = "@on_death\ndef stop(): pass\n"
    fresh.good(code + "first = stop")
    assert fresh.good(code + "repr(first), repr(stop), stop.__name__").text == (
        "('<on_death(stop), cancelled>', '<on_death(stop)>', 'stop')"
    )
    assert fresh.good("with on_death(print) as end: pass\nend").text == "<on_death(print), cancelled>"
