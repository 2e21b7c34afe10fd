"""What an interrupt stops: all that runs for the cell, else the oldest of what runs beside."""

from contextlib import ExitStack

import pytest

from rpyc_kernel.kernel.jupyter.interrupt import InterruptTargets


class Running:
    """What runs, by names, and the names of what was stopped."""

    def __init__(self):
        self.targets = InterruptTargets()
        self.stopped = []
        self.stack = ExitStack()

    def begin(self, name, *, beside=False):
        return self.stack.enter_context(self.targets.stoppable(lambda: self.stopped.append(name), beside=beside))

    def interrupt(self):
        self.stopped.clear()
        self.targets.interrupt()
        return self.stopped


@pytest.fixture
def running():
    running = Running()
    with running.stack:
        yield running


def test_where_nothing_runs_an_interrupt_does_nothing(running):
    assert not running.targets
    assert running.interrupt() == []
    assert not running.targets.interrupted


def test_all_that_runs_for_the_cell_is_stopped(running):
    with running.targets.cell():
        running.begin("cell")
        running.begin("connecting")
        assert running.targets
        assert running.interrupt() == ["cell", "connecting"]


def test_of_what_runs_beside_the_oldest_is_stopped_alone(running):
    running.begin("first click", beside=True)
    running.begin("second click", beside=True)
    assert running.interrupt() == ["first click"]
    assert not running.targets.interrupted


def test_while_a_cell_runs_nothing_beside_it_is_stopped(running):
    running.begin("click", beside=True)
    running.begin("cell")
    assert running.interrupt() == ["cell"]


def test_what_begins_in_a_cell_that_was_interrupted_is_stopped_at_once(running):
    with running.targets.cell():
        running.interrupt()
        assert running.targets.interrupted
        running.begin("click", beside=True)
        running.begin("next part")
        assert running.stopped == ["next part"]


def test_the_next_cell_is_not_interrupted(running):
    with running.targets.cell():
        running.interrupt()
    with running.targets.cell():
        assert not running.targets.interrupted
        running.begin("cell")
        assert running.stopped == []


def test_what_has_ended_is_not_stopped(running):
    running.begin("cell")
    running.stack.close()
    assert not running.targets
    assert running.interrupt() == []


def test_it_has_ended_also_where_its_stop_fails(running):
    def fail():
        raise ValueError

    with running.targets.cell():
        running.interrupt()
        with pytest.raises(ValueError), running.targets.stoppable(fail):  # noqa: PT011
            raise AssertionError("it began")
    assert not running.targets
