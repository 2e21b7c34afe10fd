"""SIGINT: for the request that it names, never for the next one; and for the processes which its cell has started."""

import itertools
import os
import select
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from rpyc_kernel.agent.keeper.worker.process import CellProcesses
from rpyc_kernel.agent.worker import interrupts as module
from rpyc_kernel.agent.worker.interrupts import SAME_PRESS_S, Interrupts
from rpyc_kernel.agent.worker.io.keeper_channel import SendLock
from rpyc_kernel.agent.worker.request_context import current

if os.name == "posix":
    from rpyc_kernel.agent.keeper.worker.forked import Page

pytestmark = pytest.mark.needs("posix")


class Keeper:
    """Its half: names the request in the page and sends the signal."""

    def __init__(self, page):
        self.page = page

    def name(self, number):
        self.page.interrupt = (self.page.interrupt[0] + 1, number)

    def interrupt(self, number):
        self.name(number)
        signal_myself()


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=time.sleep))
    return clock


@pytest.fixture
def page():
    return Page()


@pytest.fixture
def interrupts(page, clock):
    handler = signal.getsignal(signal.SIGINT)
    token = current.set(0)
    interrupts = Interrupts(page)
    interrupts.install()
    yield interrupts
    interrupts.end_forced()  # or each call of each test after this one would be traced
    current.reset(token)
    signal.signal(signal.SIGINT, handler)


@pytest.fixture
def keeper(page):
    return Keeper(page)


def interrupted(function, *args):
    """Whether it raises KeyboardInterrupt, which would end pytest."""
    try:
        function(*args)
    except KeyboardInterrupt:
        return True
    return False


def signal_myself():
    """To this thread: another one of the process would tell this one of it a moment later."""
    signal.raise_signal(signal.SIGINT)


def begin(interrupts, number):
    current.set(number)
    return interrupts.begin(number)


def test_the_running_request_is_interrupted(interrupts, keeper):
    assert begin(interrupts, 1)
    assert interrupted(keeper.interrupt, 1)


@pytest.mark.parametrize("meant", [0, 2, 99])
def test_an_interrupt_for_another_request_does_nothing(interrupts, keeper, meant):
    assert begin(interrupts, 1)
    assert not interrupted(keeper.interrupt, meant)


def at_step(step, code, act):
    """Calls *act* with the frame at that step of a function's bytecode, once. Returns whether there was such a step."""
    steps = itertools.count()

    def trace(frame, event, _arg):
        if frame.f_code is not code:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and next(steps) == step:
            sys.settrace(None)
            frame.f_trace = None
            act(frame)
        return trace

    sys.settrace(trace)
    return lambda: next(steps) > step


@pytest.mark.parametrize("step", range(0, 60, 2))
def test_an_interrupt_at_any_step_of_leaving_is_not_lost(interrupts, keeper, step):
    """Python 3.8 looks for signals before nearly each of its steps: right behind a print, nothing would follow."""

    def press(frame):
        keeper.name(1)
        interrupts._handle(signal.SIGINT, frame)

    def prints():
        with SendLock(interrupts):
            pass

    assert begin(interrupts, 1)
    reached = at_step(step, Interrupts.leave.__code__, press)
    try:
        found = interrupted(prints)
    finally:
        sys.settrace(None)
    was_reached = reached()
    assert found == was_reached
    assert was_reached or step > 10


@pytest.mark.parametrize("step", range(0, 80, 2))
def test_a_second_signal_of_the_same_press_loses_nothing_at_any_step_of_the_first(interrupts, keeper, step):
    """The keeper sends one, and the thread that reads its word another: the second may come while the first is seen."""
    assert begin(interrupts, 1)
    at_step(step, Interrupts._handle.__code__, lambda frame: interrupts._handle(signal.SIGINT, frame))
    try:
        assert interrupted(keeper.interrupt, 1)
    finally:
        sys.settrace(None)


