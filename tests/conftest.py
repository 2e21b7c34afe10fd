"""For all tests: what a test needs of the machine, and folders of its own for Jupyter and IPython."""

from __future__ import annotations

import pytest

from tests.needs import needs


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
