"""Processes that cells start: children of every kind work, print into the notebook and hold nothing open."""

import os
import re
import signal

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until
from tests.kernel.results import ANSI

pytestmark = pytest.mark.mainly("plain")

WAY = pytest.mark.parametrize("way", ["fork", "spawn", "forkserver"])


@WAY
def test_multiprocessing_pools_work(nb: Client, way: str) -> None:
    code = (
        f"import math, multiprocessing\nwith multiprocessing.get_context({way!r}).Pool(2) as pool:\n"
        "    r = pool.map(math.sqrt, [1, 4, 9])\nr"
    )
    assert nb.good(code, timeout=60).text == "[1.0, 2.0, 3.0]"


@WAY
def test_a_process_prints_into_the_notebook(nb: Client, way: str) -> None:
    code = (
        f"import multiprocessing\ncontext = multiprocessing.get_context({way!r})\n"
        "p = context.Process(target=print, args=('from', 'child'))\n"
        "p.start(); p.join()\nprint('exit', p.exitcode)"
    )
    cell = nb.good(code, timeout=60)
    assert sorted(cell.stdout.splitlines()) == ["exit 0", "from child"]


DEFINITIONS = """
from __future__ import annotations
import dataclasses, math
try:
    import no_such_module as fast
except ImportError:
    import math as fast
ADDED = 3
LIVE = object()
def square(x): return x * x + ADDED
@dataclasses.dataclass
class Point:
    x: int = 0
    def moved(self) -> Point: return Point(self.x + fast.floor(1.5))
def move(point): return point.moved()
def live(_): return LIVE
def fails(x): raise KeyError(x)
print('this runs once')
"""


@WAY
def test_a_process_knows_what_the_cells_define(nb: Client, way: str) -> None:
    assert nb.good(DEFINITIONS).stdout == "this runs once\n"
    pool = f"import multiprocessing\nwith multiprocessing.get_context({way!r}).Pool(1) as pool: r = pool.map"
    done = nb.good(f"{pool}(square, range(4)); moved = pool.map(move, [Point(1)])\nr, moved", timeout=60)
    assert done.text == "([3, 4, 7, 12], [Point(x=2)])"
    assert not done.stdout
    nb.good("%time 1\ndef square(x): return -x\ndef added_later(x): return square(x)")
    assert nb.good(f"{pool}(added_later, [5])\nr", timeout=60).text == "[-5]"
    failed = nb.run(f"{pool}(fails, ['x'])", timeout=60)
    assert (failed.error or {})["ename"] == "KeyError"
    if way != "fork":  # a variable that is no constant isn't there
        assert "LIVE" in (nb.run(f"{pool}(live, [1])", timeout=60).error or {})["evalue"]


def test_a_function_that_a_process_can_not_find_is_an_error_and_no_hang(nb: Client) -> None:
    code = (
        "import multiprocessing\nexec('def unknown(x): return x')\npool = multiprocessing.get_context('spawn').Pool(1)"
    )
    nb.good(code)
    failed = nb.run("pool.map(unknown, [1])", timeout=60)
    assert "unknown is not known in a process of multiprocessing" in (failed.error or {})["evalue"]
    # what was defined after the pool was made is known by none of its processes: the pool starts them anew, as Python's
    cell = nb.good("def too_late(x): return x\nlate = pool.map_async(too_late, [1])")
    nb.wait_for(lambda: "AttributeError" in cell.stderr, what="the failure of the process")
    assert nb.run("late.get(0.1)").error["ename"] == "TimeoutError"  # type: ignore[index]
    nb.good("pool.terminate(); pool.join()", timeout=60)


def test_a_script_in_the_background(nb: Client) -> None:
    nb.good("%%bash --bg --proc program --out out --err err\necho started; echo wrong >&2; exec sleep 120")
    assert nb.good("(await out.readline(), await err.readline(), program.returncode)").text == (
        "(b'started\\n', b'wrong\\n', None)"
    )
    assert nb.good("program.kill(); await program.wait(), program.returncode, await out.read()").text == "(-9, -9, b'')"


