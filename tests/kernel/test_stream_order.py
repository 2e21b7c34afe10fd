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


def test_a_thread_prints_into_the_cell_that_started_it(nb: Client, gate: Gate) -> None:
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
    nb.wait_for(lambda: first.displays, 5, "what the thread displayed")
    assert first.stdout == "started\nfrom the thread\n"
    assert first.displays == [{"text/plain": "'shown by the thread'"}]
    assert second.stdout == "second\njoined\n"
    assert second.displays == []


def test_a_thread_prints_while_nothing_runs(nb: Client, gate: Gate) -> None:
    first = nb.good(
        f"import threading\ndef work():\n    exec({gate.wait!r})\n    print('late')\n"
        "threading.Thread(target=work).start()"
    )
    gate.open()
    nb.wait_output(first, "late\n", 5)
    assert first.at_idle == 0


def test_threads_of_threads_and_pools_belong_to_the_first_cell(nb: Client, gate: Gate) -> None:
    first = nb.good(
        "import threading, concurrent.futures\n"
        f"def inner():\n    exec({gate.wait!r})\n    print('inner')\n"
        "def outer(): t = threading.Thread(target=inner); t.start(); t.join()\n"
        "threading.Thread(target=outer).start()\n"
        "pool = concurrent.futures.ThreadPoolExecutor(1); future = pool.submit(inner)"
    )
    second = nb.start("future.result()")
    gate.open()
    nb.finish(second)
    nb.wait_for(lambda: first.stdout == "inner\ninner\n", 5, "both threads' output in the first cell")
    assert second.stdout == ""


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
