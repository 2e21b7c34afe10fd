"""The checks of the public Kernel Testbed on both shells; `make conformance` runs more, and writes the table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance import testbed
from conformance.__main__ import PAGE, PLACES
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote


@pytest.fixture(scope="module")
def kernel(remote: Remote) -> Iterator[Kernel]:
    kernel = Kernel()
    with kernel as front:
        connect(front, remote)
        yield kernel


@pytest.mark.parametrize("check", testbed.RUN, ids=lambda check: check.__name__)
def test_the_testbed(kernel: Kernel, check: testbed.Check) -> None:
    check(kernel, kernel.first)


def test_there_are_27_checks() -> None:
    assert len(testbed.RUN) == len(set(testbed.RUN)) == 27


@pytest.mark.parametrize("place", PLACES)
def test_the_page_has_a_place_for_each_table(place: str) -> None:
    assert len(PLACES[place].findall(PAGE.read_text(encoding="utf-8"))) == 1
