"""The stop button on a Windows, and a session's restart."""

from __future__ import annotations

import pytest

from tests.kernel.client import Client
from tests.windows.servers import WindowsServer

SOON = 15.0
"""Seconds: meant is one at most; Wine on a loaded machine gets more."""

WAITS = {
    "tight loop": "while True: pass",
    "loop with calls": "while True: sum(range(1000))",
    "sleep": "time.sleep(60)",
    "await": "await asyncio.sleep(60)",
    "await future": "await asyncio.get_running_loop().create_future()",
    "async loop": "while True: await asyncio.sleep(0)",
    "prints": "while True: print('x' * 100)",
    "input": "input()",
    "command": "get_ipython().system('ping -n 60 127.0.0.1')",
    "select": "pair = socket.socketpair()\n    while True: select.select(pair[:1], [], [], 0.1)",
}
PRELUDE = "import asyncio, os, select, socket, subprocess, sys, threading, time\nkept = 'kept'\n"


@pytest.mark.parametrize("wait", WAITS)
def test_it_ends_what_the_cell_waits_for(nb: Client, wait: str) -> None:
    code = f"{PRELUDE}try:\n    print('ready', flush=True)\n    {WAITS[wait]}\nfinally:\n    print('\\nfinally')"
    cell = nb.start(code, answers=[lambda _prompt: None])
    nb.wait_output(cell, "ready")
    seconds = nb.interrupted(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert cell.stdout.endswith("finally\n")
    assert seconds < SOON
    assert nb.good("kept").text == "'kept'"


# There is no signal that could wake what waits in C code: it ends when that returns.
LATER = {
    "recv": "a, b = socket.socketpair(); threading.Timer(1, b.send, [b'x']).start(); a.recv(1)",
    "lock": "lock = threading.Lock(); lock.acquire(); threading.Timer(1, lock.release).start(); lock.acquire()",
    "subprocess": "subprocess.run([sys.executable, '-c', 'import time; time.sleep(1)'])",
}


@pytest.mark.parametrize("wait", LATER)
def test_what_waits_in_c_code_ends_when_that_returns(nb: Client, wait: str) -> None:
    cell = nb.start(f"{PRELUDE}print('ready', flush=True)\n{LATER[wait]}\nfor i in range(10**9): pass")
    nb.wait_output(cell, "ready")
    nb.interrupted(cell)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"


def test_a_cell_may_catch_it(nb: Client) -> None:
    code = "import time\ntry:\n    print('ready'); time.sleep(60)\nexcept KeyboardInterrupt:\n    print('caught')"
    cell = nb.start(code)
    nb.wait_output(cell, "ready")
    nb.interrupted(cell)
    assert (cell.status, cell.stdout) == ("ok", "ready\ncaught\n")


def test_an_interrupt_while_nothing_runs_does_no_harm(nb: Client) -> None:
    for i in range(10):
        nb.interrupt()
        assert nb.good(f"{i}").text == str(i)


def test_cells_behind_the_interrupted_one_are_aborted(nb: Client) -> None:
    cell = nb.start("import time\nprint('ready'); time.sleep(60)")
    behind = nb.start("print('must not run')")
    nb.wait_output(cell, "ready")
    nb.interrupted(cell)
    nb.finish(behind)
    assert (behind.status, behind.stdout) == ("aborted", "")


def test_a_restart_by_a_command(nb: Client) -> None:
    nb.good("gone = 1")
    nb.good("%restart")
    gone = nb.run("gone")
    assert gone.error is not None
    assert gone.error["ename"] == "NameError"


def test_a_restart_runs_exit_functions(nb: Client, server: WindowsServer) -> None:
    nb.good("import atexit; none = atexit.register(print, 'left')\nimport os; path = os.path.abspath('left.txt')")
    nb.good("def leave():\n    open(path, 'w').close()\nnone = atexit.register(leave)")
    nb.good("%restart")
    assert (server.folder / "left.txt").exists()
