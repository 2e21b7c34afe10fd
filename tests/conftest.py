"""For all tests: what a test needs of the machine, folders of its own for Jupyter and IPython, and nothing left."""

from __future__ import annotations

import pytest

from tests.leftovers import Leftovers
from tests.needs import needs


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left():
    """After all tests: no process, socket or folder of ours. What was left is listed as an error of the last test."""
    leftovers = Leftovers()
    yield
    found = leftovers.found()
    if found:
        pytest.fail("the tests have left behind:\n" + "\n".join(found), pytrace=False)


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        needs(*mark.args)


@pytest.fixture
def private_jupyter(tmp_path, monkeypatch):
    """Folders of this test's own for Jupyter and IPython, and the programs it starts; returns their parent."""
    home = tmp_path / "jupyter"
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        folder = home / variable.lower()
        folder.mkdir(parents=True)
        monkeypatch.setenv(variable, str(folder))
    for variable in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "JUPYTER_PREFER_ENV_PATH"):
        monkeypatch.delenv(variable, raising=False)
    return home