def test_a_second_signal_at_any_step_of_the_first_raises_nothing_where_a_cell_would_be_lost(interrupts, keeper):
    """Also in what the handler of the first one calls: the frame that matters is the one that the first has hit."""
    handling, tried = Interrupts._handle.__code__, 0

    def drives(number):  # as the code that goes on with a cell: an exception here would drop it
        keeper.interrupt(number)

    def signalled_at(step, number):
        steps = itertools.count()

        def trace(frame, event, _arg):
            caller = frame
            while caller is not None and caller.f_code is not handling:
                caller = caller.f_back
            if caller is None:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode" and next(steps) == step:
                sys.settrace(None)
                interrupts._handle(signal.SIGINT, frame)
            return trace

        sys.settrace(trace)
        try:
            assert not interrupted(drives, number), f"at step {step}"
        finally:
            sys.settrace(None)
        return next(steps) > step

    interrupts.frames.driving = frozenset((drives.__code__,))
    interrupts.frames.machinery.append(globals())
    cancelled = []
    interrupts.cancel = cancelled.append
    for number in itertools.count(1):
        assert begin(interrupts, number)
        reached = signalled_at(tried, number)
        assert set(cancelled) == {number}, f"at step {tried}"
        interrupts.end(number)
        cancelled.clear()
        interrupts._late = 0
        if not reached:
            break
        tried += 1
    assert tried > 100, "the steps of what is called count too"


def test_a_second_press_raises_nothing_where_a_cell_would_be_lost(interrupts, keeper, clock):
    """It is for a task that holds up the event loop, and the code that goes on with a cell holds up nothing."""

    def drives():
        keeper.interrupt(1)

    cancelled = []
    interrupts.cancel = cancelled.append
    assert begin(interrupts, 1)
    assert not interrupted(drives)
    clock.now += SAME_PRESS_S * 1.1
    assert interrupted(drives), "a task of another cell"
    clock.now += SAME_PRESS_S * 1.1
    interrupts.frames.machinery.append(globals())
    assert not interrupted(drives)
    assert cancelled == [1, 1]


def test_an_interrupt_that_comes_after_the_end_does_nothing_to_the_next(interrupts, keeper):
    assert begin(interrupts, 1)
    interrupts.end(1)
    assert not interrupted(keeper.interrupt, 1)
    assert begin(interrupts, 2)


def test_a_request_that_was_interrupted_before_the_signal_came_does_not_begin(interrupts, keeper):
    keeper.name(1)
    assert not begin(interrupts, 1)
    interrupts.end(1)
    assert begin(interrupts, 2)


def test_the_signal_of_a_press_that_was_seen_already_does_nothing(interrupts, keeper):
    keeper.name(1)
    assert not begin(interrupts, 1)
    assert not interrupted(signal_myself)  # on its way meanwhile: it was the same press
    interrupts.end(1)
    assert begin(interrupts, 2)


def test_a_signal_that_comes_late_does_nothing_to_the_next_request(interrupts, keeper):
    """The keeper names the request, looks for what its cell has started, and then sends the signal."""
    keeper.name(1)
    assert not begin(interrupts, 1)
    interrupts.end(1)
    assert begin(interrupts, 2)
    assert not interrupted(signal_myself)
    assert interrupted(signal_myself)  # the user's own


def test_the_second_of_two_signals_that_came_late_does_nothing_to_the_next_request(interrupts, keeper):
    assert begin(interrupts, 1)
    keeper.name(1)
    keeper.name(1)
    assert interrupted(signal_myself)
    interrupts.end(1)
    assert begin(interrupts, 2)
    assert not interrupted(signal_myself)


def test_a_signal_that_never_came_is_not_waited_for(interrupts, keeper, clock):
    keeper.name(1)
    assert not begin(interrupts, 1)
    interrupts.end(1)
    clock.now += SAME_PRESS_S * 1.1
    assert begin(interrupts, 2)
    assert interrupted(signal_myself)


