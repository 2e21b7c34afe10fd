"""A kernel, its embedded server and their sessions without all that only POSIX has, as far as Linux can play that."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import elsewhere
from tests.kernel.kernels import SOURCE, Kernel
from tests.kernel.remotes import Remote, processes_with, wait_until

SOON = 10.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of `deceived`."""
    return tmp_path_factory.mktemp("elsewhere")


def begin(folder: Path) -> Kernel:
    """A kernel whose `local:` is a server by a port."""
    path = os.pathsep.join([elsewhere.FOLDER, str(SOURCE)])
    return Kernel(env={"PYTHONPATH": path, "TMPDIR": str(folder), "RK_MARK": folder.name})


@pytest.fixture(scope="module")
def deceived(folder: Path) -> Iterator[Kernel]:
    """One for all tests of this file, the last of which ends it."""
    kernel = begin(folder)
    with kernel as front:
        front.good("%connect local:")
        yield kernel


def test_cells_run_in_the_embedded_server(deceived: Kernel) -> None:
    front = deceived.first
    front.good("x = 20")
    cell = front.good("print('printed')\nx + 22")
    assert (cell.stdout, cell.text) == ("printed\n", "42")
    assert front.good("%hosts").stdout.count("local:") == 1


def test_what_listens_lets_in_nobody_without_the_secret(deceived: Kernel, folder: Path) -> None:
    (path,) = folder.glob("rpyc-kernel-*/socket")
    assert path.stat().st_mode & 0o077 == path.parent.stat().st_mode & 0o077 == 0
    door = json.loads(path.read_text())
    with socket.create_connection(("127.0.0.1", door["port"]), 10) as stranger:
        assert len(stranger.recv(100)) == 16  # a number used once, and nothing of RPyC
        stranger.sendall(b"x" * 48)
        assert stranger.recv(100) == b""
    notebook = deceived.first.good(f"%%local\nopen({str(path)!r}).read()")
    assert door["secret"] in str(notebook.text)  # whoever is this user can read it
    assert deceived.first.run(f"$connect('127.0.0.1:{door['port']}')").error is not None
    assert deceived.first.good("6 * 7").text == "42"


@pytest.mark.parametrize("where", ["%%local\n", ""])
def test_the_stop_button(deceived: Kernel, where: str) -> None:
    front = deceived.first
    cell = front.start(f"{where}import time\nprint('ready', flush=True)\ntime.sleep(60)")
    front.wait_output(cell, "ready")
    assert front.interrupted(cell, 20.0) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert front.good("6 * 7").text == "42"


def test_a_crash_and_a_restart(deceived: Kernel) -> None:
    front = deceived.first
    front.good("gone = 1")
    crash = front.run("import os\nprint('last words', end='', flush=True)\nos._exit(3)")
    assert crash.stdout == "last words"
    assert "exit code 3" in str(crash.error)
    assert front.run("gone").error["ename"] == "NameError"  # type: ignore[index]
    deceived.restart()
    assert front.good("6 * 7").text == "42"


def test_nothing_is_left(deceived: Kernel, folder: Path) -> None:
    deceived.first.good("1")
    assert wait_until(lambda: len(processes_with("RK_MARK", folder.name)) == 4)  # kernel, server, keeper, worker
    deceived.shutdown()
    assert wait_until(lambda: not processes_with("RK_MARK", folder.name), 10.0)
    assert list(folder.glob("rpyc-kernel-*")) == []


def test_a_kernel_that_was_killed_leaves_nothing_but_its_session(tmp_path: Path) -> None:
    kernel = begin(tmp_path)
    with kernel as front:
        front.good("%connect local:\n1")
        killed_alone(kernel, tmp_path)


def killed_alone(kernel: Kernel, tmp_path: Path) -> None:
    """Kill it, and then its session."""
    os.kill(kernel.pid, 9)
    assert wait_until(lambda: len(processes_with("RK_MARK", tmp_path.name)) == 2, 10.0)
    assert list(tmp_path.glob("rpyc-kernel-*")) == []
    (keeper,) = (pid for pid, line in processes_with("RK_MARK", tmp_path.name).items() if "start_keeper" in line)
    os.kill(keeper, 9)  # its worker ends by itself then
    assert wait_until(lambda: not processes_with("RK_MARK", tmp_path.name), 10.0)


def test_a_kernel_that_was_killed_is_noticed_when_it_takes_no_answers(new_kernel: Callable[..., Kernel]) -> None:
    """On Linux its connection tells at once; what does is missing elsewhere."""
    with Remote("spawned bare") as remote:
        kernel = new_kernel()
        kernel.first.good(f"%connect {remote.address} --keep 0")
        pid = int(str(kernel.first.good("import os; os.getpid()").text))
        assert pid in remote.processes()
        os.kill(kernel.pid, 9)
        assert wait_until(lambda: pid not in remote.processes(), 40.0)
