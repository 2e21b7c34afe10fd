"""Nothing configured, nobody named: the first cell of a newcomer works."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.kernels import Kernel
from tests.kernel.remotes import STOCK_LINE, Remote, processes_with, wait_until
from tests.needs import needs

# A network of its own, in which 18812 is certainly free, or certainly ours. The connection file is reached by ipc.
ALONE = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c"]


def alone(before: str = "") -> Kernel:
    """A kernel whose loopback nobody else is on; `before` runs in the same network first."""
    needs("unshare")
    if subprocess.run([*ALONE, "true"], capture_output=True).returncode:
        pytest.skip("may not make a network namespace here")
    start = f'ip link set lo up 2>/dev/null || true; {before} exec "{sys.executable}" -m rpyc_kernel -f "$0"'
    return Kernel(command=[*ALONE, start, "{connection_file}"], transport="ipc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of `kernel`."""
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture(scope="module")
def kernel(folder: Path) -> Iterator[Kernel]:
    """One for the tests of this file, the last of which ends it."""
    kernel = alone()
    kernel.env["TMPDIR"] = str(folder)
    with kernel:
        yield kernel


def test_the_first_cell_works(kernel: Kernel) -> None:
    cell = kernel.first.good("import os\nos.environ['RK_WHERE'], 6 * 7")
    assert cell.text == "('here', 42)"
    kernel.first.good("x = 1")
    assert kernel.first.good("x + 1").text == "2"


def test_it_is_a_process_of_its_own_that_no_port_leads_to(kernel: Kernel) -> None:
    look = "import os\nos.getpid(), [line.split()[3] for line in open('/proc/net/tcp')].count('0A')"
    here, there = (str(kernel.first.good(code).text).strip("()").split(", ") for code in ("%%local\n" + look, look))
    assert here[0] != there[0]
    assert here[1] == there[1], "nothing more listens than the kernel did before"


def test_its_socket_is_private(kernel: Kernel, folder: Path) -> None:
    kernel.first.good("1")
    sockets = [path for path in folder.rglob("*") if path.is_socket()]
    for path in sockets:
        assert path.parent.stat().st_mode & 0o077 == 0


def test_local_colon_names_it(kernel: Kernel) -> None:
    assert kernel.first.good("$connect('local:')\nimport os; os.environ['RK_WHERE']").text == "'here'"


def test_a_death_of_the_embedded_python_is_told_and_survived(kernel: Kernel) -> None:
    kernel.first.good("1")
    assert "SIGKILL" in str(kernel.first.run("import os; os.kill(os.getpid(), 9)").error)
    assert kernel.first.good("2").text == "2"


def test_a_restart_is_fresh(kernel: Kernel) -> None:
    kernel.first.good("gone = 1")
    kernel.restart()
    assert kernel.first.run("gone").error["ename"] == "NameError"  # type: ignore[index]
    assert kernel.first.good("2").text == "2"


def test_a_server_on_the_usual_port_is_found() -> None:
    """One that this user has started: the one-liner of the README, without a `$connect`."""
    with Remote("bare") as remote:
        python = remote.python
    code = STOCK_LINE.format(port=18812)
    wait = "import socket,time\nwhile socket.socket().connect_ex(('127.0.0.1', 18812)): time.sleep(.02)"
    before = f'(RK_WHERE=usual "{python}" -c "{code}" </dev/null >/dev/null 2>&1 &); "{python}" -c "{wait}";'
    with alone(before) as front:
        assert front.good("import os\nos.environ['RK_WHERE']").text == "'usual'"
    for pid in processes_with("RK_WHERE", "usual"):
        os.kill(pid, 9)


def test_nothing_of_it_is_left(kernel: Kernel) -> None:
    kernel.first.good("1")
    marker = kernel.env["HOME"]
    kernel.shutdown()
    assert wait_until(lambda: not processes_with("HOME", marker), 10), processes_with("HOME", marker)
