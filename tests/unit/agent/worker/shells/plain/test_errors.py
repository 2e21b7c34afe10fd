"""Errors as a notebook shows them."""

import signal
import sys

import pytest

from tests.unit.plain_shell import Session, plain


@pytest.fixture
def session():
    with Session() as session:
        yield session


def test_the_cells_own_lines_are_shown(session):
    reply = session.error("def f():\n    # before\n    1/0\n    # after\nf()")
    assert (reply["ename"], reply["evalue"]) == ("ZeroDivisionError", "division by zero")
    assert reply["execution_count"] == 1
    text = plain(reply["traceback"])
    assert text.splitlines() == [
        "-" * 75,
        "ZeroDivisionError                         Traceback (most recent call last)",
        "Cell In[1], line 5",
        "      3     1/0",
        "      4     # after",
        "----> 5 f()",
        "",
        "Cell In[1], line 3, in f",
        "      1 def f():",
        "      2     # before",
        "----> 3     1/0",
        "      4     # after",
        "      5 f()",
        "",
        "ZeroDivisionError: division by zero",
    ]
    assert any("\x1b[" in line for line in reply["traceback"])


def test_lines_of_files_and_of_earlier_cells(session):
    session.ok("def f(text):\n    import json\n    return json.loads(text)")
    text = session.traceback("f('{')")
    assert "Cell In[2], line 1\n----> 1 f('{')" in text
    assert "Cell In[1], line 3, in f" in text
    assert "decoder.py" in text
    assert "agent" not in text


def test_causes(session):
    text = session.traceback("try:\n    {}['k']\nexcept KeyError as e:\n    raise ValueError('v') from e")
    first, link, second = text.partition("The above exception was the direct cause of the following exception:")
    assert link
    assert "KeyError: 'k'" in first
    assert "ValueError: v" in second
    text = session.traceback("try:\n    {}['k']\nexcept KeyError as e:\n    raise ValueError('v')")
    assert "During handling of the above exception, another exception occurred:" in text
    text = session.traceback("try:\n    {}['k']\nexcept KeyError as e:\n    raise ValueError('v') from None")
    assert "KeyError: " not in text
    assert "ValueError" in session.traceback(
        "e = ValueError(1)\ne.__cause__ = KeyError(2)\ne.__cause__.__context__ = e\nraise e"
    )


def test_syntax_errors(session):
    reply = session.error("a = 1\nx = = 2")
    assert reply["ename"] == "SyntaxError"
    assert plain(reply["traceback"]).splitlines()[:2] == ["  Cell In[1], line 2", "    x = = 2"]
    assert plain(reply["traceback"]).splitlines()[2].strip() == "^"
    assert session.error("def f():\n        x\n    y")["ename"] == "IndentationError"
    assert session.error("x = 1\n\x00")["ename"] in ("ValueError", "SyntaxError")
    assert session.error("x = '\ud800'\n\ud800")["ename"] in ("UnicodeEncodeError", "SyntaxError")
    text = session.traceback("exec('x = = 1')")
    assert "----> 1 exec('x = = 1')" in text
    assert "SyntaxError: invalid syntax" in text


def test_the_caret_counts_characters(session):
    lines = session.traceback("ä = 'ö' 1").splitlines()
    assert lines[1] == "    ä = 'ö' 1"
    assert "^" in lines[2]
    assert len(lines[2].rstrip()) <= len(lines[1])


def test_a_broken_str(session):
    reply = session.error("class Broken(Exception):\n    def __str__(self): return 1/0\nraise Broken()")
    assert reply["ename"] == "Broken"
    assert reply["evalue"] == "<unprintable Broken: its __str__ raised ZeroDivisionError>"


def test_sys_exit(session):
    reply = session.error("import sys\nsys.exit(3)")
    assert (reply["ename"], reply["evalue"]) == ("SystemExit", "3")
    text = plain(reply["traceback"])
    assert text.startswith("SystemExit: 3\n")
    assert "session" in text
    assert "line 2" in session.ok("%tb").text()
    assert session.error("exit()")["ename"] == "SystemExit"
    assert session.error("raise SystemExit")["evalue"] == ""
    assert session.value("1 + 1") == "2"


def test_interrupts_are_errors(session):
    code = "import signal, time\ntry:\n    signal.raise_signal(signal.SIGINT)\n    time.sleep(5)\nfinally:\n    x = 1"
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        reply = session.error(code)
    finally:
        signal.signal(signal.SIGINT, kept)
    assert reply["ename"] == "KeyboardInterrupt"
    assert session["x"] == 1


