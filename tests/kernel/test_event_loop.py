"""What a user's code may do to the event loop that cells run in: nothing of it ends the session."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote

BEGIN = """
import asyncio, os, signal, sys, threading, time
precious, loop = [], asyncio.get_event_loop()
class Own(BaseException): pass
def throw(error): raise error
async def throw_there(error): raise error
"""


@pytest.fixture
def kept(nb: Client) -> Iterator[Client]:
    """A notebook in whose loop something is done; its variables are there afterwards, and cells run in a loop."""
    nb.good(BEGIN)
    yield nb
    assert nb.good("precious.append(await asyncio.sleep(0.01, 'awaited')); precious").text == "['awaited']"
    assert nb.good("asyncio.get_running_loop().is_running()").text == "True"


@pytest.mark.parametrize(
    "code",
    [
        "loop.stop()",
        "loop.stop(); await asyncio.sleep(0.01)",
        "none = loop.call_later(0.01, loop.stop)",
        "none = loop.call_soon_threadsafe(loop.stop)",
        "t = threading.Thread(target=loop.stop); t.start(); t.join()",
        "asyncio.set_event_loop(asyncio.new_event_loop())",
        "asyncio.set_event_loop(None)",
        "class P(asyncio.DefaultEventLoopPolicy): pass\nasyncio.set_event_loop_policy(P())",
        "class P(asyncio.AbstractEventLoopPolicy): pass\nasyncio.set_event_loop_policy(P())",
        "none = [task.cancel() for task in asyncio.all_tasks()]",
        "none = asyncio.current_task().cancel()",
        "loop.set_task_factory(lambda *_, **__: 1 / 0)",
        "loop.set_task_factory(getattr(asyncio, 'eager_task_factory', None))",
        "loop.set_debug(True); await asyncio.sleep(0.01)",
        "threading.Thread(target=lambda: [loop.call_soon_threadsafe(len, '') for _ in range(10_000)]).start()",
        "class D:\n    def __del__(self): sys.exit(3)\nD();",
        "class D:\n    def __del__(self): raise KeyboardInterrupt\nD();",
    ],
)
def test_a_cell_that_does_this_to_the_loop_ends_well(kept: Client, code: str) -> None:
    kept.good(code)
    kept.good("await asyncio.sleep(0.03)")
    if "factory" in code:
        kept.good("loop.set_task_factory(None)")
    kept.good("loop.set_debug(False); asyncio.set_event_loop_policy(None)")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("none = loop.call_soon(sys.exit, 'over')", "SystemExit: over"),
        ("none = loop.call_soon(throw, SystemExit('over'))", "SystemExit: over"),
        ("none = loop.call_later(0.01, throw, KeyboardInterrupt('over'))", "KeyboardInterrupt: over"),
        ("none = loop.call_soon(throw, Own('over'))", "Own: over"),
        ("none = loop.call_soon(throw, GeneratorExit('over'))", "GeneratorExit: over"),
        ("task = asyncio.ensure_future(throw_there(SystemExit('over')))", "SystemExit: over"),
        ("none = asyncio.ensure_future(throw_there(Own('over'))); del none", "Own: over"),
        ("none = asyncio.ensure_future(throw_there(ValueError('over'))); del none", "ValueError: over"),
        (
            "loop.set_exception_handler(lambda *_: sys.exit('over')); none = loop.call_soon(throw, ValueError())",
            "SystemExit: over",
        ),
        (
            "signal.signal(signal.SIGALRM, lambda *_: throw(TimeoutError('over'))); signal.alarm(1)",
            "TimeoutError: over",
        ),
        (
            "loop.add_signal_handler(signal.SIGUSR1, sys.exit, 'over'); os.kill(os.getpid(), signal.SIGUSR1)",
            "SystemExit: over",
        ),
    ],
)
def test_an_exception_that_leaves_the_loop_shows_in_its_cell(kept: Client, code: str, name: str) -> None:
    cell = kept.good(code)
    kept.wait_output(cell, name, 10)
    assert cell.stderr.count(name) == 1
    assert "rpyc" not in cell.stderr, "lines of ours"
    kept.good("loop.set_exception_handler(None); none = signal.signal(signal.SIGALRM, signal.SIG_DFL)")


@pytest.mark.parametrize(
    "error", ["SystemExit('over')", "KeyboardInterrupt('over')", "Own('over')", "GeneratorExit('over')"]
)
def test_an_exception_that_a_cell_receives_is_its_error(kept: Client, error: str) -> None:
    ways = ["throw({})", "await throw_there({})"]
    if not error.startswith("Generator"):  # which a task takes for its own end
        ways.append("await asyncio.ensure_future(throw_there({}))")
    for code in ways:
        cell = kept.run(code.format(error))
        assert cell.error is not None
        assert cell.error["ename"] == error.partition("(")[0]
        kept.good("await asyncio.sleep(0.05)")
        assert "Exception in a task" not in cell.stderr


def test_a_cell_that_cancels_itself_says_so(kept: Client) -> None:
    cell = kept.run("asyncio.current_task().cancel(); await asyncio.sleep(5)")
    assert cell.error is not None
    assert cell.error["ename"] == "CancelledError"


def test_asyncio_run_in_a_cell_is_refused_as_in_ipykernel(kept: Client) -> None:
    cell = kept.run("asyncio.run(asyncio.sleep(0))")
    assert cell.error is not None
    assert "cannot be called from a running event loop" in cell.error["evalue"]


def test_many_tasks_that_exit(kept: Client) -> None:
    kept.good("tasks = [asyncio.ensure_future(throw_there(SystemExit(n))) for n in range(300)]")
    assert kept.good("await asyncio.sleep(0.1); all(task.done() for task in tasks)").text == "True"


def test_a_loop_that_was_closed_is_replaced(nb: Client) -> None:
    """The cell that awaited something in it is told, and so is whoever looks at the next."""
    nb.good(BEGIN)
    nb.good("""
