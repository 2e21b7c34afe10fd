"""The stop button: whatever a cell waits for, it ends at once, cleans up, and the notebook goes on."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import ALSO_SPAWNED
from tests.kernel.results import Request

pytestmark = ALSO_SPAWNED

SOON = 10.0
"""Seconds that a loaded machine may take for what is meant to take a few milliseconds."""

PATIENT = 20.0

WAITS = {
    "tight loop": "while True: pass",
    "loop with calls": "while True: sum(range(1000))",
    "sleep": "time.sleep(60)",
    "recv": "a, b = socket.socketpair(); a.recv(1)",
    "accept": "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); s.accept()",
    "subprocess": "subprocess.run(['sleep', '60'])",
    "lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "join": "t = threading.Thread(target=time.sleep, args=(30,), daemon=True); t.start(); t.join()",
    "queue": "import queue; queue.Queue().get()",
    "select": "import select; select.select([], [], [], 60)",
    "await": "await asyncio.sleep(60)",
    "await future": "await asyncio.get_running_loop().create_future()",
    "async loop": "while True: await asyncio.sleep(0)",
    "prints": "while True: print('x' * 100)",
}
PRELUDE = "import asyncio, os, socket, subprocess, threading, time\nkept = 'kept'\n"


def blocked(nb: Client, body: str) -> Request:
    """Start a cell that waits in `body`, within a `try`, and come back once it is about to."""
    code = f"{PRELUDE}try:\n    print('ready', flush=True)\n    {body}\nfinally:\n    print('\\nfinally')"
    cell = nb.start(code)
    nb.wait_output(cell, "ready")
    return cell


@pytest.mark.parametrize("wait", WAITS)
def test_it_ends_whatever_the_cell_waits_for(
    nb: Client, wait: str, record_property: Callable[[str, object], None]
) -> None:
    cell = blocked(nb, WAITS[wait])
    seconds = nb.interrupted(cell, PATIENT)
    record_property("seconds", seconds)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert cell.stdout.endswith("finally\n")
    assert seconds < SOON
    assert nb.good("kept").text == "'kept'"


def test_a_long_call_into_c_ends_after_it(nb: Client) -> None:
    nb.good("import numpy")
    cell = blocked(nb, "for i in range(1000): numpy.linalg.svd(numpy.ones((300, 300)) * i)")
    nb.interrupted(cell, PATIENT)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert cell.stdout.endswith("finally\n")
    assert nb.good("kept").text == "'kept'"


def test_a_cell_may_catch_it(nb: Client) -> None:
    cell = nb.start(
        "import time\ntry:\n    print('ready'); time.sleep(60)\nexcept KeyboardInterrupt:\n    print('caught')\n'on'"
    )
    nb.wait_output(cell, "ready")
    nb.interrupted(cell)
    assert (cell.status, cell.stdout, cell.text) == ("ok", "ready\ncaught\n", "'on'")


def test_an_async_cell_may_clean_up_with_await(nb: Client) -> None:
    code = (
        "import asyncio\ntry:\n    print('ready'); await asyncio.sleep(60)\n"
        "finally:\n    await asyncio.sleep(0.01); print('cleaned')"
    )
    cell = nb.start(code)
    nb.wait_output(cell, "ready")
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert cell.stdout == "ready\ncleaned\n"


def test_the_traceback_shows_where_it_was(nb: Client) -> None:
    cell = nb.start("import time\ndef waits():\n    print('ready'); time.sleep(60)  # here\nwaits()")
    nb.wait_output(cell, "ready")
    nb.interrupted(cell)
    assert "time.sleep(60)  # here" in cell.traceback
    assert "rpyc" not in cell.traceback


def test_no_traceback_shows_lines_of_ours(nb: Client) -> None:
    """Wherever they lie in it: where code of ours is called by the user's, and where it calls the user's."""
    for code in (
        "print(*[1], sep=2)",
        "import sys\nsys.stdout.write(1)",
        "input(**{'no': 1})",
        "import os\nos.system(1)",
    ):
        cell = nb.run(code, answers=["x"])
        assert cell.error is not None, code
        assert "rpyc" not in cell.traceback


@pytest.mark.parametrize("wait", ["sleep", "await", "tight loop"])
def test_two_quick_interrupts_are_one(nb: Client, wait: str) -> None:
    cell = blocked(nb, WAITS[wait])
    nb.send("control", "interrupt_request", {})
    nb.send("control", "interrupt_request", {})
    nb.finish(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert nb.good("kept").text == "'kept'"


def test_an_interrupt_while_nothing_runs_does_no_harm(nb: Client) -> None:
    """Also not to the cell that is sent right behind it."""
    for i in range(25):
        nb.interrupt()
        assert nb.good(f"{i}").text == str(i)


def test_an_interrupt_leaves_background_work_alone(nb: Client) -> None:
    nb.good(f"{PRELUDE}ticks = 0\nasync def tick():\n    global ticks\n"
            "    while True: ticks += 1; await asyncio.sleep(.01)\n"
            "task = asyncio.create_task(tick()); await asyncio.sleep(0)")  # fmt: skip
    cell = blocked(nb, "await asyncio.sleep(60)")
    nb.interrupted(cell)
    assert nb.good("before = ticks; await asyncio.sleep(.2); ticks > before and not task.done()").text == "True"
    nb.good("none = task.cancel()")


@pytest.mark.parametrize("wait", ["sleep", "subprocess"])
def test_children_of_earlier_cells_are_left_alone(nb: Client, wait: str) -> None:
    nb.good("import subprocess\nchild = subprocess.Popen(['sleep', '60'])")
    try:
        nb.interrupted(blocked(nb, WAITS[wait]))
        nb.interrupt()
        assert nb.good("child.poll() is None").text == "True"
    finally:
        nb.good("child.kill(); none = child.wait()")


def test_a_child_that_a_cell_waits_for_ends_with_it(nb: Client) -> None:
    body = "print('pid', subprocess.Popen(['sleep', '77']).pid)"
    cell = nb.start(f"import subprocess\nsubprocess.run(['sh', '-c', 'echo $$; exec sleep 60'])\n{body}")
    nb.wait_for(lambda: cell.stdout.strip().isdigit(), what="the child's pid")
    pid = int(cell.stdout)
    nb.interrupted(cell)
    nb.wait_for(lambda: not running(pid), 5, "the end of the child")


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_handler_of_the_cell_does_not_outlive_it(nb: Client) -> None:
    """What user code, or pdb, does to SIGINT must not disarm the stop button of later cells."""
    nb.good("import signal; none = signal.signal(signal.SIGINT, signal.SIG_IGN)")
    cell = blocked(nb, WAITS["sleep"])
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"


LOCAL_WAITS = {
    "sync": "time.sleep(60)",
    "loop": "while True: pass",
    "await": "await asyncio.sleep(60)",
    "gather": "await asyncio.gather(asyncio.sleep(60), asyncio.sleep(60))",
    "thread": "await asyncio.get_running_loop().run_in_executor(None, threading.Event().wait, 3)",
    "short awaits": "while True: await asyncio.sleep(.01)",
    "command": "while True:\n    !sleep 0.05",
    "output": "while True:\n    x = !sleep 0.05",
    "command of an async cell": "await asyncio.sleep(0)\nwhile True:\n    !sleep 0.05",
    "sync between awaits": "await asyncio.sleep(0)\ntime.sleep(60)",
}


@pytest.mark.parametrize("wait", LOCAL_WAITS)
def test_local_code_can_be_interrupted(nb: Client, wait: str) -> None:
    cell = nb.start(f"%%local\nimport asyncio, threading, time\nprint('ready')\n{LOCAL_WAITS[wait]}")
    nb.wait_output(cell, "ready")
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert "rpyc_kernel" not in cell.traceback
    assert nb.good("%%local\nimport asyncio\nawait asyncio.sleep(0, 'goes on')").text == "'goes on'"


def test_local_code_that_awaits_may_catch_the_interrupt(nb: Client) -> None:
    code = "try: await asyncio.sleep(60)\nexcept KeyboardInterrupt: await asyncio.sleep(.01); print('caught')"
    cell = nb.start(f"%%local\nimport asyncio\nprint('ready')\n{code}\nawait asyncio.sleep(.01)\n'done'")
    nb.wait_output(cell, "ready")
    nb.interrupted(cell)
    assert (cell.text, cell.stdout) == ("'done'", "ready\ncaught\n")
    cancelled = nb.run("%%local\nimport asyncio\nasyncio.current_task().cancel()\nawait asyncio.sleep(9)")
    assert cancelled.error is not None
    assert cancelled.error["ename"] == "CancelledError"


def test_a_signal_to_the_kernel_is_an_interrupt_too(fresh: Client) -> None:
    """`jupyter console` and terminals send SIGINT where they own the kernel's process; it must not end it."""
    pid = int(str(fresh.good("%%local\nimport os\nos.getpid()").text))
    os.kill(pid, signal.SIGINT)
    assert fresh.good("'still here'").text == "'still here'"


