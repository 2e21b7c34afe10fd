"""Top-level await, and a loop that goes on between cells."""

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import SPAWNED_IN_SOAK
from tests.kernel.gates import Gate

pytestmark = SPAWNED_IN_SOAK


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("import asyncio\nawait asyncio.sleep(0.01, 'slept')", "'slept'"),
        ("x = await asyncio.sleep(0, 5)\nx", "5"),
        ("[await asyncio.sleep(0, i) for i in range(3)]", "[0, 1, 2]"),
        ("async def gen():\n    for i in range(3): yield i\n[i async for i in gen()]", "[0, 1, 2]"),
        ("got = []\nasync for i in gen(): got.append(i)\ngot", "[0, 1, 2]"),
        ("lock = asyncio.Lock()\nasync with lock: held = lock.locked()\nheld", "True"),
        ("await asyncio.gather(*(asyncio.sleep(0, i) for i in range(3)))", "[0, 1, 2]"),
        ("await asyncio.to_thread(lambda: 'threaded')", "'threaded'"),
    ],
)
def test_await_at_the_top_of_a_cell(nb: Client, code: str, value: str) -> None:
    nb.good("import asyncio\nasync def gen():\n    for i in range(3): yield i")
    assert nb.good(code).text == value


def test_names_that_an_async_cell_binds_stay(nb: Client) -> None:
    nb.good("import asyncio\nbound = await asyncio.sleep(0, 'bound')\ndef f(): return bound\nclass C: value = bound")
    assert nb.good("f(), C.value, bound").text == "('bound', 'bound', 'bound')"


def test_one_loop_for_all_cells(nb: Client) -> None:
    nb.good("import asyncio\nloop = asyncio.get_running_loop()")
    assert nb.good("await asyncio.sleep(0)\nasyncio.get_running_loop() is loop").text == "True"


def test_a_task_goes_on_between_cells_and_in_the_next(nb: Client, gate: Gate) -> None:
    first = nb.good(
        "import asyncio\nasync def ticker():\n    n = 0\n    while True:\n"
        "        n += 1; print('tick', n); await asyncio.sleep(0.02)\n"
        "task = asyncio.create_task(ticker())\nawait asyncio.sleep(0)"
    )
    seen = first.stdout.count("tick")
    nb.wait_for(lambda: first.stdout.count("tick") > seen + 2, 5, "ticks while nothing runs")
    second = nb.start(
        f"import asyncio, os\nwhile not os.path.exists({str(gate.path)!r}): await asyncio.sleep(0.01)\nprint('2')"
    )
    nb.wait_for(lambda: second.input is not None)
    seen = first.stdout.count("tick")
    nb.wait_for(lambda: first.stdout.count("tick") > seen + 2, 5, "ticks while the next cell runs")
    gate.open()
    assert nb.finish(second).stdout == "2\n"
    nb.good("none = task.cancel()")


def test_an_error_in_a_task_harms_nothing(nb: Client) -> None:
    nb.good("import asyncio\nasync def fail(): raise ValueError('in a task')\ntask = asyncio.create_task(fail())")
    assert nb.good("await asyncio.sleep(0.01)\ntask.done()").text == "True"
    caught = nb.run("await task")
    assert caught.error is not None
    assert caught.error["evalue"] == "in a task"


def test_a_cell_that_awaits_counts_and_remembers_as_any(nb: Client) -> None:
    cell = nb.good("import asyncio\nawait asyncio.sleep(0, 'value')")
    assert nb.good("_").text == cell.text == "'value'"


def test_await_of_nothing_that_can_be_awaited(nb: Client) -> None:
    cell = nb.run("await 5")
    assert cell.error is not None
    assert cell.error["ename"] == "TypeError"


def test_asyncio_run_in_a_thread(nb: Client) -> None:
    code = (
        "import asyncio, threading\nbox = []\n"
        "t = threading.Thread(target=lambda: box.append(asyncio.run(asyncio.sleep(0, 'own loop'))))\n"
        "t.start(); t.join()\nbox"
    )
    assert nb.good(code).text == "['own loop']"
