"""What tests on a Windows are given: that Windows, stock servers on it, and kernels that reach them or run there.

`make windows` runs them, on Wine; they are no part of `make test`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import Shared
from tests.kernel.kernels import Kernel
from tests.windows.servers import WindowsServer
from tests.windows.wine import Wine

HERE = str(Path(__file__).parent)


@pytest.hookimpl(tryfirst=True)  # before pytest looks at what `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if str(item.path).startswith(HERE):
            item.add_marker("windows")
            item.add_marker(pytest.mark.needs("wine"))


@pytest.fixture(scope="session")
def wine() -> Wine:
    """The Windows."""
    return Wine.ready()


@pytest.fixture(scope="session", params=["plain", "ipython"])
def server(request: pytest.FixtureRequest, wine: Wine) -> Iterator[WindowsServer]:
    """A server there, whose Python has IPython or hasn't; shared."""
    with WindowsServer(wine, request.param) as server:
        yield server


@pytest.fixture
def own_server(wine: Wine) -> Iterator[WindowsServer]:
    """A server for one test alone."""
    with WindowsServer(wine) as server:
        yield server


@pytest.fixture
def new_kernel() -> Iterator[Callable[..., Kernel]]:
    """Makes kernels here, on Linux, started, and ends them after the test."""
    with ExitStack() as stack:

        def make() -> Kernel:
            kernel = Kernel()
            stack.enter_context(kernel)
            return kernel

        yield make


@pytest.fixture
def fresh(new_kernel: Callable[..., Kernel], own_server: WindowsServer) -> Client:
    """A notebook of its own, connected to `own_server`, in which nothing has run."""
    front = new_kernel().first
    front.good(f"%connect {own_server.address}")
    return front


@pytest.fixture(scope="module")
def _shared(server: WindowsServer) -> Iterator[Shared]:
    shared = Shared(server)  # type: ignore[arg-type]
    yield shared
    shared.close()


@pytest.fixture
def nb(_shared: Shared) -> Iterator[Client]:
    """A notebook connected to `server`, shared by the tests of a module: for tests that leave nothing behind."""
    yield _shared.client()
    _shared.check()
