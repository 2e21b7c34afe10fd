"""For the tests of commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rpyc_kernel.kernel.commands.spec import COMMANDS


@pytest.fixture
def own_commands() -> Iterator[None]:
    """Take back, after the test, what it has registered."""
    before = dict(COMMANDS)
    yield
    COMMANDS.clear()
    COMMANDS.update(before)
