"""stdout, stderr and displays keep the order in which Python wrote them, and go to the cell that wrote them."""

import os
import random

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import ALSO_SPAWNED
from tests.kernel.gates import Gate

pytestmark = ALSO_SPAWNED

CELLS = 40 if os.environ.get("RPYC_KERNEL_TESTS_FULL") else 6

SHOWN = """
import os, sys, subprocess
class Shown:
    def __init__(self, n): self.n = n
    def __repr__(self): return f"shown {self.n}"
"""


def random_cell(seed: int, operations: int = 200) -> tuple[str, list[tuple[str, str]]]:
    """A cell that writes in random order, flushing seldom, and what a page must then show."""
    rng = random.Random(seed)
    lines, shown = [], []
    for i in range(operations):
        kind = rng.choice(["stdout", "stdout", "stderr", "display_data", "flush"])
        end = rng.choice(["", "\n", " ", "\r"])
        if kind == "flush":
            lines.append(f"sys.{rng.choice(['stdout', 'stderr'])}.flush()")
            continue
        if kind == "display_data":
            lines.append(f"display(Shown({i}))")
            shown.append((kind, f"shown {i}"))
            continue
        text = f"{kind[3:]} {i}{end}"
        lines.append(f"none = sys.{kind}.write({text!r})")
        if shown and shown[-1][0] == kind:
            shown[-1] = (kind, shown[-1][1] + text)
        else:
            shown.append((kind, text))
    return "\n".join(lines), shown


@pytest.mark.parametrize("seed", range(CELLS))
def test_random_output_keeps_its_order(nb: Client, seed: int) -> None:
    code, shown = random_cell(seed)
    nb.good(SHOWN)
    assert nb.good(code).script == shown


@pytest.mark.parametrize("seed", range(CELLS))
def test_foreign_output_keeps_its_order_too(nb: Client, seed: int) -> None:
    """What is written to the descriptors behind Python's back, between the lines that Python writes."""
    rng = random.Random(1000 + seed)
    lines, shown = ["import os, sys, subprocess"], []
    for i in range(60):
        kind, fd = rng.choice([("stdout", 1), ("stderr", 2)])
        text = f"{i} "
        way = rng.choice(["python", "python", "raw", "raw", "child"])
        if way == "python":
            text = f"{i}\n"
            lines.append(f"none = sys.{kind}.write({text!r})")
        elif way == "raw":
            lines.append(f"none = os.write({fd}, {text.encode()!r})")
        else:
            text = f"{i}\n"
            lines.append(f"none = subprocess.run(['sh', '-c', 'echo {i} >&{fd}'])")
        shown.append((kind, text))
    cell = nb.good("\n".join(lines))
    for kind in ("stdout", "stderr"):
        assert getattr(cell, kind) == "".join(text for each, text in shown if each == kind)


def test_the_last_value_comes_after_the_output(nb: Client) -> None:
    code = "import sys\nprint('a', end='')\nprint('b', end='', file=sys.stderr)\nprint('c', end='')\n'd'"
    assert nb.good(code).script == [("stdout", "a"), ("stderr", "b"), ("stdout", "c"), ("execute_result", "'d'")]


def test_an_error_comes_after_the_output(nb: Client) -> None:
    assert nb.run("print('a', end='')\n1/0").script == [("stdout", "a"), ("error", "ZeroDivisionError")]


def test_a_thread_that_nobody_claims_prints_into_the_cell_that_runs(nb: Client, gate: Gate) -> None:
    """As in ipykernel 7: it may serve all cells, and who runs a notebook without a page sees no cell that has ended."""
    first = nb.good(
        "import threading\n"
        f"def work():\n    exec({gate.wait!r})\n    print('from the thread')\n    display('shown by the thread')\n"
        "thread = threading.Thread(target=work); thread.start()\nprint('started')"
    )
    assert first.stdout == "started\n"
    second = nb.start("print('second'); thread.join(); print('joined')")
    nb.wait_output(second, "second\n")
    gate.open()
    nb.finish(second)
    assert second.stdout == "second\nfrom the thread\njoined\n"
    assert second.displays == [{"text/plain": "'shown by the thread'"}]
    assert first.stdout == "started\n"
    assert first.displays == []


