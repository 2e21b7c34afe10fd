"""Files of the user's that bear the name of a module of Python's: no session falls over one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import SPAWNED_IN_SOAK
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote

pytestmark = SPAWNED_IN_SOAK

LIKELY = [
    "abc", "ast", "asyncio", "atexit", "calendar", "code", "codeop", "collections", "contextlib",
    "copy", "csv", "ctypes", "datetime", "decimal", "email", "enum", "faulthandler", "fnmatch",
    "functools", "getpass", "gc", "glob", "hashlib", "heapq", "html", "http", "inspect",
    "io", "itertools", "json", "keyword", "linecache", "locale", "logging", "marshal", "math",
    "mmap", "numbers", "operator", "pathlib", "pdb", "pickle", "platform", "pprint", "queue",
    "random", "re", "secrets", "select", "selectors", "shlex", "shutil", "signal", "socket",
    "sqlite3", "ssl", "stat", "statistics", "string", "struct", "subprocess", "symtable", "tempfile",
    "test", "textwrap", "threading", "time", "timeit", "token", "tokenize", "traceback", "turtle",
    "types", "typing", "uuid", "warnings", "weakref", "zlib",
]  # fmt: skip

BROKEN = "raise RuntimeError('the file %s of the user was taken for Python\\'s own')\n"


@pytest.fixture(scope="module")
def shadowed(remote: Remote, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A notebook whose session begins in a folder where every name is taken."""
    folder = tmp_path_factory.mktemp("shadowed")
    for name in LIKELY:
        (folder / f"{name}.py").write_text(BROKEN % name)
    (folder / "turtle.py").write_text("mine = True\n")
    (folder / "exercise.py").write_text("answer = 42\n")
    with Kernel() as client:
        client.good(f'%connect {remote.address} --cwd "{folder}"')
        yield client


def test_what_a_session_does_by_itself_works(shadowed: Client) -> None:
    for code in (
        "await __import__('asyncio').sleep(0)",
        "import asyncio; await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))",
        "print('one'); __import__('threading').Thread(target=print).start()",
        "!echo two",
        "%timeit -n1 -r1 1",
        "%whos",
        "import subprocess, traceback, inspect, logging",
        "import exercise; assert exercise.answer == 42",
        "import turtle; assert turtle.mine",
    ):
        shadowed.good(code)
    error = shadowed.run("def f(): return 1 / 0\nf()")
    assert error.error is not None
    assert error.error["ename"] == "ZeroDivisionError"
    assert "def f(): return 1 / 0" in error.traceback
    assert "upper" in str(shadowed.complete("'a'.upp")["matches"])
    assert shadowed.inspect("print")["found"] is True


def test_the_next_python_begins_there_too(shadowed: Client) -> None:
    pid = int(str(shadowed.good("import os; os.getpid()").text))
    os.kill(pid, signal.SIGKILL)
    shadowed.drain(1.2)  # a cell that is sent right behind a death is told that it has not run
    shadowed.good("await __import__('asyncio').sleep(0)")
    shadowed.good("%restart")
    shadowed.good("await __import__('asyncio').sleep(0)")


def test_a_file_of_ones_own_is_found_as_in_any_python(shadowed: Client, remote: Remote) -> None:
    """Where Python's own is not loaded already, nor one that a session needs at any time."""
    cell = shadowed.run("import statistics_of_mine")
    assert cell.error is not None
    assert cell.error["ename"] == "ModuleNotFoundError"
    cell = shadowed.run("import sqlite3" if remote.kind == "plain" else "import turtle, test")
    assert cell.error is not None
    assert "of the user was taken" in cell.error["evalue"]


def test_modules_that_a_cell_has_loaded_are_named_where_they_break_what_follows(new_kernel, remote, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "ssl.py").write_text("mine = True\n")
    client = new_kernel().first
    client.good(f'%connect {remote.address} --cwd "{tmp_path}"')
    cell = client.run("import ssl; ssl.mine" if remote.kind == "plain" else "import turtle, queue")
    if remote.kind == "plain":
        assert cell.text == "True"
        client.run("import asyncio; await asyncio.sleep(0)")
    assert client.good("6 * 7").text == "42"
    assert client.good("%restart").status == "ok"
    assert client.good("await __import__('asyncio').sleep(0)\n'again'").text == "'again'"


def test_python_path_is_no_other_matter(remote: Remote, tmp_path: Path) -> None:
    if remote.kind != remote.name:
        return  # what makes its workers spawned is in that path, too
    for name in {*LIKELY} - {"abc", "io", "stat", "types", "re"}:  # without those that Python itself needs to begin
        (tmp_path / f"{name}.py").write_text(BROKEN % name)
    (tmp_path / "exercise.py").write_text("answer = 42\n")
    option = f"--RpycKernel.environment={{'PYTHONPATH': {str(tmp_path)!r}}}"
    with Kernel(option) as client:
        client.good(f"%connect {remote.address}")
        client.good("import exercise; await __import__('asyncio').sleep(0)")
