"""What tests of the terminal's commands are given: a machine, and the command as a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.batch.commands import Command
from tests.kernel.remotes import Remote


@pytest.fixture(scope="module")
def remote() -> Iterator[Remote]:
    """A stock server whose Python has nothing but rpyc."""
    with Remote("bare") as server:
        yield server


@pytest.fixture
def start(private_jupyter: object) -> Iterator[Callable[..., Command]]:
    """Starts `rpyc-kernel` with arguments, and ends it after the test. `start(*argv, **more)` as `Command`."""
    with ExitStack() as stack:

        def begin(*argv: object, **more: object) -> Command:
            return stack.enter_context(Command(*argv, **more))  # type: ignore[arg-type]

        yield begin