def test_a_second_interrupt_while_the_first_is_shown(session):
    def publish(*_):
        raise KeyboardInterrupt

    session.messages.publish = publish
    assert session.run("1/0")["ename"] == "KeyboardInterrupt"


@pytest.mark.parametrize("code", ["def f(): f()\nf()", "def f(): g()\ndef g(): h()\ndef h():\n    f()\nf()"])
def test_deep_recursion_is_short(session, code):
    lines = session.error(code)["traceback"]
    assert len("\n".join(lines)) < 10000
    assert "skipping similar frames: f at line 1 (" in plain(lines)
    assert plain(lines).endswith("maximum recursion depth exceeded") or "RecursionError" in lines[-1]


def test_many_different_frames_are_cut(session):
    code = "\n".join(f"def f{n}(): f{n + 1}()" for n in range(120)) + "\ndef f120(): 1/0\nf0()"
    text = session.traceback(code)
    assert "more frames" in text
    assert "in f120" in text
    assert len(text) < 20000


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_exception_groups(session):
    code = """
def fail():
    raise ValueError('deep')
def group():
    errors = []
    try:
        fail()
    except ValueError as e:
        errors.append(e)
    errors.append(ExceptionGroup('inner', [KeyError('k')]))
    error = ExceptionGroup('outer', errors)
    error.add_note('a note')
    raise error
group()"""
    text = session.traceback(code)
    assert "ExceptionGroup: outer (2 sub-exceptions)\na note" in text
    assert "  | ValueError: deep" in text
    assert "  | ---->  3" in text or "  | ----> 3     raise ValueError('deep')" in text
    assert "  |   | KeyError: 'k'" in text


@pytest.mark.skipif(sys.version_info < (3, 12), reason="traceback suggests names since Python 3.12")
def test_suggestions(session):
    assert "Did you mean: 'counter'?" in session.traceback("counter = 1\ncountr")
    assert session.error("countr")["evalue"] == "name 'countr' is not defined"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="only 3.11 and later know the columns")
def test_the_part_that_raised_is_marked(session):
    assert "a = 1 + \x1b[4mé['x']\x1b[0m + 2" in "\n".join(session.error("é = {}\na = 1 + é['x'] + 2")["traceback"])


def test_an_exception_that_resists_inspection(session):
    code = "class E(Exception):\n    @property\n    def __notes__(self): raise ValueError\n    @property\n"
    code += "    def exceptions(self): raise ValueError\nraise E('x')"
    reply = session.error(code)
    assert reply["ename"] == "E"
    assert "E" in plain(reply["traceback"])


def test_the_error_is_kept_for_debuggers(session):
    session.error("a = 5\n1/0")
    assert sys.last_type is ZeroDivisionError
    assert sys.last_traceback.tb_frame.f_code.co_filename == "<Cell In[1]>"


def test_debug(session, monkeypatch):
    session.error("def f(secret):\n    1/0\nf('found it')")
    answers = iter(["p secret", "up", "q"])
    monkeypatch.setattr("builtins.input", lambda prompt="": next(answers))
    messages = session.ok("%debug")
    assert "found it" in messages.text()
    assert "1/0" in messages.text()


def test_debug_without_an_error(session):
    assert session.error("%debug")["ename"] == "UsageError"


def test_an_error_is_told_where_tracebacks_can_not_be_made(session, monkeypatch):
    # as where a file linecache.py or tokenize.py of the user's is found in place of Python's own
    monkeypatch.setitem(sys.modules, "rpyc_kernel.agent.worker.shells.plain.display.tracebacks", None)
    reply = session.error("1/0")
    assert (reply["ename"], reply["evalue"]) == ("ZeroDivisionError", "division by zero")
    shown = plain(reply["traceback"])
    assert shown.startswith("ZeroDivisionError: division by zero")
    assert "no traceback: ModuleNotFoundError" in shown


@pytest.mark.parametrize(
    ("code", "column"),
    [("x = 1\nreturn 5", 0), ("x = 1\ndef f(a, a): pass", 0), ("%pwd\nfor i in []: pass\nelse: continue", 6)],
)
def test_a_caret_stands_below_what_is_no_error_of_the_grammar(session, code, column):
    _place, line, caret, message = session.traceback(code).splitlines()
    assert line == "    " + code.splitlines()[-1]
    assert caret.startswith("    " + " " * column + "^") or ("duplicate argument" in message and "^" in caret)
