"""What tests of the kernel are given: a remote with IPython and one without, and notebooks on them.

Variables change what runs: RPYC_KERNEL_TESTS_FULL=1 takes the large numbers (more random cells),
RPYC_KERNEL_TESTS_REFERENCE=1 runs the same tests on a local ipykernel, to see whether they ask for what notebooks do,
RPYC_KERNEL_TESTS_SPAWNED=1 has workers spawned, as the tests marked with ALSO_SPAWNED do anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.gates import Gate
from tests.kernel.kernels import REFERENCE, Kernel
from tests.kernel.remotes import SPAWNED, Remote

KINDS = ["ipython"] if REFERENCE else ["ipython", "plain"]

#: for modules whose tests run with spawned workers too
ALSO_SPAWNED = pytest.mark.parametrize("remote", KINDS if REFERENCE else [*KINDS, SPAWNED + "plain"], indirect=True)

#: for modules whose tests do so in `make soak` only
_spawned = pytest.param(SPAWNED + "plain", marks=pytest.mark.soak)
SPAWNED_IN_SOAK = pytest.mark.parametrize("remote", KINDS if REFERENCE else [*KINDS, _spawned], indirect=True)


@pytest.fixture(scope="session", params=KINDS)
def remote(request: pytest.FixtureRequest) -> Iterator[Remote]:
    """A stock rpyc 6 server on this machine, with IPython in its environment and without: tests run on both."""
    server = Remote(request.param)
    if REFERENCE:
        yield server
        server.__exit__(None, None, None)
        return
    with server:
        yield server


@pytest.fixture
def own_remote(remote: Remote) -> Iterator[Remote]:
    """A server for one test alone, of the kind that is at hand: nothing of other tests runs on it."""
    with Remote(remote.name) as server:
        yield server


@pytest.fixture
def new_kernel(request: pytest.FixtureRequest) -> Iterator[Callable[..., Kernel]]:
    """Makes kernels, started, and ends them after the test. `new_kernel(*options, **kw)` as `Kernel`."""
    alone = request.node.get_closest_marker("alone") is not None
    with ExitStack() as stack:

        def make(*options: str, **kw: object) -> Kernel:
            kernel = Kernel(*options, alone=alone, **kw)  # type: ignore[arg-type]
            stack.enter_context(kernel)
            return kernel

        yield make


@pytest.fixture
def kernel(new_kernel: Callable[..., Kernel]) -> Kernel:
    """A fresh kernel that has named no machine."""
    return new_kernel()


@pytest.fixture
def front(kernel: Kernel) -> Client:
    """The front end of `kernel`."""
    return kernel.first


@pytest.fixture
def fresh(front: Client, remote: Remote) -> Client:
    """A notebook of its own, connected to `remote`, in which nothing has run."""
    connect(front, remote)
    return front


def connect(client: Client, remote: Remote, *options: str) -> None:
    """`%connect` a notebook, and see that it worked."""
    if not REFERENCE:
        client.good(" ".join(["%connect", remote.address, *options]))


class Shared:
    """One connected notebook for the tests of a module, replaced when a test leaves it unusable."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.kernel: Kernel | None = None

    def client(self) -> Client:
        if self.kernel is None:
            self.kernel = Kernel()
            connect(self.kernel.__enter__(), self.remote)
        return self.kernel.first

    def check(self) -> None:
        """Called after each test: a cell that still runs, or a dead kernel, must not fail the next one."""
        assert self.kernel is not None
        client = self.kernel.first
        idle = all(each.done for each in client.requests.values() if each.kind == "execute_request")
        client.requests.clear()
        client.stray.clear()
        if not idle or not self.kernel.alive():
            self.close()

    def close(self) -> None:
        if self.kernel is not None:
            self.kernel.__exit__(None, None, None)
        self.kernel = None


@pytest.fixture(scope="module")
def _shared(remote: Remote) -> Iterator[Shared]:
    shared = Shared(remote)
    yield shared
    shared.close()


@pytest.fixture
def nb(_shared: Shared) -> Iterator[Client]:
    """A notebook connected to `remote`, shared by the tests of a module: for tests that leave nothing behind."""
    yield _shared.client()
    _shared.check()


@pytest.fixture
def nb_kernel(nb: Client, _shared: Shared) -> Kernel:
    """The kernel of `nb`."""
    assert _shared.kernel is not None
    return _shared.kernel


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate for this test's cells."""
    gates = Gate(tmp_path)
    yield gates
    gates.open()


@pytest.fixture
def remote_kind(remote: Remote) -> str:
    """`ipython` or `plain`: for what is spelled differently on the two."""
    return remote.kind