@pytest.mark.parametrize("wait", ["async loop", "await", "tight loop"])
@pytest.mark.parametrize("times", [15, pytest.param(100, marks=pytest.mark.soak)])
def test_no_interrupt_is_lost(nb: Client, wait: str, times: int) -> None:
    """An exception in the wrong place, between two steps of a cell, would lose the cell; it hit 1 of 40."""
    for _ in range(times):
        cell = blocked(nb, WAITS[wait])
        assert nb.interrupted(cell, PATIENT) < SOON
        assert cell.error is not None


def test_an_interrupt_that_python_swallows_is_repeated(nb: Client) -> None:
    """A KeyboardInterrupt in a finalizer goes nowhere but into a message."""
    code = """
class Slow:
    def __del__(self):
        print("deleting")
        for i in range(10**8): pass
slow = Slow()
del slow
print("after")
while True: pass
"""
    cell = nb.start(code)
    nb.wait_output(cell, "deleting")
    assert nb.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"


def test_a_stop_that_a_finalizer_swallows_is_not_the_next_cell_s(nb: Client) -> None:
    nb.good("""
import time
class Slow:
    def __del__(self):
        print('letting go', flush=True)
        time.sleep(60)
slow = Slow()""")
    cell = nb.start("del slow")
    nb.wait_output(cell, "letting go")
    assert nb.interrupted(cell) < 10
    assert nb.good("time.sleep(0.3)\n'slept'").text == "'slept'"
    cell = nb.start("print('began', flush=True)\ntime.sleep(60)")
    nb.wait_output(cell, "began")
    assert nb.interrupted(cell) < 10
    assert cell.status == "error"