SERVED = {
    "pool": (
        "import concurrent.futures\npool = concurrent.futures.ThreadPoolExecutor(1)\n"
        "def tell(text): pool.submit(print, text).result()"
    ),
    "loop.run_in_executor": (
        "import asyncio\nasync def wait(text): await asyncio.get_running_loop().run_in_executor(None, print, text)\n"
        "def tell(text): return asyncio.ensure_future(wait(text))"
    ),
    "ThreadPool": (
        "from multiprocessing.pool import ThreadPool\npool = ThreadPool(1)\ndef tell(text): pool.apply(print, (text,))"
    ),
    "QueueListener": (
        "import logging, logging.handlers, queue, sys\nq = queue.Queue(); log = logging.getLogger('served')\n"
        "log.setLevel('INFO'); log.propagate = False; log.handlers[:] = [logging.handlers.QueueHandler(q)]\n"
        "listener = logging.handlers.QueueListener(q, logging.StreamHandler(sys.stdout)); listener.start()\n"
        "def tell(text):\n    log.info(text)\n    while q.unfinished_tasks: pass"
    ),
    "worker": (
        "import queue, threading\nq = queue.Queue()\ndef serve():\n    while True: print(q.get()); q.task_done()\n"
        "def outer(): threading.Thread(target=serve, daemon=True).start()\n"
        "threading.Thread(target=outer).start()\ndef tell(text): q.put(text); q.join()"
    ),
}


@pytest.mark.parametrize("served", SERVED)
def test_a_thread_that_serves_all_cells_prints_for_the_one_that_runs(nb: Client, served: str) -> None:
    awaits = "await " if "loop" in served else ""
    first = nb.good(f"{SERVED[served]}\nnone = {awaits}tell('first')")
    second = nb.good(f"none = {awaits}tell('second')")
    third = nb.good(f"none = {awaits}tell('third')")
    assert [cell.stdout for cell in (first, second, third)] == ["first\n", "second\n", "third\n"]


STARTED = {
    "thread": "t = threading.Thread(target=late); t.start()\n    while t.is_alive(): await asyncio.sleep(.01)",
    "executor": "await asyncio.get_running_loop().run_in_executor(None, late)",
    "to_thread": "await asyncio.to_thread(late)",
    "thread of a thread": "await asyncio.to_thread(outer)",
    "callback": "asyncio.get_running_loop().call_soon(late); await asyncio.sleep(.05)",
}


@pytest.mark.parametrize("started", STARTED)
def test_what_a_task_has_started_stays_with_its_cell(nb: Client, gate: Gate, started: str) -> None:
    first = nb.good(
        "import asyncio, threading\ndef late(): print('late')\n"
        "def outer(): t = threading.Thread(target=late); t.start(); t.join()\n"
        f"async def work():\n{gate.wait_async}    {STARTED[started]}\ntask = asyncio.create_task(work())"
    )
    second = nb.start("print('second')\nawait task")
    nb.wait_output(second, "second\n")
    gate.open()
    nb.finish(second)
    nb.wait_output(first, "late\n", 5)
    assert second.stdout == "second\n"
    assert nb.good("await asyncio.get_running_loop().run_in_executor(None, print, 'third')").stdout == "third\n"


def test_a_thread_may_claim_a_cell(nb: Client, gate: Gate) -> None:
    first = nb.good(
        "import sys, threading\nparent = get_ipython().kernel.get_parent()\n"
        f"def work():\n    token = sys.stdout.set_thread_parent(parent)\n    exec({gate.wait!r})\n"
        "    print('claimed'); sys.stdout.reset_thread_parent(token); print('free')\n"
        "thread = threading.Thread(target=work); thread.start()"
    )
    second = nb.start("print('second'); thread.join()")
    nb.wait_output(second, "second\n")
    gate.open()
    nb.finish(second)
    nb.wait_output(first, "claimed\n", 5)
    assert second.stdout == "second\nfree\n"


