"""The file names of cells where IPython is: paths, as ipykernel's, under which whoever looks finds their source."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.gates import Gate
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote


@pytest.fixture(scope="module")
def notebook() -> Iterator[Client]:
    with Remote("ipython") as server, Kernel() as client:
        connect(client, server)
        client.good("def boom(n):\n    local = 1\n    return local / n  # boom's line")
        yield client


def test_a_cell_is_named_by_a_path_of_no_file(notebook: Client) -> None:
    nb = notebook
    nb.good("import os, re, tempfile\nname = boom.__code__.co_filename\nprefix = tempfile.gettempdir() + '/ipykernel_'")
    assert nb.good("name.startswith(prefix + str(os.getpid())), name[-3:], os.path.exists(name)").text == (
        "(True, '.py', False)"
    )
    here = "def here(): return 1\nhere.__code__.co_filename"
    assert nb.good(here).text == nb.good(here).text, "a cell is named by its text, as by ipykernel"


def test_its_source_is_found(notebook: Client) -> None:
    nb = notebook
    nb.good("import inspect, linecache, warnings")
    assert "# boom's line" in nb.good("print(inspect.getsource(boom))").stdout
    nb.good("linecache.checkcache()")
    assert "# boom's line" in nb.good("print(linecache.getline(boom.__code__.co_filename, 3))").stdout
    warned = nb.good("warnings.warn('careful', stacklevel=1)").stderr
    assert "UserWarning: careful\n  warnings.warn('careful', stacklevel=1)\n" in warned


def test_rich_shows_it(notebook: Client, gate: Gate) -> None:
    nb = notebook
    cell = nb.good(
        "from rich.console import Console\ntry: boom(0)\nexcept Exception: Console(width=90).print_exception()"
    )
    shown = str(cell.displays)
    assert "local" in shown
    assert "boom" in shown
    nb.good("from rich.traceback import install; install();")
    failed, queued = nb.start(f"{gate.wait}boom(0)"), nb.start("print('must not run')")
    nb.kernel_info()  # behind them
    gate.open()
    nb.finish(queued)
    nb.finish(failed)
    assert failed.reply is not None
    assert (failed.status, failed.reply["ename"], queued.status) == ("error", "ZeroDivisionError", "aborted")
    assert "local" in str(failed.displays)
    nb.good("%restart")
    nb.good("def boom(n):\n    local = 1\n    return local / n  # boom's line")


def test_tracebacks_name_the_cell(notebook: Client) -> None:
    cell = notebook.run("boom(0)")
    assert "Cell In[" in cell.traceback
    assert "ipykernel_" not in cell.traceback
    assert "ipykernel_" not in notebook.run("x = = 1").traceback