@pytest.mark.parametrize("attribute", ["_running", "_pending"])
def test_a_signal_in_the_middle_of_the_beginning_is_not_lost(interrupts, keeper, attribute):
    """Wherever it comes, the request doesn't begin, or is interrupted before its code runs."""

    class Watched(Interrupts):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name == attribute and hasattr(self, "armed"):
                del self.armed
                keeper.interrupt(1)

    class Running(dict):
        def __setitem__(self, number, value):
            super().__setitem__(number, value)
            if attribute == "_running" and hasattr(interrupts, "armed"):
                del interrupts.armed
                keeper.interrupt(1)

    interrupts.__class__ = Watched
    interrupts._running = Running()
    interrupts.frames.machinery.append(globals())
    interrupts.armed = True
    assert not begin(interrupts, 1) or interrupts.take(1)


def test_a_request_whose_signal_came_before_it_began_does_not_begin(interrupts, keeper):
    assert not interrupted(keeper.interrupt, 1)
    assert not begin(interrupts, 1)


def test_a_request_that_is_interrupted_while_another_runs_does_not_begin(interrupts, keeper):
    assert begin(interrupts, 1)
    assert not interrupted(keeper.interrupt, 2)
    interrupts.end(1)
    assert not begin(interrupts, 2)


def test_an_interrupt_whose_signal_woke_nobody_is_repeated(interrupts, keeper):
    """A process's signal may be taken by a thread that isn't the main one, which then waits on."""
    begin(interrupts, 7)
    keeper.name(7)
    waits = threading.Event()

    def wait():
        threading.Timer(0.05, interrupts.repeat).start()
        waits.wait(20)

    assert interrupted(wait)
    assert not interrupted(interrupts.repeat), "it was seen"


def test_a_repeated_signal_does_nothing_to_the_next_request(interrupts, keeper, monkeypatch):
    begin(interrupts, 7)
    keeper.name(7)
    with monkeypatch.context() as patched:
        patched.setattr(module, "signal_main", lambda: None)
        interrupts.repeat()
    assert interrupted(signal_myself)  # both signals at once, or the keeper's
    interrupts.end(7)
    begin(interrupts, 8)
    interrupts._again = module.NOBODY  # the other one
    assert not interrupted(signal_myself)


def test_what_a_worker_before_this_one_was_told_does_not_count(page):
    Keeper(page).name(1)
    assert Interrupts(page).begin(1)


def test_a_second_signal_within_a_moment_is_the_same_press(interrupts, keeper, clock):
    assert begin(interrupts, 1)
    assert interrupted(keeper.interrupt, 1)
    clock.now += SAME_PRESS_S * 0.9
    assert not interrupted(keeper.interrupt, 1)
    clock.now += SAME_PRESS_S * 0.2
    assert interrupted(keeper.interrupt, 1)


def test_the_next_request_can_be_interrupted_at_once(interrupts, keeper):
    assert begin(interrupts, 1)
    assert interrupted(keeper.interrupt, 1)
    interrupts.end(1)
    assert begin(interrupts, 2)
    assert interrupted(keeper.interrupt, 2)


def test_while_a_frame_is_sent_an_interrupt_waits(interrupts, keeper):
    assert begin(interrupts, 1)
    interrupts.depth += 1
    interrupts.depth += 1
    assert not interrupted(keeper.interrupt, 1)
    assert not interrupted(interrupts.leave)
    assert interrupted(interrupts.leave)
    assert interrupts.depth == 0
    interrupts.depth += 1
    assert not interrupted(interrupts.leave)  # once only


def test_what_waited_is_not_delivered_to_the_next_request(interrupts, keeper):
    assert begin(interrupts, 1)
    interrupts.depth += 1
    assert not interrupted(keeper.interrupt, 1)
    interrupts.end(1)
    assert begin(interrupts, 2)
    assert not interrupted(interrupts.leave)


