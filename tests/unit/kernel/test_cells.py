"""The notebook's cells that run: whom a question asks, who watches, and what an interrupt stops."""

import asyncio
from contextlib import ExitStack
from unittest.mock import create_autospec

import pytest

from rpyc_kernel.agent.wire import Message
from rpyc_kernel.kernel.cells import InterruptTargets, RunningCells, Watcher
from rpyc_kernel.kernel.jupyter.iopub import Publisher
from rpyc_kernel.kernel.ports import HostedSession
from rpyc_kernel.link.protocol import LinkStatus


class FrontEnd:
    """Answers questions when the test says so."""

    def __init__(self):
        self.asked = []
        self.lines = asyncio.Queue()

    async def __call__(self, prompt, *, password, parent, ident):
        self.asked.append((prompt, password, parent, ident))
        return await self.lines.get()


class Notebook:
    """Running cells with doubles around them."""

    def __init__(self):
        self.output = create_autospec(Publisher, instance=True)
        self.front_end = FrontEnd()
        self.cells = RunningCells(self.output, self.front_end, lambda: 0)
        self.session = create_autospec(HostedSession, instance=True)
        self.session.shown_by.side_effect = lambda msg_id: {"theirs": "taker"}.get(msg_id, msg_id)

    def asks(self, msg_id, prompt="> ", serial=1):
        self.cells.ask(self.session, Message("input_request", {"prompt": prompt, "serial": serial}, msg_id))

    @property
    def answers(self):
        return [(call.args[0].parent, call.args[1]) for call in self.session.answer.call_args_list]


def run(scenario):
    async def main():
        notebook = Notebook()
        notebook.cells.loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            await scenario(notebook)

    asyncio.run(main())


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_question_goes_to_the_client_whose_cell_shows_it_one_at_a_time():
    async def scenario(notebook):
        notebook.cells.begin("a", {"header": "of a"}, [b"client a"])
        notebook.cells.begin("taker", {"header": "of the taker"}, [b"client t"])
        notebook.asks("a", "name? ")
        notebook.asks("theirs", "more? ")
        await settle()
        assert notebook.front_end.asked == [("name? ", False, {"header": "of a"}, [b"client a"])]
        notebook.front_end.lines.put_nowait("ada")
        await settle()
        assert notebook.answers == [("a", {"value": "ada"})]
        assert notebook.front_end.asked[1][0::3] == ("more? ", [b"client t"])
        notebook.front_end.lines.put_nowait("no")
        await settle()
        assert notebook.answers[1] == ("theirs", {"value": "no"})

    run(scenario)


def test_a_question_that_comes_twice_is_asked_once_and_another_one_again():
    async def scenario(notebook):
        notebook.cells.begin("a", {}, [])
        notebook.asks("a", serial=1)
        notebook.asks("a", serial=1)
        await settle()
        notebook.front_end.lines.put_nowait("one")
        await settle()
        notebook.asks("a", serial=2)
        await settle()
        assert len(notebook.front_end.asked) == 2
        notebook.cells.end("a")

    run(scenario)


def test_a_thread_of_a_cell_that_has_ended_is_told_that_nobody_can_be_asked():
    async def scenario(notebook):
        notebook.asks("gone")
        await settle()
        ((msg_id, content),) = notebook.answers
        assert msg_id == "gone"
        assert "nobody can be asked" in content["error"]

    run(scenario)


@pytest.mark.parametrize("how", ["end", "stop_asking"])
def test_after_its_end_or_an_interrupt_nobody_is_asked_any_more(how):
    async def scenario(notebook):
        notebook.cells.begin("a", {}, [])
        notebook.asks("a")
        await settle()
        getattr(notebook.cells, how)("a")
        await settle()
        notebook.front_end.lines.put_nowait("late")
        await settle()
        assert notebook.answers == []
        assert notebook.cells.runs("a") is (how == "stop_asking")

    run(scenario)


def test_the_line_of_a_cell_that_has_ended_is_forgotten():
    async def scenario(notebook):
        notebook.cells.begin("a", {}, [])
        notebook.output.end.assert_not_called()
        notebook.cells.end("a")
        notebook.output.end.assert_called_once_with("a")

    run(scenario)


def test_a_watcher_is_told_until_it_is_none():
    async def scenario(notebook):
        watcher = create_autospec(Watcher, instance=True)
        watcher.watched = frozenset({"stream"})
        message = Message("stream", {}, "a")
        notebook.cells.before(message)
        notebook.cells.watch(watcher)
        notebook.cells.before(message)
        notebook.cells.before(Message("comm_msg", {}, "a"))
        notebook.cells.changed(notebook.session, LinkStatus.LOST)
        notebook.cells.unwatch(watcher)
        notebook.cells.changed(notebook.session, LinkStatus.UP)
        watcher.before.assert_called_once_with(message)
        watcher.changed.assert_called_once_with(notebook.session, LinkStatus.LOST)

    run(scenario)


# --- what an interrupt stops: all that runs for the cell, else the oldest of what runs beside


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
