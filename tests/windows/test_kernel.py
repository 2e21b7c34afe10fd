"""The kernel itself on a Windows, as a front end here sees it: its embedded server, local code, other machines."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest

from tests.kernel.client import Client
from tests.kernel.kernels import SOURCE, Kernel
from tests.kernel.remotes import processes_with, wait_until
from tests.servers.rpyc_servers import start_server
from tests.windows.servers import MARK, WindowsServer
from tests.windows.wine import START_SECONDS, Wine, windows_path

SOON = 15.0
"""Seconds: meant is one at most; Wine on a loaded machine gets more."""

# On Windows the name of the parent's process would be that of an open handle, which no process here can give.
WITHOUT_PARENT = ["env", "-u", "JPY_PARENT_PID"]


class WindowsKernel(Kernel):
    """A kernel there, with private files, IPython's and Jupyter's, in a folder of its own."""

    def __init__(self, wine: Wine) -> None:
        script = "import os, runpy; os.environ['LOCALAPPDATA'] = os.environ['RK_PRIVATE']; "
        script += "runpy.run_module('rpyc_kernel', run_name='__main__', alter_sys=True)"
        command = [*WITHOUT_PARENT, *wine.command("-c", script), "-f", "Z:{connection_file}"]
        super().__init__(command=command)
        names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        paths = {name: windows_path(self.env[name]) for name in names}
        self.env = wine.environment(
            **paths,
            PYTHONPATH=";".join(map(windows_path, (wine.packages, SOURCE))),
            RK_PRIVATE=windows_path(self.folder),
            RPYC_KERNEL_CHECK_THREADS="1",
        )
        self.env[MARK] = self.folder.name

    def launch(self) -> None:
        """Start the process, and don't wait until it answers. Its stdin and stdout are pipes (see `wine._run`)."""
        self.manager.start_kernel(
            env=self.env, cwd=str(self.folder / "home"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._hear()

    def client(self, timeout: float = START_SECONDS) -> Client:
        """One more front end."""
        return super().client(timeout)

    def start(self, timeout: float = START_SECONDS) -> Client:
        return super().start(timeout)

    def restart(self) -> None:
        self.manager.restart_kernel(now=False)
        self._hear()
        self.first.ready(START_SECONDS)

    def _hear(self) -> None:
        process = self.manager.provisioner.process  # type: ignore[union-attr]

        def hear() -> None:
            with process.stdin, process.stdout as lines, self.log.open("ab") as log:
                shutil.copyfileobj(lines, log)

        threading.Thread(target=hear, daemon=True).start()

    def pythons(self, words: str = "") -> dict[int, str]:
        """What it has started and still runs, and itself: the system's pid to the command line."""
        found = processes_with(MARK, self.folder.name)
        return {pid: line for pid, line in found.items() if "python.exe" in line and words in line}


@pytest.fixture
def kernel(wine: Wine) -> Iterator[WindowsKernel]:
    """A kernel there for one test alone."""
    kernel = WindowsKernel(wine)
    with kernel:
        yield kernel
    wine.end(kernel.pythons())


@pytest.fixture(scope="module")
def front(wine: Wine) -> Iterator[Client]:
    """A notebook of a kernel there, shared by the tests of this module."""
    kernel = WindowsKernel(wine)
    with kernel as front:
        yield front
    wine.end(kernel.pythons())


@pytest.fixture(scope="module", params=["local:", "Linux", "Windows"])
def there(request: pytest.FixtureRequest, wine: Wine) -> Iterator[Client]:
    """A notebook of a kernel there, connected to its embedded server, one on Linux or one on a Windows."""
    kernel = WindowsKernel(wine)
    with kernel as front:
        if request.param == "local:":
            front.good("%connect local:")
            yield front
        else:
            with start_server() if request.param == "Linux" else WindowsServer(wine) as server:
                front.good(f"%connect {server.address}")
                yield front
                front.good("%disconnect --end")
    wine.end(kernel.pythons())


CELLS = {
    "a value": ("6 * 7", "", "42"),
    "letters": ("print('é漢😀')", "é漢😀\n", None),
    "many lines": ("for i in range(20000): print(i)", "".join(f"{i}\n" for i in range(20000)), None),
    "await": ("import asyncio; await asyncio.sleep(0, 42)", "", "42"),
    "a module": ("import sys; sys.platform in ('linux', 'win32')", "", "True"),
}


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_there(there: Client, cell: str) -> None:
    code, stdout, text = CELLS[cell]
    done = there.good(code)
    assert (done.stdout, done.text) == (stdout, text)


def test_an_error_there(there: Client) -> None:
    cell = there.run("def f():\n    return 1 / 0\nf()")
    assert cell.error is not None
    assert cell.error["ename"] == "ZeroDivisionError"
    assert "return 1 / 0" in cell.traceback
    assert "rpyc_kernel" not in cell.traceback


def test_a_question_there(there: Client) -> None:
    assert there.good("input('who? ')", answers=["Ada é"]).text == "'Ada é'"


def test_the_stop_button_there(there: Client) -> None:
    cell = there.start("import time\nprint('ready', flush=True)\ntime.sleep(60)")
    there.wait_output(cell, "ready")
    assert there.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"


def test_completion_and_help_there(there: Client) -> None:
    there.good("value_of_mine = 1")
    assert "value_of_mine" in there.complete("value_of_")["matches"]
    assert "Return the absolute value" in there.inspect("abs")["data"]["text/plain"]
    assert there.is_complete("if 1:")["status"] == "incomplete"


def test_a_crash_there(there: Client) -> None:
    crash = there.run("import os\nprint('last words', end='', flush=True)\nos._exit(3)")
    assert crash.stdout == "last words"
    assert "exit code 3" in str(crash.error)
    assert there.good("6 * 7").text == "42"


def test_an_object_of_the_other_machine(there: Client) -> None:
    there.good("numbers = [1, 2, 3]")
    assert there.good("%%local\nremote.namespace['numbers'][1]").text == "2"
    assert there.good("%%local\nremote.eval('sum(numbers)')").text == "6"


def test_a_restart_by_a_command_there(there: Client) -> None:
    there.good("gone = 1")
    there.good("%restart")
    gone = there.run("gone")
    assert gone.error is not None
    assert gone.error["ename"] == "NameError"


LOCAL = {
    "a value": ("%%local\n6 * 7", "", "42"),
    "the platform": ("%%local\nimport sys; sys.platform", "", "'win32'"),
    "letters": ("%%local\nprint('é漢😀')", "é漢😀\n", None),
    "await": ("%%local\nimport asyncio; await asyncio.sleep(0, 42)", "", "42"),
    "a thread": (
        "%%local\nimport threading as t; t = t.Thread(target=print, args=[1]); t.start(); t.join()",
        "1\n",
        None,
    ),
}


@pytest.mark.parametrize("cell", LOCAL)
def test_local_code(front: Client, cell: str) -> None:
    code, stdout, text = LOCAL[cell]
    done = front.good(code)
    assert (done.stdout, done.text) == (stdout, text)


WAITS = {"sleep": "time.sleep(60)", "loop": "while True: pass", "await": "await asyncio.sleep(60)"}


@pytest.mark.parametrize("wait", WAITS)
def test_local_code_is_stopped(front: Client, wait: str) -> None:
    cell = front.start(f"%%local\nimport asyncio, time\nprint('ready')\n{WAITS[wait]}")
    front.wait_output(cell, "ready")
    assert front.interrupted(cell) < SOON
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"


def test_what_the_kernel_tells_of_itself(front: Client) -> None:
    assert front.kernel_info()["implementation"] == "rpyc-kernel"
    assert "No machine yet" in front.good("%hosts").stdout


def test_an_address_where_nobody_listens(front: Client) -> None:
    refused = front.run("%connect 127.0.0.1:1")
    assert refused.status == "error"
    assert "Traceback" not in refused.traceback


def test_a_restart_by_jupyter(kernel: WindowsKernel) -> None:
    kernel.first.good("%connect local:\ngone = 1")
    kernel.restart()
    gone = kernel.first.run("gone")
    assert gone.error is not None
    assert gone.error["ename"] == "NameError"


def test_nothing_is_left(kernel: WindowsKernel) -> None:
    kernel.first.good("%connect local:\n1")
    assert len(kernel.pythons()) == 4  # kernel, server, keeper, worker
    kernel.shutdown()
    assert wait_until(lambda: not kernel.pythons(), 10)


def test_a_kernel_that_was_killed_leaves_its_session_alone(kernel: WindowsKernel) -> None:
    kernel.first.good("%connect local:\n1")
    os.kill(kernel.pid, 9)
    assert wait_until(lambda: len(kernel.pythons()) == 2, 20)
    assert kernel.pythons("start_keeper")
    assert kernel.pythons("start_worker")


def connected(front: Client, code: str) -> None:
    """Connect as a user would, who tries again: now and then, Wine can't make a process (WinError 1359)."""
    cell = front.run(code)
    if "can't be started" in str(cell.error):
        cell = front.run(code)
    assert cell.status == "ok", cell


def test_three_kernels_at_once(wine: Wine) -> None:
    kernels = [WindowsKernel(wine) for _ in range(3)]
    try:
        for kernel in kernels:
            kernel.launch()
        fronts = [kernel.client() for kernel in kernels]
        for number, front in enumerate(fronts):
            connected(front, f"%connect local:\nmine = {number}")
        assert [front.good("mine").text for front in fronts] == ["0", "1", "2"]
    finally:
        for kernel in kernels:
            kernel.__exit__(None, None, None)
            wine.end(kernel.pythons())