def test_a_process_pool_executor(nb: Client) -> None:
    code = (
        "import concurrent.futures, math, multiprocessing\n"
        "with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('fork')) as pool:\n"
        "    r = list(pool.map(math.factorial, [3, 4]))\nr"
    )
    assert nb.good(code).text == "[6, 24]"


def test_subprocesses(nb: Client) -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True).stdout"
    )
    assert nb.good(code).text == "'42\\n'"
    asynchronous = (
        "import asyncio\np = await asyncio.create_subprocess_exec('echo', 'async', stdout=asyncio.subprocess.PIPE)\n"
        "(await p.communicate())[0], p.returncode"
    )
    assert nb.good(asynchronous).text == "(b'async\\n', 0)"


def test_children_get_the_default_answer_to_signals(nb: Client) -> None:
    """SIGINT ignored, or a signal mask, would be inherited by every child."""
    code = (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'import signal; "
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, "
        "signal.pthread_sigmask(signal.SIG_BLOCK, []))'"
        "], capture_output=True, text=True).stdout"
    )
    assert nb.good(code).text == "'True set()\\n'"


def test_fork_in_a_cell(nb: Client) -> None:
    code = (
        "import os\npid = os.fork()\n"
        "if pid == 0:\n    print('child'); os.write(1, b'raw\\n'); os._exit(7)\n"
        "print('parent', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    cell = nb.good(code)
    assert sorted(cell.stdout.splitlines()) == ["child", "parent 7", "raw"]


def test_a_forked_child_that_runs_out_of_its_cell_ends(nb: Client) -> None:
    """Else two processes would answer for one notebook."""
    cell = nb.good("import os\npid = os.fork()\nif pid: done = os.waitpid(pid, 0)\nnone = None")
    assert nb.good("1").text == "1", "what a child has sent before it ended came before this"
    assert len(cell.of("error")) == 0
    assert nb.good("pid > 0 and os.getpid() != pid").text == "True"
    assert nb.good("'one answer'").of("execute_result")[0].content["data"]["text/plain"] == "'one answer'"


@pytest.mark.parametrize("before", ["", "import asyncio; await asyncio.sleep(0)"])
@pytest.mark.parametrize(
    ("ends", "status"), [("raise RuntimeError('in the child')", 1), ("sys.exit(3)", 3), ("sys.exit('why')", 1)]
)
def test_a_forked_child_that_fails_is_not_the_notebook(nb: Client, before: str, ends: str, status: int) -> None:
    code = f"import os, sys\n{before}\npid = os.fork()\nif pid == 0: {ends}\nos.waitpid(pid, 0)[1] >> 8"
    cell = nb.good(code)
    assert cell.text == str(status)
    assert len(cell.of("execute_result")) == 1
    if "Runtime" in ends:
        nb.wait_for(lambda: "RuntimeError: in the child" in ANSI.sub("", cell.stderr), what="the child's error")
    assert nb.good("pid > 0").text == "True"


def test_no_zombies_are_taken_from_the_user(nb: Client) -> None:
    """Nobody else may reap the user's children."""
    code = "import subprocess, time\np = subprocess.Popen(['sh', '-c', 'exit 3']); time.sleep(0.3)\np.wait()"
    assert nb.good(code).text == "3"


def test_a_class_of_a_cell_pickles(nb: Client) -> None:
    nb.good("import pickle, copy\nclass Point:\n    def __init__(self, x): self.x = x\ndef f(): return 5")
    assert nb.good("pickle.loads(pickle.dumps(Point(3))).x, pickle.loads(pickle.dumps(f))()").text == "(3, 5)"
    assert nb.good("Point.__module__, Point.__qualname__, copy.deepcopy(Point(4)).x").text == "('__main__', 'Point', 4)"


def test_source_of_a_cell_can_be_asked_for(nb: Client) -> None:
    nb.good("import inspect\ndef asked():\n    return 'source'  # here")
    assert nb.good("inspect.getsource(asked)").text == repr("def asked():\n    return 'source'  # here\n")


def test_dataclasses_and_annotations_of_cells(nb: Client) -> None:
    code = (
        "import dataclasses, typing\n@dataclasses.dataclass\nclass D:\n    a: int\n    b: 'D | None' = None\n"
        "typing.get_type_hints(D)['a'], D(1)"
    )
    assert nb.good(code).text == "(int, D(a=1, b=None))"


def test_warnings_show_once_with_their_line(nb: Client) -> None:
    cell = nb.good("import warnings\nfor i in range(3): warnings.warn('careful now')")
    assert cell.stderr.count("UserWarning: careful now") == 1
    assert cell.stdout == ""


def test_a_deprecation_in_a_cell_is_shown(nb: Client) -> None:
    """Python shows DeprecationWarning for `__main__`, which cells are."""
    assert "DeprecationWarning: old" in nb.good("import warnings\nwarnings.warn('old', DeprecationWarning)").stderr


def test_logging_shows(nb: Client) -> None:
    assert "logged" in nb.good("import logging\nlogging.getLogger('tests').warning('logged')").stderr
    cell = nb.good("logging.basicConfig(level='INFO', force=True)\nlogging.info('informed')")
    assert cell.stderr == "INFO:root:informed\n"


@pytest.mark.parametrize(
    "child", ["subprocess.Popen(['sleep', '300'])", "subprocess.Popen(['sleep', '300'], start_new_session=True)"]
)
def test_a_child_does_not_hold_the_session_open(kernel: Kernel, own_remote: Remote, child: str) -> None:
    """It has the session's pipes; the session ends all the same, and without a wait for it."""
    connect(kernel.first, own_remote)
    pid = int(str(kernel.first.good(f"import subprocess\np = {child}\np.pid").text))
    try:
        assert kernel.shutdown() < 5
        own = lambda: {each for each, line in own_remote.processes().items() if "sleep 300" not in line}  # noqa: E731
        assert wait_until(lambda: not own(), 10), own_remote.processes()
    finally:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_threads_do_not_hold_the_session_open(kernel: Kernel, own_remote: Remote) -> None:
    connect(kernel.first, own_remote)
    kernel.first.good("import threading, time\nthreading.Thread(target=time.sleep, args=(300,)).start()")
    assert kernel.shutdown() < 5
    assert wait_until(lambda: not own_remote.processes(), 10), own_remote.processes()


def test_atexit_runs_at_shutdown(kernel: Kernel, own_remote: Remote) -> None:
    connect(kernel.first, own_remote)
    mark = own_remote.work / "left"
    kernel.first.good(f"import atexit, pathlib\nnone = atexit.register(lambda: pathlib.Path({str(mark)!r}).touch())")
    kernel.shutdown()
    assert wait_until(mark.exists, 10)


def test_lines_of_forked_processes_are_whole(nb: Client) -> None:
    """Each goes out in one write; what has no end is written when the process ends, however it does."""
    code = """
import multiprocessing, os, sys
context = multiprocessing.get_context('fork')
def work(name):
    for n in range(100): print('fork', 'worker', name, n, flush=n % 2)
    print('end', 'of', name, end='.'); print(); print('last', name, end=';')
processes = [context.Process(target=work, args=(name,)) for name in 'abcd']
for each in processes: each.start()
for each in processes: each.join()
pid = os.fork()
if pid == 0:
    print('last e', end=';', file=sys.stderr)
    os._exit(0)
none = os.waitpid(pid, 0)
"""
    cell = nb.good(code)
    for name in "abcd":
        assert f"last {name};" in cell.stdout
    lines = re.sub(r"last [a-d];", "", cell.stdout).splitlines()
    wanted = [f"fork worker {name} {n}" for name in "abcd" for n in range(100)] + [f"end of {name}." for name in "abcd"]
    assert sorted(lines) == sorted(wanted)
    assert cell.stderr == "last e;"
