"""Handlers of signals that cells set, as timeouts by SIGALRM: whenever one is called, the session stays whole."""

from __future__ import annotations

import pytest

from tests.kernel.client import Client

TIMEOUTS = """
import asyncio, signal, sys, threading, time
def late(number, frame): raise TimeoutError("late")
before = signal.signal(signal.SIGALRM, late)
caught = 0
for n in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001 + n * 1e-5)
        while True: print("a line")
    except TimeoutError: caught += 1
"""


@pytest.mark.mainly("plain")
def test_timeouts_of_a_cell_that_prints_leave_no_lock_held(nb: Client) -> None:
    nb.good(TIMEOUTS, timeout=60)
    assert nb.good("caught, before, signal.getsignal(signal.SIGALRM) is late").text == (
        "(300, <Handlers.SIG_DFL: 0>, True)"
    )
    thread = nb.good("t = threading.Thread(target=print, args=('there',)); t.start(); t.join(5); t.is_alive()")
    assert (thread.stdout, thread.text) == ("there\n", "False")
    cell = nb.start("print('ready'); time.sleep(60)")
    nb.wait_output(cell, "ready")
    assert nb.interrupted(cell) < 10
    failed = nb.run("signal.setitimer(signal.ITIMER_REAL, 0.05); time.sleep(20)", timeout=10)
    assert failed.error is not None
    assert failed.error["evalue"] == "late"
    assert "rpyc" not in failed.traceback
    assert "handlers.py" not in failed.traceback


@pytest.mark.mainly("plain")
def test_what_a_handler_prints_comes_between_what_the_cell_prints(nb: Client) -> None:
    cell = nb.good(
        "import signal\nticks = 0\n"
        "def tick(*_):\n    global ticks\n    ticks += 1\n    print('t', end='', flush=True)\n"
        "signal.signal(signal.SIGALRM, tick); signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n"
        "for n in range(20_000): print('.', end='')\nprint(flush=True)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0); ticks"
    )
    assert cell.stdout.count(".") == 20_000
    assert cell.stdout.count("t") == int(str(cell.text)) > 5


@pytest.mark.mainly("ipython")  # whose own code is what it is called in most often
@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt()", "TimeoutError()"])
def test_a_handler_that_raises_all_the_time_loses_no_cell(nb: Client, error: str) -> None:
    nb.good(
        f"import asyncio, signal\nkept = 17\ndef late(*_): raise {error}\nsignal.signal(signal.SIGALRM, late)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.05, 0.003);"
    )
    for n in range(60):
        nb.run("await asyncio.sleep(0.01)" if n % 2 else "for n in range(100): n", timeout=10)
    nb.wait_for(
        lambda: (
            nb.run("signal.signal(signal.SIGALRM, signal.SIG_IGN); signal.setitimer(signal.ITIMER_REAL, 0)").status
            == "ok"
        )
    )
    assert nb.good("kept").text == "17"
