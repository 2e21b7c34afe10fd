"""Programs started from cells: `!`, `!!`, `%%bash`, `%pip`."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rpyc_kernel.agent.worker.shells.plain import process
from rpyc_kernel.agent.worker.shells.plain.language.interpolate import interpolate
from tests.unit.plain_shell import Session

pytestmark = pytest.mark.skipif(os.name == "nt", reason="uses a POSIX shell")


#: for tests that run without process groups too, and with threads that read
elsewhere_too = pytest.mark.parametrize("session", ["posix", "elsewhere"], indirect=True)


@pytest.fixture
def session(request, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "_POSIX", getattr(request, "param", "posix") == "posix")
    with Session() as session:
        os.chdir(str(tmp_path))
        yield session


@elsewhere_too
def test_output_of_a_command(session):
    assert session.ok("!echo out; echo err >&2; exit 3").text() == "out\nerr\n"
    assert session["_exit_code"] == 3
    assert session.ok("!printf 'a\\rb'").text() == "a\rb"
    assert session.ok("!kill -9 $$") == []
    assert session["_exit_code"] == -9
    assert session.ok("!printf '\\377\\303\\244'").text() == "\ufffdä"


@elsewhere_too
def test_output_comes_while_it_runs(session):
    seen = []

    class Now(list):
        def append(self, message):
            seen.append((time.monotonic(), message[1]["text"]))
            list.append(self, message)

        publish = session.messages.publish

    session.messages = Now()
    session.ok("!echo first; sleep 0.6; echo second")
    (begin, first), (end, second) = seen
    assert (first, second) == ("first\n", "second\n")
    assert end - begin > 0.1


@elsewhere_too
def test_the_lines_of_a_command(session):
    assert session.value("x = !printf 'a\\nb c\\n'; echo err >&2\nx") == "['a', 'b c', 'err']"
    assert (session["x"].n, session["x"].s) == ("a\nb c\nerr", "a b c err")
    assert session.value("!!echo hi") == "['hi']"
    assert session.value("%sx echo hi") == "['hi']"
    assert session.ok("x = !true") == []
    assert session["x"] == []


def test_variables(session):
    session.ok("name = 'x y'; d = {'k': [1, 2]}")
    assert session.ok("!echo {d['k'][1]:03d} $name $$HOME {{}}").text() == "002 x y {} {{}}\n".format(
        os.environ["HOME"]
    )
    assert session.ok("!echo 'a b' | awk '{print $2}'").text() == "b\n"
    assert session.ok("def f(local):\n    !echo {local} $local\nf(7)").text() == "7 7\n"
    assert session.ok("for i in range(2):\n    !echo {i}").text() == "0\n1\n"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$a.b", "1.b"),
        ("$o.real", "5"),
        ("${a}", "$1"),
        ("$nowhere $1 $", "$nowhere $1 $"),
        ("$$a", "$a"),
        ("{a}{o!r:>3}", "1  5"),
        ("{nowhere} {a} $a", "{nowhere} {a} 1"),
        ("{a", "{a"),
        ("{local}", "L"),
    ],
)
def test_interpolation(text, result):
    assert interpolate(text, {"a": 1, "o": 5}, {"local": "L"}) == result


@elsewhere_too
def test_commands_get_no_stdin(session):
    start = time.monotonic()
    assert session.ok("!cat").text() == ""
    assert time.monotonic() - start < 5


@elsewhere_too
def test_programs_in_the_background_are_not_waited_for(session):
    session.ok("!(until [ -e go ]; do sleep .05; done; echo late; echo done > done) & echo started")
    assert session.messages.text() == "started\n"
    Path("go").touch()
    deadline = time.monotonic() + 30
    while not Path("done").exists():  # it didn't die of a closed pipe
        assert time.monotonic() < deadline
        time.sleep(0.05)


def interrupted(session, code, after=0.4):
    """Run a cell and press stop; gives the reply and how long it took after that."""
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    pressed = []

    def press():
        pressed.append(time.monotonic())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # another thread's would wake nobody

    timer = threading.Timer(after, press)
    timer.start()
    gc.disable()  # in a callback of the collector, such as hypothesis has one, KeyboardInterrupt would be swallowed
    try:
        reply = session.run(code)
        return reply, time.monotonic() - pressed[0]
    finally:
        gc.enable()
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGINT, kept)


@pytest.mark.parametrize(
    "code",
    [
        "!sleep 60",
        "!trap '' INT; sleep 60",
        "x = !sleep 60",
        "%%bash\nsleep 60\n",
        "!while true; do echo y; done",
    ],
)
def test_an_interrupt_ends_a_command(session, code):
    reply, seconds = interrupted(session, code)
    assert reply["ename"] == "KeyboardInterrupt"
    assert seconds < 10
    assert session.value("1") == "1"


@elsewhere_too
def test_an_interrupt_ends_a_program_that_is_silent_or_prints_without_end(session):
    for program in ("exec sleep 60", "while :; do echo again; done"):
        reply, _ = interrupted(session, "!" + program)
        assert reply["ename"] == "KeyboardInterrupt"
    assert session.ok("!echo still here").text() == "still here\n"


def test_an_interrupt_lets_a_command_clean_up(session):
    reply, _ = interrupted(session, "!trap 'echo cleaned; exit' INT; while true; do sleep 0.05; done")
    assert reply["ename"] == "KeyboardInterrupt"
    assert "cleaned" in session.messages.text()


def test_an_interrupt_ends_its_children_and_no_others(session):
    session.ok("import subprocess\nother = subprocess.Popen(['sleep', '60'])")
    try:
        interrupted(session, "!sleep 61 & echo $! > pid; wait")
        child = int(Path("pid").read_text())
        assert session["other"].poll() is None
        deadline = time.monotonic() + 5
        while _alive(child):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        session["other"].kill()
        session["other"].wait()


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@elsewhere_too
def test_bash(session):
    messages = session.ok('%%bash\nx=5\necho "$x" {y}\necho err >&2\n')
    assert messages.text() == "5 {y}\n"
    assert messages.text("stderr") == "err\n"
    session.ok("%%bash --out o --err e\necho out; echo err >&2")
    assert (session["o"], session["e"]) == ("out\n", "err\n")
    reply = session.error("%%bash\nexit 4")
    assert reply["ename"] == "CalledProcessError"
    assert "4" in reply["evalue"]
    session.ok("%%bash --no-raise-error\nexit 4")
    assert session["_exit_code"] == 4


@elsewhere_too
def test_scripts(session):
    assert session.ok(f"%%script {sys.executable} -\nprint(6 * 7)").text() == "42\n"
    assert session.ok("%%sh\necho $0").text() == "sh\n"
    assert "no program nowhere" in session.error("%%script nowhere\nx")["evalue"]
    # more than a pipe holds, both ways
    assert len(session.ok("%%%%script cat\n%s" % ("x" * 300000)).text()) == 300000


def test_pip_is_that_of_this_python(session, monkeypatch):
    calls = []

    monkeypatch.setattr("rpyc_kernel.agent.worker.shells.plain.magics.process.system", calls.append)
    assert "restart" in session.ok("p = 'x'\n%pip install $p").text()
    assert calls == [f"{sys.executable} -m pip install x"]
    monkeypatch.setattr(sys, "executable", "/opt/program")
    assert "cannot run pip" in session.error("%pip list")["evalue"]


@elsewhere_too
def test_commands_that_cannot_be_started(session, monkeypatch):
    def fail(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", fail)
    assert session.error("!ls")["ename"] == "OSError"
