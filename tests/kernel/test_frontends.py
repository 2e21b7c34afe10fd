"""Front ends that people use, as their own processes: nbclient, papermill, `jupyter execute`, `jupyter console`."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import nbformat
import pexpect
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests import nursery
from tests.kernel.kernels import COMMAND, private_environment, write_kernelspec
from tests.kernel.remotes import Remote
from tests.kernel.results import plain

pytestmark = pytest.mark.mainly("ipython")

STARTS = """
import asyncio, concurrent.futures, threading
pool = concurrent.futures.ThreadPoolExecutor(1); pool.submit(print, 'pool').result()
async def later(): await asyncio.sleep(.3); print('task')
task = asyncio.ensure_future(later()); thread = threading.Timer(.3, print, ['thread']); thread.start()
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment in which the kernelspec `rpyc` is ours."""
    write_kernelspec(tmp_path / "share", COMMAND)
    return private_environment(tmp_path, JUPYTER_PATH=str(tmp_path / "share"), PYTHONUNBUFFERED="1")


@pytest.fixture
def notebook(remote: Remote, tmp_path: Path) -> Path:
    """A notebook that connects, prints, plots, fails on purpose where that is allowed, and ends with a value."""
    cells = [
        f'$connect("{remote.address}")\nimport os; print(os.environ["RK_WHERE"])',
        "for i in range(3): print('line', i)",
        "display({'text/html': '<b>bold</b>'}, raw=True)",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        "6 * 7",
        STARTS,
        "pool.submit(print, 'pool again').result(); await task; thread.join()",
    ]
    content = new_notebook(cells=[new_code_cell(each) for each in cells])
    content.metadata.kernelspec = {"name": "rpyc", "display_name": "Python (RPyC)", "language": "python"}
    path = tmp_path / "notebook.ipynb"
    nbformat.write(content, path)
    return path


def check(path: Path) -> None:
    """The outputs that the notebook has to have."""
    cells = nbformat.read(path, as_version=4).cells
    cells = [each for each in cells if "injected-parameters" not in each.metadata.get("tags", [])]
    assert [each.execution_count for each in cells] == sorted(each.execution_count for each in cells)
    assert cells[0].outputs[-1].text.endswith("there\n")
    assert "".join(o.text for o in cells[1].outputs) == "line 0\nline 1\nline 2\n"
    assert cells[2].outputs[0].data["text/html"] == "<b>bold</b>"
    assert [o.output_type for o in cells[3].outputs if "image/png" in o.get("data", {})] == ["display_data"]
    assert cells[4].outputs[0].data["text/plain"] == "42"
    if len(cells) > 5:
        assert "".join(o.text for o in cells[5].outputs) == "pool\n"
        assert sorted("".join(o.text for o in cells[6].outputs).splitlines()) == ["pool again", "task", "thread"]


def run(env: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    done = nursery.run(command, env=env, kernels=1)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_jupyter_execute(env: dict[str, str], notebook: Path) -> None:
    run(env, "-m", "jupyter", "execute", "--inplace", str(notebook))
    check(notebook)


def test_nbconvert_executes(env: dict[str, str], notebook: Path) -> None:
    run(env, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace", str(notebook))
    check(notebook)


def test_nbclient(env: dict[str, str], notebook: Path) -> None:
    program = (
        "import sys, nbformat; from nbclient import NotebookClient\n"
        "path = sys.argv[1]; nb = nbformat.read(path, as_version=4)\n"
        "NotebookClient(nb, timeout=100).execute(); nbformat.write(nb, path)"
    )
    run(env, "-c", program, str(notebook))
    check(notebook)


def test_nbclient_reports_an_error(env: dict[str, str], notebook: Path) -> None:
    content = nbformat.read(notebook, as_version=4)
    content.cells = [content.cells[0], new_code_cell("1/0"), new_code_cell("print('must not run')")]
    nbformat.write(content, notebook)
    program = (
        "import sys, nbformat; from nbclient import NotebookClient\n"
        "from nbclient.exceptions import CellExecutionError\n"
        "nb = nbformat.read(sys.argv[1], as_version=4)\n"
        "try: NotebookClient(nb, timeout=100).execute()\n"
        "except CellExecutionError as e: print('caught', e.ename, len(nb.cells[2].outputs))"
    )
    assert "caught ZeroDivisionError 0" in run(env, "-c", program, str(notebook)).stdout


def test_papermill_with_parameters(env: dict[str, str], notebook: Path, tmp_path: Path) -> None:
    """Its injected cell stands behind the one tagged `parameters`, here the second."""
    content = nbformat.read(notebook, as_version=4)
    content.cells[1].metadata.tags = ["parameters"]
    content.cells[4].source = "factor * 7"
    nbformat.write(content, notebook)
    result = tmp_path / "result.ipynb"
    run(env, "-m", "papermill", str(notebook), str(result), "-p", "factor", "6", "--no-progress-bar")
    check(result)


@pytest.fixture
def console(env: dict[str, str], tmp_path: Path) -> pexpect.spawn:  # type: ignore[type-arg]
    """`jupyter console --kernel rpyc` in a terminal."""
    spawned = pexpect.spawn(
        sys.executable,
        [
            "-m",
            "jupyter",
            "console",
            "--kernel",
            "rpyc",
            "--simple-prompt",
            "--ZMQTerminalInteractiveShell.kernel_timeout=60",
        ],
        env={**env, "TERM": "dumb", "COLUMNS": "200"},
        encoding="utf-8",
        timeout=30,
        dimensions=(40, 200),
        cwd=str(tmp_path),
    )
    spawned.logfile_read = io.StringIO()
    yield spawned
    spawned.close(force=True)


def test_jupyter_console(console: pexpect.spawn[str], remote: Remote) -> None:  # type: ignore[type-var]
    console.expect(r"In \[1\]: ")
    console.sendline(f'$connect("{remote.address}")')
    console.expect(r"In \[2\]: ")
    assert remote.address in plain(console.before)
    console.sendline("import os; os.environ['RK_WHERE']")
    console.expect(r"Out\[2\]: .*'there'")
    console.expect(r"In \[3\]: ")
    console.sendline("name = input('Who? ')")
    console.expect(r"Who\? ")
    console.sendline("me")
    console.expect(r"In \[4\]: ")
    console.sendline("print('hello', name)")
    console.expect(r"hello me")
    console.expect(r"In \[5\]: ")
    console.sendline("1/0")
    console.expect("ZeroDivisionError")
    console.expect(r"In \[6\]: ")
    console.sendline("import time; print('rea' + 'dy'); time.sleep(60)")
    console.expect("ready")
    console.sendintr()
    console.expect("KeyboardInterrupt")
    console.expect(r"In \[7\]: ")
    console.sendline("name")
    console.expect("'me'")
    console.expect(r"In \[8\]: ")
    console.sendeof()
    index = console.expect([r"\(\[?y\]?/\[?n\]?\)", pexpect.EOF])
    if index == 0:
        console.sendline("y")
        console.expect(pexpect.EOF)