def test_a_signal_that_the_cell_sends_itself_is_for_the_cell(interrupts):
    assert begin(interrupts, 1)
    assert interrupted(signal_myself)


def test_while_nothing_runs_a_signal_does_nothing(interrupts):
    assert not interrupted(signal_myself)


def test_what_came_while_signals_were_ignored_is_found_by_a_check(interrupts, keeper):
    assert begin(interrupts, 1)
    assert not interrupted(interrupts.check)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert not interrupted(keeper.interrupt, 1)
    interrupts.install()
    assert interrupted(interrupts.check)
    assert not interrupted(interrupts.check)


def test_a_request_that_awaits_is_cancelled_rather_than_what_runs_in_between(interrupts, keeper):
    cancelled = []
    interrupts.cancel = cancelled.append
    assert begin(interrupts, 1)
    current.set(0)  # the event loop, or a task of an earlier cell
    assert not interrupted(keeper.interrupt, 1)
    assert cancelled == [1]


def test_without_a_way_to_cancel_it_is_raised(interrupts, keeper):
    assert begin(interrupts, 1)
    current.set(0)
    assert interrupted(keeper.interrupt, 1)


# --- the processes of a cell

WORKER = """
import os, subprocess, sys
os.setpgid(0, 0)
children = []
for line in sys.stdin:
    if line.strip() == "shell":  # a child with a child of its own
        child = subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE)
        print(child.pid, child.stdout.readline().decode().strip(), flush=True)
    elif line.strip() == "orphan":  # whose parent has ended
        print(subprocess.check_output(["sh", "-c", "sleep 60 >&2 & echo $!"], text=True), end="", flush=True)
        continue
    else:
        child = subprocess.Popen(["sleep", "60"], start_new_session=line.strip() == "away")
        print(child.pid, flush=True)
    children.append(child)
"""


@pytest.fixture
def worker():
    """Starts children when told to: ``child``, ``shell``, ``orphan`` or ``away`` (in a session of its own)."""
    process = subprocess.Popen([sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    started = []

    def start(kind):
        process.stdin.write(kind + "\n")
        process.stdin.flush()
        assert select.select([process.stdout], [], [], 10.0)[0]
        pids = [int(pid) for pid in process.stdout.readline().split()]
        started.extend(pids)
        return pids

    yield SimpleNamespace(pid=process.pid, start=start)
    for pid in started:
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.communicate()


@pytest.mark.needs("linux")
def test_what_the_cell_has_started_is_found_and_what_earlier_cells_have_is_not(worker):
    processes = CellProcesses(worker.pid)
    worker.start("child")
    worker.start("shell")
    processes.begin()
    assert processes.of_cell() == []
    mine = worker.start("child") + worker.start("shell")
    assert sorted(processes.of_cell()) == sorted(mine)


@pytest.mark.needs("linux")
def test_what_an_earlier_child_starts_now_is_not_the_cells(worker):
    processes = CellProcesses(worker.pid)
    earlier = worker.start("shell")
    time.sleep(0.02)  # a clock tick, by which starts are told apart
    processes.begin()
    processes._begun = 0  # as if it had been started since
    assert set(processes.of_cell()).isdisjoint(earlier)


@pytest.mark.needs("linux")
def test_an_orphan_of_an_earlier_cell_is_not_this_cells(worker):
    processes = CellProcesses(worker.pid)
    worker.start("orphan")
    time.sleep(0.05)  # clock ticks, by which starts are told apart
    processes.begin()
    mine = worker.start("orphan")
    assert processes.of_cell() == mine


@pytest.mark.needs("linux")
def test_what_has_left_the_group_is_left_alone(worker):
    processes = CellProcesses(worker.pid)
    processes.begin()
    worker.start("away")
    assert processes.of_cell() == []


@pytest.mark.needs("linux")
def test_with_the_worker_gone_nothing_is_found():
    processes = CellProcesses(2**22 + 5)
    processes.begin()
    assert processes.of_cell() == []
