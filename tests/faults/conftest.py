"""What the tests of faults are given: a clock, a server of their own, and a notebook whose kernel knows that clock."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.faults.clock import FULL, SHORT, Clock
from tests.faults.notebooks import Notebook
from tests.faults.seeds import new_seed
from tests.kernel.remotes import Remote


@pytest.fixture(
    scope="module", params=[pytest.param(SHORT, id="short"), pytest.param(FULL, marks=pytest.mark.soak, id="full")]
)
def clock(request: pytest.FixtureRequest) -> Clock:
    """The scale of all waits: each test runs with the one or the other."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def seed() -> int:
    """Printed, hence shown where a test fails."""
    return new_seed()


@pytest.fixture
def rng(seed: int) -> random.Random:
    return random.Random(seed)


@pytest.fixture(scope="module")
def remote() -> Iterator[Remote]:
    """A stock server whose Python has nothing but rpyc."""
    with Remote("bare") as server:
        yield server


@pytest.fixture(scope="module")
def _notebook(clock: Clock) -> Iterator[Notebook]:
    with Notebook(clock) as each:
        yield each


@pytest.fixture
def notebook(_notebook: Notebook) -> Iterator[Notebook]:
    """A notebook that is connected to nothing; shared by the tests of a module, replaced where a test broke it."""
    _notebook.prepare()
    yield _notebook
    _notebook.clear()
