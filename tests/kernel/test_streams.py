"""What a cell prints: all of it, in order, while it runs, whoever writes it."""

from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import ALSO_SPAWNED
from tests.kernel.gates import Gate

pytestmark = ALSO_SPAWNED


def test_output_arrives_while_the_cell_runs(nb: Client, gate: Gate) -> None:
    cell = nb.start(f"import sys\nprint('out')\nprint('err', file=sys.stderr)\n{gate.wait}\nprint('end')")
    nb.wait_for(lambda: cell.stdout == "out\n" and cell.stderr == "err\n", 5, "both streams")
    assert not cell.done
    gate.open()
    assert nb.finish(cell).stdout == "out\nend\n"


def test_an_unfinished_line_arrives_while_the_cell_runs(nb: Client, gate: Gate) -> None:
    cell = nb.start(f"print('half', end='')\n{gate.wait}\nprint(' and half')")
    nb.wait_for(lambda: cell.stdout == "half", 5, "the half line")
    gate.open()
    assert nb.finish(cell).stdout == "half and half\n"


def test_a_progress_bar_moves(nb: Client, gate: Gate) -> None:
    """Carriage returns arrive as they were written, each step when it was."""
    cell = nb.start(f"print('\\r10%', end='')\n{gate.wait}\nprint('\\r20%', end='')")
    nb.wait_for(lambda: cell.stdout == "\r10%", 5, "the first step")
    gate.open()
    assert nb.finish(cell).stdout == "\r10%\r20%"


def test_all_ways_to_write_to_python_streams(nb: Client) -> None:
    code = """
import sys
print("print")
sys.stdout.write("write\\n")
sys.stdout.writelines(["lines\\n", "lines\\n"])
sys.stdout.buffer.write(b"buffer\\n")
print("dunder", file=sys.__stdout__)
print("flushed", end="", flush=True)
print(*"ab", sep="-")
"""
    assert nb.good(code).stdout == "print\nwrite\nlines\nlines\nbuffer\ndunder\nflusheda-b\n"


def test_what_libraries_ask_of_a_stream(nb: Client) -> None:
    code = "import sys\n[(s.isatty(), s.encoding.lower(), s.writable(), s.fileno()) for s in (sys.stdout, sys.stderr)]"
    assert nb.good(code).text == "[(False, 'utf-8', True, 1), (False, 'utf-8', True, 2)]"


@pytest.mark.parametrize(
    "write",
    [
        "os.write(1, b'foreign\\n')",
        "subprocess.run(['echo', 'foreign'])",
        "os.system('echo foreign')",
        "subprocess.run(['sh', '-c', 'sleep 0.2; echo foreign'])",
        "ctypes.CDLL(None).puts(b'foreign')",
        "ctypes.CDLL(None).printf(b'foreign\\n')",
    ],
)
def test_what_others_write_to_the_descriptors_arrives_before_the_reply(nb: Client, write: str) -> None:
    cell = nb.good(f"import os, subprocess, ctypes\nnone = {write}")
    assert cell.stdout == "foreign\n"
    assert cell.at_idle == len(cell.messages)


def test_stderr_of_others(nb: Client) -> None:
    cell = nb.good("import os, subprocess\nsubprocess.run('echo sub >&2', shell=True)\nnone = os.write(2, b'raw\\n')")
    assert (cell.stdout, cell.stderr) == ("", "sub\nraw\n")


def test_output_of_others_keeps_its_place_between_lines(nb: Client) -> None:
    """As on a terminal, where Python's unfinished lines wait in its buffer too."""
    code = """
import os, subprocess, sys
for i in range(30):
    print("python", i)
    os.write(1, b"raw %d " % i)
    sys.stdout.write("written\\n")
subprocess.run(["echo", "child"])
print("last")
"""
    expected = "".join(f"python {i}\nraw {i} written\n" for i in range(30)) + "child\nlast\n"
    assert nb.good(code).stdout == expected


def test_half_a_character_from_a_descriptor_waits_for_the_other_half(nb: Client, gate: Gate) -> None:
    cell = nb.start(
        "import os\nnone = os.write(1, 'é'.encode()[:1])\nprint('!', flush=True, file=__import__('sys').stderr)\n"
        f"{gate.wait}\nnone = os.write(1, 'é'.encode()[1:])"
    )
    nb.wait_output(cell, "!")
    gate.open()
    assert nb.finish(cell).stdout == "é"


@pytest.mark.parametrize(
    "text", ["é漢字😀\u200d\n", "\x00\x01\x1b[31mred\x1b[0m\n", "tab\tformfeed\x0c\r\n", "\u2028\n"]
)
def test_text_arrives_as_it_was_printed(nb: Client, text: str) -> None:
    assert nb.good(f"import sys\nnone = sys.stdout.write({text!r})").stdout == text


def test_a_lone_surrogate_harms_nothing(nb: Client) -> None:
    cell = nb.good("print('before'); print('a\\ud800b'); print('after')")
    lines = cell.stdout.splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("before", "after", 3)
    assert lines[1].startswith("a")
    assert lines[1].endswith("b")
    assert len(lines[1]) > 2
    assert nb.good("'\\ud800'").text == "'\\ud800'"


def test_bytes_that_are_no_text_harm_nothing(nb: Client) -> None:
    cell = nb.good("import os\nnone = os.write(1, b'a\\xff\\xfeb\\n')\nprint('after')")
    assert cell.stdout.startswith("a")
    assert cell.stdout.endswith("b\nafter\n")
    assert len(cell.stdout) > len("ab\nafter\n")


