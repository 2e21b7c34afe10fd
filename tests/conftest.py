"""For all tests: what a test needs of the machine, folders of its own for Jupyter and IPython, and nothing left."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
import zlib

import pytest
import xdist.scheduler
from hypothesis import HealthCheck, settings

from tests import compiled, rewritten
from tests.leftovers import Leftovers
from tests.needs import needs

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # how long an example takes says how busy the machine is

BROWSERS = "tests/kernel/browser"
LEFTOVERS = pytest.StashKey[Leftovers]()
PRIVATE_FILES = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: children would inherit that
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):  # the process that runs the tests, or has others run them
        # The user's own files must not be touched, nor change what a test sees: saved machines, recent addresses.
        folder = tempfile.TemporaryDirectory(prefix="rpyc-kernel-tests-", ignore_cleanup_errors=True)
        config.stash[PRIVATE_FILES] = folder
        for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
            os.environ[variable] = os.path.join(folder.name, variable.lower())  # noqa: PTH118 - a text
        if os.name == "nt":  # what XDG_CACHE_HOME is elsewhere, which tests set
            os.environ["LOCALAPPDATA"] = folder.name
        os.environ[compiled.FOLDER] = os.path.join(folder.name, "compiled")  # noqa: PTH118 - a text
        config.stash[LEFTOVERS] = Leftovers()
        if config.getoption("numprocesses", None) and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
            rewritten.compile_all(config)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """After all tests: no process, socket or folder of ours. What was left is listed, and makes the run fail."""
    leftovers = session.config.stash.get(LEFTOVERS, None)
    if leftovers and (found := leftovers.found()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.config.get_terminal_writer().line("\n".join(["", "The tests have left behind:", *found]), red=True)
    if folder := session.config.stash.get(PRIVATE_FILES, None):
        folder.cleanup()


class Scheduling(xdist.scheduler.LoadFileScheduling):
    """Files of tests for whoever is free; those with browsers one after the other, since each takes both cores."""

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return BROWSERS if file.startswith(BROWSERS) else file


def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect tests without a look for garbage: nothing of it is any, nor later. It took a fifth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest looks at what `-m` chooses, and behind its own order
def pytest_collection_modifyitems(config, items):
    """`mainly` is told what it means, and the files are put in the order in which workers begin them."""
    for item in items:
        mainly = item.get_closest_marker("mainly")
        params = item.callspec.params if hasattr(item, "callspec") else {}
        kind = params.get("remote") or params.get("machine")
        if mainly and kind and kind != mainly.args[0]:
            item.add_marker("soak")
    result = yield
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: begins(item.nodeid.partition("::")[0]))
    return result


def begins(file):
    """Where in the order a file is begun: browsers first, which take longest; those of units last, which are short.

    The rest is mixed, the same way each time: tests of kernels compute while those of servers and faults wait.
    """
    if file.startswith(BROWSERS):
        return 0, 0
    return (2, 0) if file.startswith("tests/unit") else (1, zlib.crc32(file.encode()))


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


@pytest.fixture
def sessions(tmp_path, monkeypatch):
    """Starts sessions whose records are in the test's own folder."""
    from tests.unit.sessions import Sessions  # late: few tests need the agent

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled.put_agent(tmp_path)
    with Sessions() as sessions:
        yield sessions
