"""IPython's own configuration on the other machine: profile, startup files, extensions, and what `%store` keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote

CONFIG = """c = get_config()
c.InteractiveShell.ast_node_interactivity = "all"
c.InteractiveShellApp.exec_lines = ["from_line = 'line'"]
c.IPKernelApp.extensions = ["mine"]
c.StoreMagics.autorestore = True
"""


@pytest.fixture
def with_ipython() -> Iterator[Remote]:
    """A machine with IPython, whose home is this test's own."""
    with Remote("ipython") as server:
        yield server


@pytest.fixture(scope="module")
def notebook() -> Iterator[Client]:
    """A notebook on such a machine, for tests that leave nothing behind."""
    with Remote("ipython") as server, Kernel() as client:
        connect(client, server)
        yield client


def profile(remote: Remote, name: str = "default", **files: str) -> Path:
    """Write files into an IPython profile; a name begins with what folder it is in."""
    folder = remote.home / ".ipython" / f"profile_{name}"
    for path, text in files.items():
        file = folder / path.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".ipy" if "ipy_" in file.name else ".py").write_text(text)
    return folder


def test_the_profile_of_the_other_machines_user_is_taken(kernel: Kernel, with_ipython: Remote) -> None:
    nb = kernel.first
    profile(
        with_ipython,
        ipython_config=CONFIG,
        ipython_kernel_config="c.InteractiveShellApp.exec_lines.append(\"from_kernel = 'kernel'\")\n",
        startup__10_first="from_startup = 'startup'; print('said at the start')",
        startup__20_ipy_second="%env FROM_IPY=ipy",
    )
    (with_ipython.work / "mine.py").write_text("def load_ipython_extension(ip): ip.push({'from_extension': 'mine'})\n")
    connect(nb, with_ipython)
    cell = nb.good("from_startup, from_line, from_kernel, from_extension\nimport os; os.environ['FROM_IPY']")
    assert cell.stdout == "said at the start\nenv: FROM_IPY=ipy\n", "in the first cell"
    assert [shown.content["data"]["text/plain"] for shown in cell.of("execute_result")] == [
        "('startup', 'line', 'kernel', 'mine')",
        "'ipy'",
    ]
    assert "said at the start" not in nb.good("2").stdout
    assert "from_startup" not in nb.good("%who_ls").text
    nb.good("%restart")
    assert nb.good("from_startup").text == "'startup'", "a fresh Python begins likewise"


def test_what_fails_in_a_configuration_is_shown_and_no_harm(kernel: Kernel, with_ipython: Remote) -> None:
    nb = kernel.first
    profile(
        with_ipython,
        ipython_config="c.InteractiveShell.ast_node_interactivity = 17\nc.IPKernelApp.extensions = ['nowhere']\n",
        ipython_kernel_config="1/0",
        startup__10_bad="def deep(): raise SystemExit(3)\ngood = 1\ndeep()",
    )
    connect(nb, with_ipython)
    cell, queued = nb.start("good"), nb.start("good + 1")
    nb.finish(queued)
    assert (cell.status, cell.text, queued.text) == ("ok", "1", "2")
    assert cell.error is None
    for text in ("ipython_kernel_config.py", "ZeroDivisionError", "ast_node_interactivity", "SystemExit"):
        assert text in cell.stderr
    assert "rpyc_kernel/" not in cell.stderr


def test_a_startup_file_that_hangs_is_stopped(kernel: Kernel, with_ipython: Remote) -> None:
    nb = kernel.first
    profile(with_ipython, startup__10_slow="import time; print('waits', flush=True); time.sleep(60)")
    connect(nb, with_ipython)
    cell = nb.start("'the cell'")
    nb.wait_output(cell, "waits")
    assert nb.interrupted(cell) < 10
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert nb.good("'next'").text == "'next'"


def test_another_profile_by_name(new_kernel: Callable[..., Kernel], with_ipython: Remote) -> None:
    profile(with_ipython, "lab", startup__1="which = 'lab'")
    profile(with_ipython, startup__1="which = 'default'")
    for name in ("lab", "nowhere"):
        nb = new_kernel(f"--RpycKernel.remote_profile={name}").first
        connect(nb, with_ipython)
        cell = nb.good("which")
        assert cell.text == ("'lab'" if name == "lab" else "'default'")
        assert ("no IPython profile nowhere" in cell.stderr) == (name == "nowhere")


