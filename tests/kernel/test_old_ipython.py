"""The IPythons of older boards: 8.12 on Python 3.8, and 7.34 on Python 3.7, each on an RPyC of its time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.client import Client
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote
from tests.servers.venvs import OLD_IPYTHON


@pytest.fixture(scope="module", params=[("4.1.5", "3.8", "8."), ("5.0.1", "3.7", "7.")], ids=["8.12", "7.34"])
def old(request: pytest.FixtureRequest) -> Iterator[Client]:
    rpyc, python, version = request.param
    with Remote("bare", rpyc=rpyc, python=python, extra_packages=OLD_IPYTHON) as remote, Kernel() as client:
        said = client.good(f"%connect {remote.address}").stdout
        assert f"Python {python}" in said
        assert f"IPython {version}" in said
        yield client


def test_values_output_and_history(old: Client) -> None:
    assert old.good("6 * 7").text == "42"
    assert old.good("print('printed')\n_").text == "42"
    assert old.good("!echo from a shell").stdout.strip() == "from a shell"
    assert old.good("import asyncio\nawait asyncio.sleep(0.01)\n'awaited'").text == "'awaited'"


def test_errors(old: Client) -> None:
    for code, name in (("1/0", "ZeroDivisionError"), ("def f(:", "SyntaxError"), ("raise SystemExit", "SystemExit")):
        error = old.run(code).error
        assert error is not None
        assert error["ename"] == name


def test_an_exception_that_cannot_be_shown(old: Client) -> None:
    result = old.run("class Broken(Exception):\n    def __str__(self): raise ValueError\nraise Broken")
    assert result.error is not None
    assert result.error["ename"] == "Broken"


def test_displays(old: Client) -> None:
    old.good("from IPython.display import display, HTML")
    code = "shown = display(HTML('<b>one</b>'), display_id=True)\nshown.update(HTML('two'))"
    assert old.good(code).displays[0]["text/html"] == "<b>one</b>"
    figure = old.good("import matplotlib.pyplot as plt\nplt.plot([1, 2]);").displays
    assert "image/png" in figure[-1]


def test_completion_and_inspection(old: Client) -> None:
    old.good("import os")
    assert "path" in "".join(old.complete("os.pat")["matches"])
    assert old.inspect("print")["found"]


def test_interrupts(old: Client) -> None:
    for body in ("while True: pass", "import time; time.sleep(60)", "await asyncio.sleep(60)"):
        cell = old.start(f"import asyncio\nprint('ready')\n{body}")
        old.wait_output(cell, "ready")
        assert old.interrupted(cell) < 10
        assert cell.error is not None
        assert cell.error["ename"] == "KeyboardInterrupt"
