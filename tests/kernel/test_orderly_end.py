"""The end of a Python that somebody wants: it is an orderly one, with what cells have asked to be done at exit."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import SPAWNED_IN_SOAK, connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until
from tests.kernel.results import Request

pytestmark = SPAWNED_IN_SOAK

PREPARE = """
    import atexit, threading, time, pathlib
    folder = pathlib.Path({folder!r})
    def leave(name, folder=folder): (folder / name).write_text("ok")
    atexit.register(print, "printed at exit")
    atexit.register(leave, "atexit")
    file = open(folder / "file", "w"); _ = file.write("ok")
    class Motor:
        def __del__(self, leave=leave): leave("finalizer")
    motor = Motor()
    def work():
        time.sleep(1.5)
        leave("thread")
    thread = threading.Thread(target=work)
"""


def prepare(client: Client, folder: Path) -> None:
    client.good(textwrap.dedent(PREPARE).format(folder=str(folder)))


def done(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


ALL = dict.fromkeys(("atexit", "file", "finalizer", "thread"), "ok")


def test_a_restart_awaits_threads_runs_exit_functions_and_closes_files(nb: Client, tmp_path: Path) -> None:
    prepare(nb, tmp_path)
    nb.good("thread.start()")
    cell = nb.good("%restart")
    assert done(tmp_path) == ALL
    assert "printed at exit\n" in cell.stdout
    assert "force" not in cell.stderr
    assert nb.run("motor").status == "error"


def test_a_busy_cell_is_stopped_first(nb: Client, tmp_path: Path) -> None:
    prepare(nb, tmp_path)
    busy = nb.start(
        "try:\n    print('on')\n    while True: time.sleep(0.05)\nfinally:\n    leave('cell')\n    print('stopped')"
    )
    nb.wait_output(busy, "on")
    cell = nb.good("%restart")
    nb.finish(busy)
    assert busy.status == "error"
    assert "stopped" in busy.stdout
    assert {**done(tmp_path), "thread": "ok"} == {**ALL, "cell": "ok"}
    assert "printed at exit" in cell.stdout + busy.stdout


def test_tasks_are_ended_too(nb: Client, tmp_path: Path) -> None:
    prepare(nb, tmp_path)
    nb.good(
        "import asyncio\nasync def blink():\n    try: await asyncio.sleep(600)\n    finally: leave('task')\n"
        "task = asyncio.ensure_future(blink())\nawait asyncio.sleep(0)"
    )
    cell = nb.good("%restart")
    assert done(tmp_path)["task"] == "ok"
    assert "pending" not in cell.stderr


HELD = {
    "a cycle": "h = Holder('kept'); h.itself = h",
    "a local variable of a failed cell": "def fails():\n    h = Holder('kept')\n    1 / 0\nfails()",
    "a local variable in a chain of errors": (
        "def fails():\n    h = Holder('kept')\n    try: 1 / 0\n    finally: raise KeyError\nfails()"
    ),
    "a finalizer": "import weakref\nh = Holder(None); none = weakref.finalize(h, leave_by_name, 'kept'); 1",
    "a local variable of a cell that runs": (
        "def goes_on():\n    h = Holder('kept')\n    print('on'); time.sleep(60)\ngoes_on()"
    ),
    "an await of a cell that runs": (
        "import asyncio\ntry: print('on'); await asyncio.sleep(60)\nfinally: h = Holder('kept')"
    ),
}


@pytest.mark.parametrize("held", HELD)
def test_what_is_held_in_a_hidden_place_is_closed(nb: Client, tmp_path: Path, held: str) -> None:
    prepare(nb, tmp_path)
    nb.good(
        "class Holder:\n    def __init__(self, name):\n        self.file = name and open(folder / name, 'w')\n"
        "        if name: self.file.write('held')\n"
        "    def __del__(self, leave=leave): leave('deleted')\n"
        "def leave_by_name(name): (folder / name).write_text('held')"
    )
    cell = nb.start(HELD[held])
    nb.wait_for(lambda: cell.done or "on" in cell.stdout)
    nb.good("%restart")
    nb.finish(cell)
    assert done(tmp_path)["kept"] == "held"
    assert done(tmp_path)["deleted"] == "ok"


def test_no_proxy_is_asked_for_anything(nb: Client, tmp_path: Path) -> None:
    """As a netref, which sends a request for that, and may wait for ever."""
    prepare(nb, tmp_path)
    nb.good(
        "class Proxy:\n    @property\n    def __class__(self, leave=leave):\n        leave('asked')\n"
        "        raise EOFError('asked')\n"
        "proxies = [Proxy() for _ in range(3)]"
    )
    cell = nb.good("%restart")
    assert done(tmp_path) == {name: "ok" for name in ALL if name != "thread"}
    assert "Traceback" not in cell.stderr


def test_one_that_goes_on_is_ended_by_force_and_its_exit_functions_run(nb: Client, tmp_path: Path) -> None:
    """A cell that swallows KeyboardInterrupt, beside a thread without end."""
    prepare(nb, tmp_path)
    nb.good("threading.Thread(target=lambda: [time.sleep(1) for _ in range(600)]).start()")
    busy = nb.start(
        "while True:\n    try: print('on', flush=True); time.sleep(600)\n    except KeyboardInterrupt: print('not me')"
    )
    nb.wait_output(busy, "on")
    cell = nb.good("%restart")
    nb.finish(busy)
    assert "was restarted" in busy.error["evalue"] if busy.error else False
    assert "within 5 s" in busy.stderr + cell.stderr
    assert done(tmp_path)["atexit"] == done(tmp_path)["file"] == "ok"
    assert nb.good("6 * 7").text == "42"


def test_a_second_restart_waits_no_longer(nb: Client) -> None:
    busy = nb.start(
        "import time\nprint('on')\nwhile True:\n    try: time.sleep(600)\n    except BaseException: print('no')"
    )
    nb.wait_output(busy, "on")
    first = nb.start("%restart")
    nb.wait_output(busy, "no")
    nb.interrupt()
    nb.finish(first)
    assert "%restart again ends it at once" in str(first.error)
    nb.good("%restart", timeout=4)
    nb.finish(busy)


@pytest.mark.parametrize("busy", [False, True])
def test_a_shutdown_and_a_restart_of_the_kernel(
    new_kernel: Callable[..., Kernel], remote: Remote, tmp_path: Path, busy: bool
) -> None:
    """The session ends in its own time, when the kernel has gone."""
    kernel = new_kernel()
    client = kernel.first
    connect(client, remote)
    for restart in (True, False):
        folder = tmp_path / str(restart)
        folder.mkdir()
        prepare(client, folder)
        client.good("thread.start()")
        if busy:
            cell: Request = client.start("print('on')\nwhile True: time.sleep(0.05)")
            client.wait_output(cell, "on")
        if restart:
            kernel.restart()
        else:
            kernel.shutdown()
        assert wait_until(lambda folder=folder: done(folder) == ALL), done(folder)


@pytest.mark.mainly("plain")
@pytest.mark.parametrize(
    "end", ["%disconnect --end", "%sessions {address} --end {name}", "%connect {address} --new\n1", "--keep runs out"]
)
def test_whoever_ends_a_session(new_kernel: Callable[..., Kernel], remote: Remote, tmp_path: Path, end: str) -> None:
    kernel = new_kernel()
    client = kernel.first
    connect(client, remote, "--name", "motors", "--keep", "1s" if "keep" in end else "1h")
    prepare(client, tmp_path)
    client.good("thread.start()")
    if "keep" in end:
        client.good("%disconnect")
    else:
        client.good(end.format(address=remote.address, name="motors"))
    assert wait_until(lambda: done(tmp_path) == ALL), done(tmp_path)