def test_what_is_stored_outlives_restart_and_session(new_kernel: Callable[..., Kernel], with_ipython: Remote) -> None:
    first = new_kernel()
    connect(first.first, with_ipython)
    assert "Stored 'x' (dict)" in first.first.good("x = {'a': [1, 2]}; y = 5; other = 1\n%store x y").stdout
    assert first.first.good("%alias hello echo hello\n%store hello").status == "ok"
    first.first.good("%restart")
    assert first.first.good("%store -r\nx, y").text == "({'a': [1, 2]}, 5)"
    first.shutdown()
    nb = new_kernel().first
    connect(nb, with_ipython)
    listed = nb.good("%store").stdout
    assert "x" in listed
    assert nb.good("%store -r x\nx, 'y' in globals()").text == "({'a': [1, 2]}, False)"
    nb.good("%store -d x")
    assert "Can't delete" in nb.run("%store -d x").stderr
    assert "no stored variable" in nb.good("%store -r x").stdout
    nb.good("%bookmark here")
    assert "here" in nb.good("%bookmark -l").stdout
    assert "-> 5" in nb.good("%store\n%store -z").stdout
    assert "-> 5" not in nb.good("%store").stdout
    terminal = with_ipython.home / ".ipython" / "profile_default" / "db"
    assert {path.name for path in terminal.iterdir()} >= {"bookmarks", "stored_aliases"}, "where a terminal finds them"
    assert not [path for path in terminal.rglob("*") if path.name.endswith(".tmp")]


def test_what_is_stored_is_on_the_disk_before_it_replaces_what_was(kernel: Kernel, with_ipython: Remote) -> None:
    nb = kernel.first
    connect(nb, with_ipython)
    nb.good("""
import os
done = []
def noted(name):
    function = getattr(os, name)
    def call(*args):
        if name == "replace" or os.readlink(f"/proc/self/fd/{args[0]}").find("/db/") > 0:
            done.append(name)
        return function(*args)
    setattr(os, name, call)
noted("fsync"); noted("replace")
x = 5""")
    nb.good("%store x")
    assert nb.good("done").text == "['fsync', 'replace']"


@pytest.mark.parametrize("broken", ["missing", "a file"])
def test_a_home_that_cannot_be_written_does_no_harm(kernel: Kernel, broken: str, tmp_path: Path) -> None:
    home = tmp_path / "nowhere"
    if broken == "a file":
        home.write_text("")
    nb = kernel.first
    with Remote("ipython", env={"HOME": str(home), "XDG_RUNTIME_DIR": str(tmp_path)}) as server:
        connect(nb, server)
        cell = nb.good("x = 1\n6 * 7")
        assert (cell.text, cell.stderr) == ("42", "")
        if broken == "a file":
            stored = nb.run("%store x")
            assert "x can't be stored in" in stored.stderr
            assert "Not a directory" in stored.stderr
        nb.good("%store")
        assert nb.good("x").text == "1"


@pytest.mark.parametrize("ours", ["%less", "%more"])
def test_a_file_in_the_pager(notebook: Client, tmp_path: Path, ours: str) -> None:
    nb = notebook
    path = tmp_path / "file.txt"
    path.write_text("first\nsecond é\n")
    reply = nb.good(f"{ours} {path}").reply
    assert reply is not None
    assert reply["payload"] == [{"source": "page", "data": {"text/plain": "first\nsecond é\n"}, "start": 0}]
    (tmp_path / "file.py").write_text("x = 1\n")
    assert nb.good(f"{ours} {tmp_path}/file.py").reply["payload"][0]["source"] == "page"  # type: ignore[index]
    assert "nothere on " in nb.run(f"{ours} nothere").stderr


SAID = {
    "%clear": "\x1b[H\x1b[2J",
    "%autosave 30": "Autosaving every 30 seconds",
    "%autosave 0": "Autosave disabled",
    "%connect_info": "%%local",
    "%qtconsole": "%%local",
    "%edit file.py": "%%writefile file.py",
    "%ed": "%%writefile FILE",
    "%subshell": "does not support",
}


def test_the_other_magics_of_a_kernel(notebook: Client) -> None:
    nb = notebook
    for code, said in SAID.items():
        assert said in nb.good(code).stdout, code
    assert "manual page" in nb.run("%man").stderr
    assert nb.run("%man no-such-command-at-all").status == "error"
    assert "requires an integer" in nb.run("%autosave x").stderr
    assert nb.good("%man --version" if False else "1").text == "1"