def close():
    loop._thread_id = None  # it would refuse while it runs; from another thread its selector may wait for ever then
    loop.close()
""")
    cell = nb.run("loop.call_soon(close); await asyncio.sleep(60)")
    assert cell.error is not None
    assert "event loop was closed" in cell.error["evalue"]
    assert (
        nb.good("precious.append(await asyncio.sleep(0, 'new')); precious, loop.is_closed()").text == "(['new'], True)"
    )


def test_a_loop_that_can_only_fail_is_replaced(nb: Client) -> None:
    nb.good(BEGIN)
    nb.good("loop._run_once = lambda: throw(OSError('broken'))")
    assert nb.good("precious.append(await asyncio.sleep(0, 'new')); precious").text == "['new']"


def test_uvloop_and_other_policies_set_before_there_is_a_loop(
    new_kernel: Callable[..., Kernel], remote: Remote
) -> None:
    """Cells run in a loop of asyncio's own, whatever a policy would make."""
    nb = new_kernel().first
    connect(nb, remote)
    nb.good("import sys; kept = 1\nexec('import ' + 'asyncio', globals())\n"
            "class Loop(eval('async' + 'io').SelectorEventLoop): pass\n"
            "class Policy(eval('async' + 'io').DefaultEventLoopPolicy):\n    def new_event_loop(self): return Loop()\n"
            "eval('async' + 'io').set_event_loop_policy(Policy())")  # fmt: skip
    assert nb.good("type(asyncio.get_running_loop()).__module__, await asyncio.sleep(0, kept)").text == (
        "('asyncio.unix_events', 1)"
    )


def test_nested_loops_from_the_first_cell_on(new_kernel: Callable[..., Kernel], remote: Remote) -> None:
    """What is queued behind a nested loop runs afterwards, in order; the loop that was patched meanwhile goes on."""
    nb = new_kernel().first
    connect(nb, remote)
    first = nb.start("import nest_asyncio, asyncio\nnest_asyncio.apply()\nasyncio.run(asyncio.sleep(.3)); print('A')")
    others = [nb.start(f"print({name!r}); asyncio.run(asyncio.sleep(.01))") for name in "BCD"]
    assert [nb.finish(cell).stdout for cell in (first, *others)] == ["A\n", "B\n", "C\n", "D\n"]
    order = sorted((first, *others), key=lambda cell: cell.idle_at or 0)
    assert order == [first, *others]
    assert nb.good("asyncio.get_event_loop().run_until_complete(asyncio.sleep(.01, 'nested'))").text == "'nested'"
    stopped = nb.run("loop = asyncio.get_event_loop(); loop.call_later(.01, loop.stop)\n"
                     "loop.run_until_complete(asyncio.sleep(5))")  # fmt: skip
    assert stopped.error is not None
    assert stopped.error["evalue"] == "Event loop stopped before Future completed."
    cell = nb.start("print('ready'); asyncio.run(asyncio.sleep(60))")
    nb.wait_output(cell, "ready")
    assert nb.interrupted(cell) < 10
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert nb.good("await asyncio.sleep(.01, asyncio.run(asyncio.sleep(.01, 'both')))").text == "'both'"


@pytest.mark.parametrize("remote", ["plain"], indirect=True)
def test_a_signal_handler_that_raises_before_there_is_a_loop(fresh: Client) -> None:
    cell = fresh.good(
        "import signal\ndef late(*_): raise TimeoutError('alarm')\nnone = signal.signal(signal.SIGALRM, late)\n"
        "none = signal.setitimer(signal.ITIMER_REAL, 0.05)\nkept = 1"
    )
    fresh.wait_output(cell, "TimeoutError: alarm", 10)
    assert fresh.good("kept").text == "1"
    caught = fresh.run("import time\nnone = signal.setitimer(signal.ITIMER_REAL, 0.1)\ntime.sleep(20)", timeout=10)
    assert caught.error is not None
    assert caught.error["evalue"] == "alarm"
    assert fresh.good("signal.getsignal(signal.SIGALRM) is late, kept").text == "(True, 1)"


@pytest.mark.parametrize("remote", ["plain"], indirect=True)
def test_where_asyncio_is_missing_cells_run_without_a_loop(fresh: Client) -> None:
    fresh.good("import sys; sys.modules['async' + 'io'] = None; kept = 1")
    cell = fresh.run("import asyncio")
    assert cell.error is not None
    assert cell.error["ename"] == "ModuleNotFoundError"
    awaits = fresh.run("class A:\n    def __await__(self): yield 5\nawait A()")
    assert awaits.error is not None
    assert "no event loop" in awaits.error["evalue"]
    assert fresh.good("kept").text == "1"


def test_a_cell_that_has_just_imported_asyncio_by_itself_finds_a_running_loop(fresh: Client) -> None:
    """As a library does: nothing in the cell's text tells of it. What it has begun goes on when the cell has ended."""
    cell = fresh.good(
        "import importlib\n"
        "aio = importlib.import_module('asy' + 'ncio')\n"
        "begun = aio.get_running_loop().create_task(aio.sleep(0.01, 'slept'))\n"
        "aio.get_event_loop() is aio.get_running_loop()"
    )
    assert cell.text == "True"
    assert (
        fresh.good("import asyncio; asyncio.get_running_loop() is aio.get_event_loop() and await begun").text
        == "'slept'"
    )
