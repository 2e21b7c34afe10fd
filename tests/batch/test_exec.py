"""`rpyc-kernel exec`: output, questions, exit codes and Ctrl-C, on real servers, and over a link that breaks."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.batch.commands import LINE
from tests.faults.proxy import Proxy
from tests.kernel.gates import Gate
from tests.kernel.remotes import wait_until
from tests.servers.rpyc_servers import start_server

pytestmark = pytest.mark.needs("linux")


def execute(start, remote, code, *argv, **more):
    """Run a program to its end; returns its exit code, and what it has written."""
    command = start("exec", remote.address, "-c", code, *argv, **more)
    return command.end(), command.out, command.err


def test_output_arguments_and_place(start, remote):
    code = "import os, sys; print(sys.argv, os.environ['RK_WHERE'], __name__); print('é', file=sys.stderr); 1 + 1"
    found = execute(start, remote, code, "a", "-c")
    assert found == (0, "['-c', 'a', '-c'] there __main__\n", "é\n")
    assert wait_until(lambda: not remote.processes())


def test_this_machine_itself(start):
    command = start("exec", "local:", "-c", "import sys; print(sys.executable)")
    assert (command.end(), command.out, command.err) == (0, f"{sys.executable}\n", "")


@pytest.mark.parametrize(
    ("code", "exit_code", "err"),
    [
        ("raise SystemExit", 0, ""),
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit(-1)", 255, ""),
        ("import sys; sys.exit('no room')", 1, "no room\n"),
        ("import os; os._exit(5)", 5, ""),
        ("raise KeyboardInterrupt", 130, "Traceback"),
        ("x = (", 1, "SyntaxError"),
        ("import sys; sys.excepthook = lambda *e: print('mine', e[1], file=sys.stderr)\n1/0", 1, "mine division"),
        ("import os; os.kill(os.getpid(), 9)", 137, "was ended by signal 9 (SIGKILL)"),
    ],
)
def test_exit_codes(start, remote, code, exit_code, err):
    found = execute(start, remote, code)
    assert (found[0], found[1]) == (exit_code, "")
    assert found[2] == "" if not err else err in found[2]


def test_a_traceback_is_pythons_own_and_has_no_frame_of_ours(start, remote, tmp_path):
    path = tmp_path / "program.py"
    path.write_text("def f():\n    raise ValueError('é')\n\nf()\n", encoding="utf-8")
    command = start("exec", remote.address, path)
    assert command.end() == 1
    lines = [line for line in command.err.splitlines() if line.strip(" ^~")]
    assert lines == [
        "Traceback (most recent call last):",
        f'  File "{path}", line 4, in <module>',
        "    f()",
        f'  File "{path}", line 2, in f',
        "    raise ValueError('é')",
        "ValueError: é",
    ]


def test_marks_below_a_line_stand_where_python_puts_them(start, remote):
    command = start("exec", remote.address, "-c", "print(1); 1/0")
    assert command.end() == 1
    line, marks = command.err.splitlines()[2:4]
    assert marks.strip() == "~^~"
    assert line[marks.index("~") :] == "1/0"


def test_a_program_may_run_asyncio_threads_and_exit_functions(start, remote):
    code = (
        "import asyncio, atexit, threading\n"
        "async def main():\n    await asyncio.sleep(0)\n    print('awaited')\n"
        "asyncio.run(main())\n"
        "ended = threading.Event()\n"
        "threading.Thread(target=lambda: (ended.wait(), print('thread'))).start()\n"
        "atexit.register(print, 'the end')\n"
        "ended.set()"
    )
    assert execute(start, remote, code) == (0, "awaited\nthread\nthe end\n", "")


def test_questions_and_stdin(start, remote):
    code = "import sys\nprint(input('name? '))\nprint([line for line in sys.stdin])\ninput()"
    exit_code, out, err = execute(start, remote, code, stdin=b"Ada\nx\ny")
    assert (exit_code, out) == (1, "name? Ada\n['x\\n', 'y\\n']\n")
    assert err.endswith("EOFError: EOF when reading a line\n")
    assert "agent" not in err


def test_a_program_from_stdin(start, remote):
    command = start("exec", remote.address, "-", "word", stdin="import sys; print(sys.argv, 'é')".encode())
    assert (command.end(), command.out) == (0, "['-', 'word'] é\n")


def test_options_of_the_session(start, remote, tmp_path):
    code = "import os; print(os.environ['A'], os.environ['SECRET'], os.getcwd())"
    options = ("--env", "A=1", "--env", "SECRET", "--cwd", tmp_path)
    command = start("exec", *options, remote.address, "-c", code, env={"SECRET": "x"})
    assert (command.end(), command.out) == (0, f"1 x {tmp_path}\n")


def test_a_saved_machine_and_what_was_saved_with_it(start, remote, tmp_path):
    assert start("hosts", "add", "pi", remote.address, "--cwd", tmp_path, "--env", "A=1", "--env", "B=1").end() == 0
    command = start(
        "exec", "--env", "B=2", "pi", "-c", "import os; print(os.getcwd(), os.environ['A'], os.environ['B'])"
    )
    assert (command.end(), command.out) == (0, f"{tmp_path} 1 2\n")


def test_control_c_interrupts_it_there(start, remote):
    code = "import time\ntry:\n    print('runs', flush=True)\n    time.sleep(60)\nfinally:\n    print('cleared up')"
    command = start("exec", remote.address, "-c", code)
    command.until("runs")
    command.signal(signal.SIGINT)
    assert command.end() == 130
    assert command.out == "runs\ncleared up\n"
    assert command.err.endswith("KeyboardInterrupt\n")
    assert wait_until(lambda: not remote.processes())


def test_a_second_control_c_ends_what_goes_on(start, remote):
    code = "import time\nwhile True:\n    try:\n        print('runs', flush=True)\n        time.sleep(60)\n"
    code += "    except KeyboardInterrupt:\n        print('no', flush=True)"
    command = start("exec", remote.address, "-c", code)
    command.until("runs")
    command.signal(signal.SIGINT)
    command.until("no")
    command.signal(signal.SIGINT)
    assert command.end() == 130
    assert wait_until(lambda: not remote.processes())


def test_a_signal_ends_it_there(start, remote):
    command = start("exec", remote.address, "-c", "import time\nprint('runs', flush=True)\ntime.sleep(60)")
    command.until("runs")
    command.signal(signal.SIGTERM)
    assert command.end() == 143
    assert wait_until(lambda: not remote.processes())


def test_it_goes_on_across_a_lost_link(start, remote, tmp_path):
    gate = Gate(tmp_path)
    code = f"print('before', flush=True)\n{gate.wait}print('after')\nraise SystemExit(3)"
    with Proxy(remote.port) as proxy:
        command = start("exec", proxy.address, "-c", code)
        command.until("before")
        proxy.cut()
        command.until("is lost", "err")
        gate.open()
        assert command.end() == 3
        assert proxy.cuts > 0
    assert command.out == "before\nafter\n"


def test_a_reader_that_has_seen_enough_ends_it(remote, private_jupyter):
    command = [sys.executable, "-c", LINE, "exec", remote.address, "-c", "while True: print('x' * 1000)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout.read(10) == b"x" * 10
            process.stdout.close()
            assert (process.wait(60), process.stderr.read()) == (1, b"")
        finally:
            process.kill()
    assert wait_until(lambda: not remote.processes())


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["pi"], 2, "needs a program"),
        (["pi", "-c"], 2, "-c needs the code"),
        (["pi", "-x"], 2, "-x is no option"),
        (["http://pi", "-c", "1"], 2, "web page"),
        (["--env", "1x", "pi", "-c", "1"], 2, "--env needs"),
        (["pi", "/nowhere/x.py"], 1, "/nowhere/x.py can't be used: No such file"),
        (["127.0.0.1:1", "-c", "1"], 1, "No server is listening"),
    ],
)
def test_what_is_refused(start, argv, code, words):
    command = start("exec", *argv)
    assert (command.end(), command.out) == (code, "")
    assert words in command.err
    assert command.err.count("\n") == 1


def test_ctrl_c_while_its_session_begins_leaves_none(start, remote, tmp_path):
    begun, go, slow = tmp_path / "begun", tmp_path / "go", tmp_path / "python"
    wait = f"touch {begun}; while ! [ -e {go} ]; do sleep 0.05; done"
    slow.write_text(f'#!/bin/sh\n{wait}\nexec {remote.python} "$@"\n')
    slow.chmod(0o755)
    command = start("exec", "--python", slow, remote.address, "-c", "print('never')")
    assert wait_until(begun.exists)
    command.signal(signal.SIGINT)
    go.touch()
    assert (command.end(), command.out) == (130, "")
    assert wait_until(lambda: not remote.processes())


def test_an_open_port_is_told_of_once_for_each_machine(start, remote):
    """0.0.0.0 leads to this machine, and as a text is no loopback address."""
    open_to_others = f"0.0.0.0:{remote.port}"
    for expected in (f"Mind that whoever reaches {open_to_others} can run code there: ", ""):
        command = start("exec", open_to_others, "-c", "print('out')")
        assert (command.end(), command.out) == (0, "out\n")
        assert (command.err.startswith(expected), command.err.count("\n")) == (True, bool(expected))


def test_a_python_that_is_not_there_is_a_sentence(start, remote):
    command = start("exec", "--python", "/nowhere/python", remote.address, "-c", "1")
    assert command.end() == 1
    assert "/nowhere/python can't be started there" in command.err
    assert command.err.count("\n") == 1


@pytest.mark.parametrize(("rpyc", "python"), [("5.0.1", "3.7"), ("6.0.2", "3.13")])
def test_on_the_oldest_and_the_newest_python(start, rpyc, python):
    with start_server(rpyc=rpyc, python=python) as server:
        found = execute(start, server, "import sys; print(sys.version[:3], input('? ')); sys.exit(4)", stdin=b"y\n")
    assert found == (4, f"? {python[:3]} y\n", "")
