"""What cells do on a Windows: values, streams, programs, questions, completion, in either shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.windows.servers import WindowsServer
from tests.windows.wine import windows_path

# One red pixel.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"

VALUES = {
    "arithmetic": ("6 * 7", "42"),
    "the platform": ("import sys; sys.platform", "'win32'"),
    "a text": ("'é漢😀'", "'é漢😀'"),
    "await": ("import asyncio; await asyncio.sleep(0, 42)", "42"),
    "the loop": ("import asyncio; type(asyncio.get_running_loop()).__name__", "'ProactorEventLoop'"),
    "a thread": ("import threading; t = threading.Thread(target=lambda: None); t.start(); t.join(); 42", "42"),
    "asyncio's threads": ("import asyncio; await asyncio.to_thread(lambda: 42)", "42"),
    "a pool of threads": (
        "import concurrent.futures as f\nwith f.ThreadPoolExecutor(2) as p: found = list(p.map(abs, [-1]))\nfound",
        "[1]",
    ),
    "a dataclass": (
        "import dataclasses\n@dataclasses.dataclass\nclass D:\n    x: int = 42\nD()",
        "D(x=42)",
    ),
    "a file": ("import pathlib as p; p = p.Path('a'); p.write_text('é', 'utf-8'), p.read_text('utf-8')", "(1, 'é')"),
    "ctypes": ("import ctypes; ctypes.windll.kernel32.GetCurrentProcessId() == __import__('os').getpid()", "True"),
    "sqlite": ("import sqlite3; sqlite3.connect(':memory:').execute('select 42').fetchone()", "(42,)"),
    "a socket": ("import socket; a, b = socket.socketpair(); a.send(b'x'); b.recv(1)", "b'x'"),
}  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_value(nb: Client, value: str) -> None:
    code, text = VALUES[value]
    assert nb.good(code).text == text


def test_info_tells_what_is_known_there(nb: Client) -> None:
    lines = nb.good("%info").stdout.splitlines()
    rows = dict(line.split(maxsplit=1) for line in lines[1:])
    assert rows["system"].startswith("Windows 10."), rows
    assert nb.good("import sys; sys.version.split()[0]").text == repr(rows["Python"].split(",")[0])


STREAMS = {
    "print": ("print('é漢😀')", "é漢😀\n"),
    "parts of a line": ("print('a', end=''); print('b', end=''); print()", "ab\n"),
    "bytes": ("import sys; none = sys.stdout.buffer.write('é\\n'.encode())", "é\n"),
    "the descriptor": ("import os; none = os.write(1, b'raw\\n')", "raw\n"),
    "carriage returns": ("print('\\r10%', end=''); print('\\r20%', end='')", "\r10%\r20%"),
    "a stream of its own": ("import os; out = os.fdopen(os.dup(1), 'w'); none = out.write('late')", "late"),
    "a thread": ("import threading as t; t = t.Thread(target=print, args=['there']); t.start(); t.join()", "there\n"),
    "many lines": ("for i in range(20000): print(i)", "".join(f"{i}\n" for i in range(20000))),
    "megabytes": ("print('x' * 4_000_000)", "x" * 4_000_000 + "\n"),
    "C code": ("import ctypes; none = ctypes.cdll.msvcrt.puts(b'c'); none = ctypes.cdll.msvcrt.fflush(None)", "c\r\n"),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_what_is_printed_comes(nb: Client, stream: str) -> None:
    code, text = STREAMS[stream]
    cell = nb.good(code)
    assert cell.stdout == text
    assert cell.at_idle == len(cell.messages)


def test_output_of_others_keeps_its_place_between_lines(nb: Client) -> None:
    code = "import os\nfor i in range(100): print('python', i); none = os.write(1, b'raw %d\\n' % i)"
    assert nb.good(code).stdout == "".join(f"python {i}\nraw {i}\n" for i in range(100))


def test_stderr_comes_beside_stdout(nb: Client) -> None:
    cell = nb.good("import sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert (cell.stdout, cell.stderr) == ("out\n", "err\n")


def test_output_arrives_while_the_cell_runs(nb: Client) -> None:
    cell = nb.start("print('half', end='')\nprint(' and', input(), end='')", answers=[lambda _prompt: None])
    nb.wait_for(lambda: cell.stdout == "half and" or (cell.stdout == "half" and cell.inputs), what="the half line")
    nb.answer(cell.inputs[0], "half")
    assert nb.finish(cell).stdout == "half and half"


ASYNCIO_PROGRAM = """
import asyncio, sys
program = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(42)", stdout=-1)
print((await program.communicate())[0])
"""
PROGRAMS = {
    "a command": ("!echo hello", "hello\n"),
    "letters of the console's code page": ("!echo é", "é\n"),
    "a command's lines": ("found = !echo hello\nprint(found[0])", "hello\n"),
    "its exit status": ("!exit 3\nprint(_exit_code)", "3\n"),
    "a variable of the cell": ("name = 'there'\n!echo $name", "there\n"),
    "a program that inherits the streams": (
        "import subprocess, sys; none = subprocess.run([sys.executable, '-c', 'print(42)'])", "42\r\n",
    ),
    "a program that is read": (
        "import subprocess as s, sys; print(s.check_output([sys.executable, '-c', 'print(42)'], text=True), end='')",
        "42\n",
    ),
    "os.system with letters": ("import os; none = os.system('echo é')", "é\r\n"),
    "os.system": ("import os; none = os.system('echo hello')", "hello\r\n"),
    "asyncio's subprocess": (ASYNCIO_PROGRAM, "b'42\\r\\n'\n"),
    "%%script": ("%%script cmd /q /k prompt\necho one", "one\n"),
    "%cd": ("%cd -q C:\\windows\nimport os\nprint(os.getcwd())", "C:\\windows\n"),
    "%ls": ("%cd -q C:\\windows\n%ls /b win.ini", "win.ini\n"),
    "%%script with letters": ("%%script cmd /q /k rem\necho é", "é\n"),
    "%env": ("%env SystemDrive", ""),
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program(nb: Client, program: str, server: WindowsServer) -> None:
    code, text = PROGRAMS[program]
    nb.good(f"import os; os.chdir({windows_path(server.folder)!r})")
    assert nb.good(code).stdout == text


OF_THE_BUILT_IN_SHELL = {
    "%%cmd": ("%%cmd\necho one", "one\n"),
    "%%cmd with letters": ("%%cmd\necho é", "é\n"),
    "%%cmd that keeps": ("%%cmd --out kept\necho one", ""),
    "%cat": ("!echo hello>kept.txt\n%cat kept.txt", "hello\n"),
}


@pytest.mark.parametrize("server", ["plain"], indirect=True)
@pytest.mark.parametrize("program", OF_THE_BUILT_IN_SHELL)
def test_a_program_by_a_magic_of_the_built_in_shell(nb: Client, program: str) -> None:
    """IPython on a Windows has its own `%%cmd`, and no `%cat`. (Wine's cmd loses all but a line.)"""
    code, text = OF_THE_BUILT_IN_SHELL[program]
    assert nb.good(code).stdout == text


def test_a_process_of_multiprocessing(nb: Client) -> None:
    code = (
        "import multiprocessing\ndef twice(x): return 2 * x\n"
        "with multiprocessing.Pool(2) as pool: found = pool.map(twice, range(3))\nfound"
    )
    assert nb.good(code, timeout=60).text == "[0, 2, 4]"


def test_a_question(nb: Client) -> None:
    assert nb.good("input('who? ')", answers=["Ada é"]).text == "'Ada é'"


def test_a_password(nb: Client) -> None:
    cell = nb.good("import getpass; getpass.getpass()", answers=["secret"])
    assert cell.text == "'secret'"
    assert cell.inputs[0].content["password"] is True


def test_an_error_shows_the_line(nb: Client) -> None:
    cell = nb.run("def f():\n    return 1 / 0\nf()")
    assert cell.error is not None
    assert cell.error["ename"] == "ZeroDivisionError"
    assert "return 1 / 0" in cell.traceback
    assert "rpyc_kernel" not in cell.traceback


def test_completion(nb: Client) -> None:
    nb.good("value_of_mine = 1")
    assert "value_of_mine" in nb.complete("value_of_")["matches"]
    assert any("getcwd" in match for match in nb.complete("import os; os.getc")["matches"])


def test_completion_beside_a_running_cell(nb: Client) -> None:
    nb.good("value_of_mine = 1")
    cell = nb.start("input()", answers=[lambda _prompt: None])
    nb.wait_for(lambda: cell.inputs, what="the question")
    assert "value_of_mine" in nb.complete("value_of_")["matches"]
    nb.answer(cell.inputs[0], "")
    assert nb.finish(cell).status == "ok"


def test_help(nb: Client) -> None:
    assert "Return the absolute value" in nb.inspect("abs")["data"]["text/plain"]


def test_whether_code_is_complete(nb: Client) -> None:
    answers = [nb.is_complete(code)["status"] for code in ("1", "if 1:", "1 +* 2")]
    assert answers == ["complete", "incomplete", "invalid"]


def test_a_display(nb: Client) -> None:
    cell = nb.good("from IPython.display import HTML\ndisplay(HTML('<b>bold</b>'))")
    assert cell.displays[0]["text/html"] == "<b>bold</b>"


def test_a_picture_of_bytes(nb: Client) -> None:
    """numpy isn't there."""
    code = "import base64\nshow(base64.b64decode('{}'))"
    assert nb.good(code.format(PNG)).displays[0]["image/png"].strip() == PNG


def test_a_module_beside_the_server_is_found(nb: Client, server: WindowsServer) -> None:
    Path(server.folder / "beside.py").write_text("found = 42\n")
    assert nb.good("import beside; beside.found").text == "42"