def test_a_thread_that_asks_for_its_cell_is_given_that_which_started_it(nb: Client, gate: Gate) -> None:
    """An ``Output`` widget asks for it, and has the page take what is printed there then."""
    first = nb.good(
        "import threading\n"
        f"def work():\n    exec({gate.wait!r})\n    ids.append(get_ipython().kernel.get_parent()['header']['msg_id'])\n"
        "    print('caught')\nids = []; thread = threading.Thread(target=work); thread.start()"
    )
    second = nb.start("print('second'); thread.join(); ids")
    nb.wait_output(second, "second\n")
    gate.open()
    nb.finish(second)
    nb.wait_output(first, "caught\n", 5)
    assert second.text == repr([first.id])


def test_a_front_end_that_takes_nothing_late_has_it_in_the_cell_that_runs(nb: Client, gate: Gate) -> None:
    """As nbclient and papermill: they can't be asked, and keep only what comes for the cell that they run."""
    first = nb.good(
        "import asyncio, threading\nasync def work():\n"
        f"{gate.wait_async}    print('from the task'); display('shown')\ntask = asyncio.create_task(work())",
        allow_stdin=False,
    )
    second = nb.start("print('second')\nawait task", allow_stdin=False)
    nb.wait_output(second, "second\n")
    gate.open()
    nb.finish(second)
    assert second.stdout == "second\nfrom the task\n"
    assert second.displays == [{"text/plain": "'shown'"}]
    assert first.stdout == ""


def test_a_silent_request_takes_nothing_from_threads(nb: Client, gate: Gate) -> None:
    """Front ends send such to look at variables, and throw away what comes back."""
    first = nb.good(
        f"import threading\ndef work():\n    exec({gate.wait!r})\n    print('seen')\n"
        "thread = threading.Thread(target=work); thread.start()"
    )
    silent = nb.start("thread.join()", silent=True)
    gate.open()
    nb.finish(silent)
    nb.wait_output(first, "seen\n", 5)
    assert silent.stdout == ""


def test_a_thread_prints_while_nothing_runs(nb: Client, gate: Gate) -> None:
    first = nb.good(
        f"import threading\ndef work():\n    exec({gate.wait!r})\n    print('late')\n"
        "threading.Thread(target=work).start()"
    )
    gate.open()
    nb.wait_output(first, "late\n", 5)
    assert first.at_idle == 0


def test_an_error_in_a_thread_shows_in_its_cell(nb: Client) -> None:
    cell = nb.good("import threading\nt = threading.Thread(target=lambda: 1/0); t.start(); t.join()")
    nb.wait_output(cell, "ZeroDivisionError: division by zero", 5)


def test_a_task_prints_into_the_cell_that_started_it(nb: Client, gate: Gate) -> None:
    first = nb.good(
        "import asyncio\n"
        f"async def work():\n    print('begun')\n{gate.wait_async}    print('from the task')\n"
        "task = asyncio.create_task(work())\nawait asyncio.sleep(0)\nprint('started')"
    )
    assert first.stdout == "begun\nstarted\n"
    second = nb.start("print('second')\nawait task\nprint('awaited')")
    nb.wait_output(second, "second\n")
    gate.open()
    nb.finish(second)
    nb.wait_output(first, "from the task\n", 5)
    assert second.stdout == "second\nawaited\n"


def test_a_child_that_is_left_behind_prints_somewhere(nb: Client, gate: Gate) -> None:
    """A process has no cell; its output must only not be lost, nor hold a cell back."""
    first = nb.good(
        "import subprocess\nchild = subprocess.Popen(['sh', '-c', "
        f"'while [ ! -e {gate.path} ]; do sleep 0.02; done; echo from the child'])"
    )
    gate.open()
    second = nb.good("child.wait()")
    nb.wait_for(lambda: "from the child\n" in first.stdout + second.stdout, 5, "the child's output")
