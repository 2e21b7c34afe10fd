"""Sessions of their own: nothing is shared, a restart is fresh, a shutdown leaves nothing."""

import re
from collections.abc import Callable

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until

pytestmark = pytest.mark.mainly("plain")


@pytest.fixture
def two(new_kernel: Callable[..., Kernel], remote: Remote) -> tuple[Client, Client]:
    """Two notebooks on one server."""
    first, second = new_kernel().first, new_kernel().first
    connect(first, remote)
    connect(second, remote)
    return first, second


def test_two_notebooks_share_no_variable_and_no_module_state(two: tuple[Client, Client]) -> None:
    first, second = two
    first.good("import sys, os\nonly_here = 1\nsys.modules['math'].pi = 3\nos.environ['ONLY'] = 'here'\nos.chdir('/')")
    second.good("import os, math")
    assert second.good("'only_here' in globals(), math.pi > 3, 'ONLY' in os.environ, os.getcwd() == '/'").text == (
        "(False, True, False, False)"
    )
    assert first.good("os.getpid()").text != second.good("os.getpid()").text


def test_two_notebooks_share_no_output(two: tuple[Client, Client]) -> None:
    code = "import time, os\nfor i in range(50): print({0!r}, i); none = os.write(1, b'{0}\\n'); time.sleep(.002)"
    cells = [notebook.start(code.format(name)) for notebook, name in zip(two, ("one", "two"), strict=True)]
    for notebook, cell, name in zip(two, cells, ("one", "two"), strict=True):
        notebook.finish(cell)
        assert cell.stdout == "".join(f"{name} {i}\n{name}\n" for i in range(50))
        assert not [message for message in notebook.stray if message.kind == "stream"]


def test_an_interrupt_hits_one_notebook(two: tuple[Client, Client]) -> None:
    first, second = two
    cells = [notebook.start("import time\nprint('ready'); time.sleep(30)") for notebook in two]
    for notebook, cell in zip(two, cells, strict=True):
        notebook.wait_output(cell, "ready")
    first.interrupted(cells[0])
    second.complete("pri")
    assert not cells[1].done
    second.interrupted(cells[1])


def test_a_death_hits_one_notebook(two: tuple[Client, Client]) -> None:
    first, second = two
    second.good("kept = 'kept'")
    first.run("import os; os.kill(os.getpid(), 9)")
    assert second.good("kept").text == "'kept'"


@pytest.mark.parametrize("count", [6, pytest.param(20, marks=pytest.mark.soak)])
def test_many_kernels_at_once(own_remote: Remote, count: int) -> None:
    """They start together and run together."""
    # By Unix sockets: a hundred TCP ports that Jupyter has found free are not all free any more when they are bound.
    kernels = [Kernel(transport="ipc") for _ in range(count)]
    try:
        for kernel in kernels:
            kernel.launch()
        notebooks = [kernel.client(90) for kernel in kernels]
        connects = [
            each.start(f"%connect {own_remote.address}\nimport os; mine = {i}") for i, each in enumerate(notebooks)
        ]
        for notebook, cell in zip(notebooks, connects, strict=True):
            assert notebook.finish(cell, 90).status == "ok", cell
        cells = [notebook.start("print(mine, os.getpid())") for notebook in notebooks]
        seen = [notebook.finish(cell, 60).stdout.split() for notebook, cell in zip(notebooks, cells, strict=True)]
        assert [int(mine) for mine, _ in seen] == list(range(count))
        assert len({pid for _, pid in seen}) == count
    finally:
        for kernel in kernels:
            kernel.ask_to_end()
        for kernel in kernels:
            kernel.__exit__(None, None, None)
    assert wait_until(lambda: not own_remote.processes(), 20), own_remote.processes()


def test_a_restart_gives_a_fresh_namespace_on_the_same_machine(kernel: Kernel, remote: Remote) -> None:
    connect(kernel.first, remote)
    old = kernel.first.good("import os; gone = 1; os.getpid()").text
    kernel.restart()
    failed = kernel.first.run("gone")
    assert failed.error is not None
    assert failed.error["ename"] == "NameError"
    assert kernel.first.good("import os; os.environ['RK_WHERE']").text == "'there'"
    assert kernel.first.good("os.getpid()").text != old


def test_a_restart_ends_the_old_session(kernel: Kernel, own_remote: Remote) -> None:
    connect(kernel.first, own_remote)
    pid = int(str(kernel.first.good("import os; os.getpid()").text))
    kernel.restart()
    assert wait_until(lambda: pid not in own_remote.processes(), 10)


def test_a_shutdown_leaves_no_process_and_no_file(kernel: Kernel, own_remote: Remote) -> None:
    before = own_remote.files()
    connect(kernel.first, own_remote)
    kernel.first.good("import tempfile\nprint('some', 'work')\n1/1")
    assert own_remote.processes(), "this test looks in the wrong place"
    kernel.shutdown()
    assert wait_until(lambda: not own_remote.processes(), 10), own_remote.processes()
    left = {path for path in own_remote.files() - before if not AGENTS_CACHE.fullmatch(path)}
    assert left == set()


AGENTS_CACHE = re.compile(r"home/\.cache(/rpyc-kernel(/sessions|/(agent|code)-[0-9a-f]{64}[\w.-]*)?)?")


def test_a_shutdown_during_a_cell_ends_it(kernel: Kernel, own_remote: Remote) -> None:
    connect(kernel.first, own_remote)
    cell = kernel.first.start(
        "import time\nprint('ready')\nwhile True:\n    try: time.sleep(60)\n    except KeyboardInterrupt: pass"
    )
    kernel.first.wait_output(cell, "ready")
    kernel.shutdown()
    assert wait_until(lambda: not own_remote.processes(), 15), own_remote.processes()


def test_two_front_ends_on_one_kernel_see_one_session(nb: Client, nb_kernel: Kernel) -> None:
    other = nb_kernel.client()
    try:
        nb.good("shared = 'shared'")
        assert other.good("shared").text == "'shared'"
        nb.wait_for(lambda: [m for m in nb.stray if m.kind == "execute_result"], 5, "what the other ran")
        nb.good("print('for all')")
        other.wait_for(lambda: [m for m in other.stray if m.kind == "stream"], 5, "what the first printed")
        assert [m.content["text"] for m in other.stray if m.kind == "stream"] == ["for all\n"]
    finally:
        nb_kernel.dismiss(other)