@pytest.mark.mainly("plain")
def test_twenty_megabytes_in_one_print(nb: Client) -> None:
    cell = nb.good("print(''.join(f'{i:09d}\\n' for i in range(2_000_000)), end='')", timeout=60)
    assert cell.stdout == "".join(f"{i:09d}\n" for i in range(2_000_000))


@pytest.mark.parametrize("count", [50_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_very_many_small_prints(nb: Client, count: int) -> None:
    """Of 20 bytes each."""
    cell = nb.good(f"for i in range({count}): print(f'{{i:019d}}')", timeout=120)
    assert cell.stdout == "".join(f"{i:019d}\n" for i in range(count))


def test_many_megabytes_of_a_child(nb: Client) -> None:
    cell = nb.good("import subprocess\nnone = subprocess.run('seq 1000000', shell=True)", timeout=60)
    assert cell.stdout == "".join(f"{i}\n" for i in range(1, 1_000_001))


def test_a_redirected_stream_is_not_shown(nb: Client, tmp_path: Path) -> None:
    code = (
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as kept: print('unseen')\n"
        "kept.getvalue()"
    )
    cell = nb.good(code)
    assert (cell.stdout, cell.text) == ("", "'unseen\\n'")


def test_stdin_of_a_child_is_empty(nb: Client) -> None:
    """A child that reads its stdin gets its end, not the kernel's sockets, and doesn't hang."""
    assert nb.good("import subprocess\nsubprocess.run(['cat']).returncode", timeout=10).text == "0"


WRAPS = {
    "rewrapped": "keep = sys.stdout; out = sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')",
    "wrapped for another name": "out = io.TextIOWrapper(io.BufferedWriter(sys.stdout.buffer))",
    "fd 1": "out = io.open(1, 'w', closefd=False)",
    "a duplicate": "out = os.fdopen(os.dup(1), 'w')",
    "bytes": "import codecs; out = codecs.getwriter('utf-8')(os.fdopen(os.dup(1), 'wb'))",
    "a device": "out = open('/dev/stdout', 'w')",
    "a writer of their own": (
        "class Late(io.StringIO):\n    def flush(self): keep.write(self.getvalue()); self.seek(0); self.truncate()\n"
        "keep = sys.stdout; out = sys.stdout = Late()"
    ),
}


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_stream_that_a_cell_makes_is_flushed_when_a_cell_ends(nb: Client, wrap: str) -> None:
    cell = nb.good(f"import io, os, sys\n{WRAPS[wrap]}\nnone = print('first', file=out)")
    assert cell.stdout == "first\n"
    assert cell.at_idle == len(cell.messages)
    assert nb.good("print('second', file=out)").stdout == "second\n"
    failed = nb.run("print('before the error', file=out)\n1/0")
    assert failed.script == [("stdout", "before the error\n"), ("error", "ZeroDivisionError")]
    asked = nb.start("print('before the question', file=out)\nanswer = input('? ')", answers=["yes"])
    assert nb.finish(asked).stdout == "before the question\n"
    if "keep" in WRAPS[wrap]:
        assert nb.good("sys.stdout = keep; print('restored')").stdout == "restored\n"


def test_a_stream_that_cannot_be_flushed_harms_nothing(nb: Client) -> None:
    """Closed, detached, failing, displaying, or never coming back from it until somebody presses stop."""
    nb.good(
        "import io, os, sys, time\nkeep = sys.stdout\n"
        "closed = io.open(os.dup(1), 'w'); closed.close()\n"
        "detached = io.open(os.dup(1), 'w'); raw = detached.detach()\n"
        "class Stream(io.StringIO):\n    def flush(self): do()\n"
        "def do(): raise OSError('broken')\nsys.stdout = Stream()"
    )
    assert nb.good("def do(): display('shown')\n6 * 7").text == "42"
    waiting = nb.start("def do():\n    keep.write('waits'); keep.flush()\n    while True: time.sleep(.01)")
    nb.wait_output(waiting, "waits")
    assert nb.interrupted(waiting) < 10
    assert nb.good("sys.stdout = keep; print('restored')").stdout.endswith("restored\n")


def test_a_character_may_be_cut(nb: Client) -> None:
    cell = nb.good("import sys\nfor byte in 'ä€\\n'.encode(): none = sys.stdout.buffer.write(bytes([byte]))")
    assert cell.stdout == "ä€\n"


def test_wurlitzer_has_nothing_to_do(nb: Client) -> None:
    """It would take fd 1 away and then read what it writes there itself. A module of its name and shape stands in."""
    nb.good(
        "import sys, types\nsource = '''\ndef sys_pipes(*_, **__): raise OSError('no loop, please')\n"
        "def start():\n    global taken\n    taken = sys_pipes(); taken.__enter__()\n"
        "def stop(): taken.__exit__(None, None, None)\n'''\n"
        "open('wurlitzer.py', 'w').write(source); sys.path.insert(0, '')"
    )
    code = "import os, wurlitzer\nwurlitzer.start(); print('python'); none = os.write(1, b'fd\\n'); wurlitzer.stop()"
    cell = nb.good(code)
    assert sorted(cell.stdout.splitlines()) == ["fd", "python"]
    nb.good("os.remove('wurlitzer.py')")
