"""`rpyc-kernel run`: the notebook that it writes, errors, Ctrl-C and a link that breaks, on a real server."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import nbformat
import pexpect
import pytest
from nbformat.v4 import new_markdown_cell

from tests.batch.commands import LINE
from tests.batch.notebooks import results, texts, write
from tests.faults.proxy import Proxy
from tests.kernel.gates import Gate
from tests.kernel.remotes import processes_with, wait_until

pytestmark = pytest.mark.needs("linux")


def test_the_notebook_that_comes_of_it(start, remote, tmp_path):
    path = write(
        tmp_path,
        ("a = 1\nb = 2", "parameters"),
        "import os\nprint(os.environ['RK_WHERE'], os.getcwd() == os.environ['HOME'])\na, b",
        "%%local\nimport os\nprint('here', 'RK_WHERE' in os.environ, os.path.basename(os.getcwd()))",
        "shown = display('old', display_id='d')",
        "update_display('new', display_id='d')",
        "import time\nprint('gone')\nfrom IPython.display import clear_output\nclear_output()\nprint('left')",
    )
    before = path.read_bytes()
    command = start("run", path, "--on", remote.address, "-p", "a=7", "--parameter", "b=x y")
    assert command.end() == 0
    assert path.read_bytes() == before
    assert command.out == f"The outputs are in {tmp_path}/walk.out.ipynb.\n"
    notebook = nbformat.read(tmp_path / "walk.out.ipynb", 4)
    nbformat.validate(notebook)
    assert [texts(cell) for cell in notebook.cells] == [
        [],
        [],
        ["there False\n", "(7, 'x y')"],
        [f"here False {tmp_path.name}\n"],
        ["'new'"],
        [],
        ["left\n"],
    ]
    assert notebook.cells[1].metadata.tags == ["injected-parameters"]
    assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3, 4, 5, 6, 7]
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info.name == "python"
    lines = command.err.splitlines()
    assert [line.split()[:2] for line in lines] == [[f"[{number}/7]", "ok"] for number in range(1, 8)]
    assert lines[2].endswith(" import os")
    assert wait_until(lambda: not remote.processes())


def test_it_stops_at_the_first_error(start, remote, tmp_path):
    path = write(tmp_path, ("1/0", "raises-exception"), "print('on')", "def f(): return nothing\nf()", "print('never')")
    command = start("run", path, "--on", remote.address, "-o", tmp_path / "result.ipynb")
    assert command.end() == 1
    assert results(tmp_path / "result.ipynb") == [["ZeroDivisionError"], ["on\n"], ["NameError"], []]
    assert [line.split()[1] for line in command.err.splitlines()[:3]] == ["raised", "ok", "failed"]
    assert "NameError: name 'nothing' is not defined" in command.err
    assert "\x1b" not in command.err
    assert command.out == f"The outputs are in {tmp_path}/result.ipynb.\n"
    last = nbformat.read(tmp_path / "result.ipynb", 4).cells[3]
    assert last.execution_count is None


def test_in_place(start, remote, tmp_path):
    path = write(tmp_path, "1 + 1")
    assert start("run", path, "--on", remote.address, "-o", path).end() == 0
    assert results(path) == [["2"]]
    assert [*tmp_path.glob("*.ipynb*")] == [path]


def test_a_machine_that_is_not_there(start, tmp_path):
    path = write(tmp_path, "1 + 1", "2")
    command = start("run", path, "--on", "127.0.0.1:1")
    assert command.end() == 1
    assert "No server is listening on 127.0.0.1:1" in command.err
    assert results(tmp_path / "walk.out.ipynb") == [["NobodyListeningError"], []]


def test_it_goes_on_across_a_lost_link(start, remote, tmp_path):
    gate = Gate(tmp_path)
    path = write(tmp_path, "print('one')", f"print('before', flush=True)\n{gate.wait}print('after')", "print('last')")
    with Proxy(remote.port) as proxy:
        command = start("run", path, "--on", proxy.address)
        command.until("[1/3]", "err")
        wait_until(lambda: proxy.connections == 2)
        proxy.cut()
        gate.open()
        assert command.end() == 0
        assert proxy.cuts > 0
    found = results(tmp_path / "walk.out.ipynb")
    assert [found[0], found[2]] == [["one\n"], ["last\n"]]
    assert "".join(text for text in found[1] if "link to" not in text) == "before\nafter\n"


def running(tmp_path):
    """The code by which a cell says that it runs."""
    return f"open({str(tmp_path / 'runs')!r}, 'w').close()\n"


def test_control_c_interrupts_the_cell_and_keeps_what_was(start, remote, tmp_path):
    code = f"import time\nprint('began')\ntry:\n    {running(tmp_path)}    time.sleep(60)\nfinally:\n    print('ended')"
    path = write(tmp_path, "print('one')", (code, "raises-exception"), "print('never')")
    command = start("run", path, "--on", remote.address)
    assert wait_until((tmp_path / "runs").exists, 60)
    command.signal(signal.SIGINT)
    assert command.end() == 130
    assert results(tmp_path / "walk.out.ipynb")[0] == ["one\n"]
    assert "".join(results(tmp_path / "walk.out.ipynb")[1]) == "began\nended\nKeyboardInterrupt"
    assert results(tmp_path / "walk.out.ipynb")[2] == []
    assert wait_until(lambda: not remote.processes())


@pytest.mark.parametrize(("signals", "code"), [((signal.SIGINT, signal.SIGINT), 130), ((signal.SIGTERM,), 143)])
def test_what_ends_the_run_ends_its_session(start, remote, tmp_path, signals, code):
    swallows = f"import time\nwhile True:\n    try:\n        {running(tmp_path)}        time.sleep(60)\n"
    swallows += "    except KeyboardInterrupt:\n        pass"
    path = write(tmp_path, "print('one')", swallows, "print('never')")
    command = start("run", path, "--on", remote.address)
    for number in signals:
        assert wait_until((tmp_path / "runs").exists, 60)
        (tmp_path / "runs").unlink()
        command.signal(number)
    assert command.end() == code, command.err
    assert results(tmp_path / "walk.out.ipynb")[0] == ["one\n"]
    assert "Traceback" not in command.err
    assert wait_until(lambda: not remote.processes())


def test_the_notebook_goes_to_stdout_and_the_progress_to_stderr(start, remote, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, "print('one')", "1/0", "2")
    command = start("run", path, "--on", remote.address, "-o", "-")
    assert command.end() == 1
    notebook = nbformat.reads(command.out, 4)
    nbformat.validate(notebook)
    assert [texts(cell) for cell in notebook.cells] == [["one\n"], ["ZeroDivisionError"], []]
    assert command.err.startswith("[1/3] ok ")
    assert [*tmp_path.glob("*.ipynb"), *tmp_path.glob("-")] == [path]
    refused = start("run", path, "--on", remote.address, "-o", "-", "--detach")
    assert (refused.end(), refused.out) == (2, "")
    assert "fetch SESSION -o -" in refused.err


def test_an_open_port_is_told_of_once_for_each_machine_and_not_in_a_cell(start, remote, tmp_path):
    path = write(tmp_path, "print('one')")
    for expected in ("Mind that whoever reaches 0.0.0.0:", "[1/1] ok"):
        command = start("run", path, "--on", f"0.0.0.0:{remote.port}")
        assert command.end() == 0
        assert command.err.startswith(expected)
        assert results(tmp_path / "walk.out.ipynb") == [["one\n"]]


def test_a_signal_while_the_kernel_begins_leaves_no_kernel(start, remote, tmp_path):
    command = start("run", write(tmp_path, "1"), "--on", remote.address, env={"RK_BEGINS": tmp_path.name})

    def kernels():
        return [line for line in processes_with("RK_BEGINS", tmp_path.name).values() if "-m rpyc_kernel" in line]

    assert wait_until(kernels, 60)
    command.signal(signal.SIGTERM)
    assert command.end() == 143
    assert wait_until(lambda: not kernels())


def test_a_kernel_that_dies_is_a_sentence(start, remote, tmp_path):
    path = write(tmp_path, "print('one')", "%%local\nimport os\nos._exit(3)", "print('never')")
    command = start("run", path, "--on", remote.address)
    assert command.end() == 1
    assert command.err.endswith("The kernel of this run has died; what its cell gave out until then is kept.\n")
    assert results(tmp_path / "walk.out.ipynb") == [["one\n"], [], []]


def test_no_secret_is_in_an_argument_a_variable_or_the_notebook(start, remote, tmp_path):
    gate = Gate(tmp_path)
    path = write(tmp_path, f"import os\n{running(tmp_path)}{gate.wait}len(os.environ['TOKEN'])")
    command = start(
        "run", path, "--on", remote.address, "--env", "TOKEN", env={"TOKEN": "s3cr3tT0ken", "RK_SECRET": tmp_path.name}
    )
    assert wait_until((tmp_path / "runs").exists, 60)
    for pid in processes_with("RK_SECRET", tmp_path.name):
        assert b"s3cr3t" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    gate.open()
    assert command.end() == 0
    assert results(tmp_path / "walk.out.ipynb") == [["11"]]
    assert "s3cr3t" not in (tmp_path / "walk.out.ipynb").read_text() + command.err + command.out


def test_a_terminal_shows_a_bar(remote, tmp_path, private_jupyter):
    gate = Gate(tmp_path)
    path = write(tmp_path, "'[b]first[/b]'", f"# waits\n{running(tmp_path)}{gate.wait}1/0")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm-256color", "COLUMNS": "100"}
    with pexpect.spawn(
        sys.executable, ["-c", LINE, "run", str(path), "--on", remote.address], env=env, encoding="utf-8", timeout=60
    ) as terminal:
        terminal.expect("1/2.*━.*open")
        gate.open()
        terminal.expect(pexpect.EOF)
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.before)
        terminal.wait()
    assert terminal.exitstatus == 1
    assert "[2/2] failed" in shown
    assert "\x1b[31m" in terminal.before
    assert "ZeroDivisionError" in shown


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["missing.ipynb", "--on", "pi"], 1, "missing.ipynb can't be read (No such file or directory)."),
        (["text.ipynb", "--on", "pi"], 1, "is no notebook"),
        (["walk.ipynb", "--on", "http://pi"], 2, "web page"),
        (["walk.ipynb"], 2, "--on"),
        (["walk.ipynb", "--on", "pi", "-p", "x"], 2, "name=value"),
        (["walk.ipynb", "--on", "pi", "-p", "class=1"], 2, "name=value"),
        (["walk.ipynb", "--on", "pi", "-o", "."], 2, "is a folder"),
        (["walk.ipynb", "--on", "pi", "-o", "missing/x.ipynb"], 1, "missing/x.ipynb can't be written"),
    ],
)
def test_what_is_refused_runs_nothing(start, tmp_path, monkeypatch, argv, code, words):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "1")
    Path("text.ipynb").write_text("no notebook")
    command = start("run", *argv)
    assert (command.end(), command.out) == (code, "")
    assert words in command.err
    assert command.err.count("\n") == 1
    assert sorted(each.name for each in tmp_path.glob("*.ipynb")) == ["text.ipynb", "walk.ipynb"]


def test_a_notebook_without_a_place_for_parameters_says_so(start, remote, tmp_path):
    path = write(tmp_path, "a")
    notebook = nbformat.read(path, 4)
    notebook.cells.insert(0, new_markdown_cell("# A walk"))
    nbformat.write(notebook, path)
    command = start("run", path, "--on", remote.address, "-p", "a=5")
    assert command.end() == 0
    assert "has no cell tagged parameters" in command.err
    assert results(tmp_path / "walk.out.ipynb") == [[], ["5"]]
