"""Cases that public bug reports of other kernels and of RPyC gave rise to: `reports.json`, each with a test of its id.

A test names its report with ``@of("out-03-queue-listener")``, is given the cells (`cells`) and a notebook (`nb`), and
does what the report's action says. Each test runs on a machine with IPython and on one without; ``on=`` names the kinds
of machine, where a report is about one only, and a file says ``mainly`` where the shell makes no difference. With
RPYC_KERNEL_TESTS_REFERENCE=1 the tests run on a local ipykernel, and fail where ipykernel is wrong:
`docs/conformance.md` has the table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.kernels import REFERENCE, Kernel
from tests.kernel.remotes import Remote
from tests.servers.venvs import WITH_IPYKERNEL, WITHOUT_IPYTHON, venv

REPORTS = {each["id"]: each for each in json.loads(Path(__file__).with_name("reports.json").read_text())}

# ipykernel is there for cells that import `ipykernel.zmqshell`, and for the reference.
PACKAGES = {"plain": WITHOUT_IPYTHON, "ipython": WITH_IPYKERNEL}


def of(report: str, *, on: tuple[str, ...] = ("ipython", "plain")) -> pytest.MarkDecorator:
    """The test is the one of this report."""
    assert report in REPORTS, report
    return pytest.mark.report(report, on=on)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    mark = metafunc.definition.get_closest_marker("report")
    if mark is not None and "machine" in metafunc.fixturenames:
        kinds = ["ipykernel"] if REFERENCE else list(mark.kwargs["on"])
        metafunc.parametrize("machine", kinds, indirect=True, scope="module")


@pytest.fixture(autouse=True)
def _told(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """For `make conformance`: which report this is, and on what."""
    mark = request.node.get_closest_marker("report")
    if mark is not None:
        record_property("report", mark.args[0])
        record_property("machine", request.node.callspec.params["machine"])


@pytest.fixture
def cells(request: pytest.FixtureRequest) -> list[str]:
    """The cells of the test's report."""
    mark = request.node.get_closest_marker("report")
    return list(REPORTS[mark.args[0]]["cells"])


@pytest.fixture(scope="module")
def machine(request: pytest.FixtureRequest) -> Iterator[Remote]:
    """A stock server with all that the cells import; its `name` tells whether IPython is there."""
    kind = "ipython" if request.param == "ipykernel" else request.param
    server = Remote(kind, extra_packages=PACKAGES[kind])
    if request.param == "ipykernel":
        yield server
        server.__exit__(None, None, None)
        return
    with server:
        yield server


def reference() -> list[str]:
    """The command of an ipykernel that has what the cells import."""
    python = str(venv(extra_packages=PACKAGES["ipython"]))
    return [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]


class Notebooks:
    """One kernel for the tests of a module; each test has a session of its own in it."""

    def __init__(self, machine: Remote) -> None:
        self.machine = machine
        self.kernel: Kernel | None = None

    def fresh(self) -> Client:
        """A notebook in which nothing has run."""
        if self.kernel is not None and (REFERENCE or not self._usable()):
            self.close()
        if self.kernel is None:
            self.kernel = Kernel(command=reference() if REFERENCE else None)
            self.kernel.__enter__()
        client = self.kernel.first
        if not REFERENCE:
            client.good(f"%connect {self.machine.address} --new")
        return client

    def _usable(self) -> bool:
        assert self.kernel is not None
        client = self.kernel.first
        cells = [each for each in client.requests.values() if each.kind == "execute_request"]
        client.requests.clear()
        client.stray.clear()
        client.comms.clear()
        return self.kernel.alive() and all(each.done for each in cells)

    def close(self) -> None:
        if self.kernel is not None:
            self.kernel.__exit__(None, None, None)
        self.kernel = None


@pytest.fixture(scope="module")
def notebooks(machine: Remote) -> Iterator[Notebooks]:
    made = Notebooks(machine)
    yield made
    made.close()


@pytest.fixture
def nb(notebooks: Notebooks) -> Client:
    """A notebook of the test's own on `machine`."""
    return notebooks.fresh()


@pytest.fixture
def kernel(nb: Client, notebooks: Notebooks) -> Kernel:
    """The kernel of `nb`."""
    assert notebooks.kernel is not None
    return notebooks.kernel


@pytest.fixture
def execute(machine: Remote, tmp_path: Path) -> Callable[[list[str]], tuple[str, str]]:
    """Runs cells with nbclient: ``execute(cells)`` returns its error, or nothing, and the saved notebook's text."""
    from tests.reports.headless import run

    options = [] if REFERENCE else [f"--RpycKernel.address={machine.address}"]
    return lambda cells: run(cells, tmp_path, options, reference() if REFERENCE else None)
