"""How a session on a Windows ends, or goes on: crashes, kills, links that break, restarts; and nothing is left."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable

import pytest

from tests import stripped
from tests.kernel.client import Client
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import wait_until
from tests.windows.servers import WindowsServer
from tests.windows.wine import Wine, windows_path

CRASHES = {
    "an access violation": ("import faulthandler; faulthandler._read_null()", "0xC0000005"),
    "_exit": ("import os; os._exit(3)", "exit code 3"),
    "abort": ("import os; os.abort()", "exit code"),
    "TerminateProcess": ("import os; os.kill(os.getpid(), 15)", "exit code 15"),
}
CHILD = "import subprocess as s, sys\nchild = s.Popen([sys.executable, '-c', 'import time; time.sleep(600) # {}'])\n"


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_is_told_after_all_that_was_printed(nb: Client, crash: str) -> None:
    code, name = CRASHES[crash]
    nb.good("gone = 1")
    cell = nb.run(f"for i in range(1000): print('line', i)\nprint('half', end='')\n{code}")
    assert cell.stdout == "".join(f"line {i}\n" for i in range(1000)) + "half"
    assert cell.error is not None
    assert name in str(cell.error["evalue"])
    gone = nb.run("gone")
    assert gone.error is not None
    assert gone.error["ename"] == "NameError"


def started(front: Client, server: WindowsServer) -> Callable[[], bool]:
    """Have a cell start a program; returns what tells whether it still runs."""
    front.good(CHILD.format("a program of a cell"))
    assert wait_until(lambda: server.pythons("a program of a cell"))
    return lambda: bool(server.pythons("a program of a cell"))


def test_programs_end_with_a_crashed_worker(fresh: Client, own_server: WindowsServer) -> None:
    runs = started(fresh, own_server)
    fresh.run("import os; os._exit(3)")
    assert wait_until(lambda: not runs(), 60)
    assert fresh.good("6 * 7").text == "42"


def test_programs_end_with_a_killed_keeper(fresh: Client, own_server: WindowsServer) -> None:
    runs = started(fresh, own_server)
    own_server.wine.end(own_server.pythons("start_keeper"))
    assert wait_until(lambda: not runs(), 60)
    assert wait_until(lambda: not own_server.pythons(), 60)


def test_programs_end_with_a_restart(fresh: Client, own_server: WindowsServer) -> None:
    runs = started(fresh, own_server)
    fresh.good("%restart")
    assert wait_until(lambda: not runs(), 60)


def test_programs_end_with_the_session(fresh: Client, own_server: WindowsServer) -> None:
    runs = started(fresh, own_server)
    fresh.good("%disconnect --end")
    assert wait_until(lambda: not runs(), 60)
    assert wait_until(lambda: not own_server.pythons(), 60)


def test_a_program_may_be_meant_to_stay(fresh: Client, own_server: WindowsServer) -> None:
    """One that breaks away from the job."""
    fresh.good(CHILD.format("stays").replace("])", "], creationflags=0x01000000)"))
    assert wait_until(lambda: own_server.pythons("stays"))
    fresh.run("import os; os._exit(3)")
    assert fresh.good("6 * 7").text == "42"
    assert own_server.pythons("stays")


def test_a_session_without_ctypes(wine: Wine, new_kernel: Callable[..., Kernel]) -> None:
    """There is no job then. (Wine's taskkill ends no children, so that what becomes of them can't be tried here.)"""
    with WindowsServer(wine, PYTHONPATH=windows_path(stripped.FOLDER)) as server:
        front = new_kernel().first
        front.good(f"%connect {server.address}")
        assert front.run("import ctypes").status == "error"
        assert front.good("!echo é").stdout == "é\n"
        assert "exit code 3" in str(front.run("import os; os._exit(3)").error)
        front.good("%restart")
        assert front.good("6 * 7").text == "42"
        server.wine.end(server.pythons("start_keeper"))
        assert wait_until(lambda: not server.pythons(), 60)


def test_a_session_outlives_its_server(fresh: Client, own_server: WindowsServer) -> None:
    fresh.good("kept = 42")
    own_server.kill()
    own_server.start()
    assert fresh.good("kept", timeout=60).text == "42"


def test_a_session_is_found_again(new_kernel: Callable[..., Kernel], fresh: Client, own_server: WindowsServer) -> None:
    fresh.good("kept = 42")
    (name,) = {path.stem for path in own_server.sessions.glob("*.json")}
    other = new_kernel().first
    assert name[:8] in other.good(f"%sessions {own_server.address}").stdout
    other.good(f"%attach {name[:8]} {own_server.address}")
    assert other.good("kept").text == "42"
    assert "taken over" in str(fresh.run("kept").error)


def test_the_end_of_the_notebook_is_the_end_of_its_session(own_server: WindowsServer) -> None:
    with Kernel() as front:
        front.good(f"%connect {own_server.address}")
        assert len(own_server.pythons()) == 2  # keeper and worker
    assert wait_until(lambda: not own_server.pythons(), 60)
    assert wait_until(lambda: list(own_server.sessions.iterdir()) == [], 60)


def test_a_kernel_that_was_killed_is_noticed(new_kernel: Callable[..., Kernel], own_server: WindowsServer) -> None:
    kernel = new_kernel()
    kernel.first.good(f"%connect {own_server.address} --keep 0")
    os.kill(kernel.pid, 9)
    assert wait_until(lambda: not own_server.pythons(), 40)


def test_three_sessions_at_once(new_kernel: Callable[..., Kernel], own_server: WindowsServer) -> None:
    fronts = [new_kernel().first for _ in range(3)]
    for number, front in enumerate(fronts):
        front.good(f"%connect {own_server.address}\nmine = {number}")
    assert [front.good("mine").text for front in fronts] == ["0", "1", "2"]


def test_what_listens_lets_in_nobody_without_the_secret(fresh: Client, own_server: WindowsServer) -> None:
    (record,) = own_server.sessions.glob("*.json")
    door = json.loads(record.read_text())["socket"]
    host, _colon, port = door.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as stranger:
        assert len(stranger.recv(100)) == 16
        stranger.sendall(b"x" * 48)
        assert stranger.recv(100) == b""
    assert fresh.good("6 * 7").text == "42"
