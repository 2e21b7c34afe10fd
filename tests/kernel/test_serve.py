"""A notebook on `serve`, by its Unix socket and by a port that it was paired with, on old Pythons and a new one."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.kernel.client import Client
from tests.kernel.kernels import Kernel
from tests.servers.daemons import CODE, Daemon, PortDaemon
from tests.servers.venvs import CURRENT_PYTHON, CURRENT_RPYC, venv

pytestmark = pytest.mark.needs("posix")

PYTHONS = [(CURRENT_RPYC, CURRENT_PYTHON), ("4.1.5", "3.8"), ("5.0.1", "3.7")]


# Each way on a new Python, and one of them on the oldest.
OFTEN = [(PYTHONS[0], "unix"), (PYTHONS[0], "rpycs"), (PYTHONS[2], "rpycs")]
WAYS = [
    pytest.param((python, way), id=f"{way}-{python[1]}", marks=[] if (python, way) in OFTEN else pytest.mark.soak)
    for way in ("unix", "rpycs")
    for python in PYTHONS
]


@pytest.fixture(params=WAYS)
def served(request: pytest.FixtureRequest) -> tuple[tuple[str, str], str]:
    return request.param


@pytest.fixture
def python(served: tuple[tuple[str, str], str]) -> tuple[str, str]:
    return served[0]


@pytest.fixture
def daemon(served: tuple[tuple[str, str], str]) -> Iterator[Daemon]:
    (rpyc, python), way = served
    interpreter = venv(python, rpyc)
    with Daemon(python=interpreter) if way == "unix" else PortDaemon("--pair", python=interpreter) as daemon:
        yield daemon


@pytest.fixture
def kernel(daemon: Daemon, new_kernel: Callable[..., Kernel]) -> Kernel:
    """Ends before the daemon does, and with it its session there."""
    return new_kernel()


@pytest.fixture
def notebook(front: Client, daemon: Daemon) -> Client:
    """Connected, and paired where that has to be."""
    if isinstance(daemon, PortDaemon):
        front.good(f"%pair 127.0.0.1:{daemon.port}", answers=[daemon.code])
    front.good(f'$connect("{daemon.address}")')
    return front


def test_cells_restart_stop_and_20_mb(notebook: Client, python: tuple[str, str]) -> None:
    assert notebook.good("import platform\nplatform.python_version()").text.startswith(f"'{python[1]}.")
    assert len(notebook.good("print('x' * 20_000_000)", timeout=60).stdout) == 20_000_001
    running = notebook.start("print('on')\nwhile True: pass")
    notebook.wait_output(running, "on")
    assert notebook.interrupted(running) < 10
    flooding = notebook.start("while True: print('y' * 1000)")
    notebook.wait_output(flooding, "yyy")
    assert notebook.interrupted(flooding) < 10
    assert notebook.good("%restart\nprint('platform' in globals())").stdout.endswith("False\n")


def test_a_cell_goes_on_while_the_daemon_is_restarted(notebook: Client, daemon: Daemon) -> None:
    running = notebook.start(
        "import os, time\nprint('begun')\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('done')"
    )
    notebook.wait_output(running, "begun")
    assert daemon.stop(signal.SIGTERM) == 0
    (daemon.home / "go").touch()
    daemon.start()
    assert notebook.finish(running).stdout.endswith("done\n")
    assert notebook.good("'still here'").text == "'still here'"


@pytest.mark.parametrize("served", [(PYTHONS[0], "rpycs")], indirect=True)
def test_who_was_forgotten_is_told_what_to_do_and_goes_on_when_it_is_done(notebook: Client, daemon: PortDaemon) -> None:
    notebook.good("kept = 42")
    name = daemon.run("--clients").stdout.strip()
    daemon.run("--forget", name)
    daemon.wait_for("refused")
    waiting = notebook.start("kept")
    notebook.wait_for(lambda: "does not let this machine in" in str(waiting.messages), what="the reason")
    assert notebook.interrupted(waiting) < 10
    with subprocess.Popen(
        [*daemon.command, "--pair"], env=daemon.env, stdout=subprocess.PIPE, text=True, cwd=daemon.home
    ) as asking:
        assert asking.stdout
        code = re.findall(CODE, asking.stdout.readline())[0]
        notebook.good(f"%pair 127.0.0.1:{daemon.port}", answers=[code])
    assert notebook.good("kept").text == "42"
