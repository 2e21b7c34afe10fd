"""Running cells: results, history, silence, awaiting, expressions, and what scripts expect of `__main__`."""

import builtins
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.unit.plain_shell import Session


@pytest.fixture
def session():
    with Session() as session:
        yield session


def test_the_last_value_is_shown(session):
    reply = session.run("a = 20\na + 1")
    assert session.messages == [
        ("execute_result", {"execution_count": 1, "data": {"text/plain": "21"}, "metadata": {}}),
    ]
    assert reply == {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}


@pytest.mark.parametrize("code", ["1;", "None", "a = 1", "", "   \n", "# nothing", "if True:\n    1\nx = 2"])
def test_nothing_is_shown(session, code):
    assert session.ok(code) == []


def test_a_silenced_value_is_not_remembered(session):
    session.ok("1")
    session.ok("2;")
    assert session.value("_") == "1"


def test_history(session):
    session.ok("'a'")
    session.ok("'b'")
    session.ok("'c'")
    assert session.value("[_, __, ___]") == "['c', 'b', 'a']"
    assert session.value("_1, _2, Out[3]") == "('a', 'b', 'c')"
    assert session.value("In[1], _i1, _i, _ii, _iii")[:19] == "(\"'a'\", \"'a'\", '_1,"
    assert session["_i"] == "_1, _2, Out[3]"
    assert session["_ii"] == "[_, __, ___]"
    assert session["_iii"] == "'c'"
    assert session.shell.execution_count == 7


def test_cells_that_ran_elsewhere_leave_empty_places(session):
    session.ok("1")
    session.shell.execution_count = 7
    assert session.value("In") == "['', '1', '', '', '', '', '', 'In']"
    assert session["_i7"] == "In"
    assert session["Out"][7] is session["In"]


def test_names_the_user_took_stay_the_users(session):
    session.ok("_ = 'mine'")
    session.ok("5")
    assert session.value("_") == "'mine'"
    session.ok("del _; __ = 3")
    assert session.ok("6").of("execute_result")


def test_silent_cells_leave_no_trace(session):
    session.ok("1")
    assert session.ok("x = 5\n7", silent=True) == []
    assert session.shell.execution_count == 2
    assert session["_"] == 1
    assert session["In"] == ["", "1"]
    assert session["x"] == 5


def test_store_history_false_shows_but_does_not_count(session):
    messages = session.ok("8", store_history=False)
    assert messages.of("execute_result")[0]["data"] == {"text/plain": "8"}
    assert session.shell.execution_count == 1
    assert session["Out"] == {}
    assert session.run("9")["execution_count"] == 1


def test_user_expressions(session):
    reply = session.run("a = 5", user_expressions={"x": "a + 1", "y": "1 / 0", "z": "a +"})
    assert reply["user_expressions"]["x"] == {"status": "ok", "data": {"text/plain": "6"}, "metadata": {}}
    assert reply["user_expressions"]["y"]["status"] == "error"
    assert reply["user_expressions"]["y"]["ename"] == "ZeroDivisionError"
    assert reply["user_expressions"]["z"]["ename"] == "SyntaxError"
    assert reply["status"] == "ok"


def test_the_namespace_is_main(session):
    assert sys.modules["__main__"].__dict__ is session.shell.namespace
    session.ok("import __main__\nx = 5\nclass A:\n    def __init__(self, a): self.a = a")
    assert (
        session.value("__main__.x, __name__, A.__module__, '__file__' in globals()")
        == "(5, '__main__', '__main__', False)"
    )
    session.ok("import pickle\ncopy = pickle.loads(pickle.dumps(A(3)))")
    assert session["copy"].a == 3
    assert pickle.loads(pickle.dumps(session["A"])) is session["A"]


def test_future_statements_last(session):
    session.ok("from __future__ import annotations")
    session.ok("def f(a: nowhere): pass")
    assert session["f"].__annotations__ == {"a": "nowhere"}
    with Session() as other:
        # and ours don't leak into cells
        assert other.error("def f(a: nowhere): pass")["ename"] == "NameError"


def test_stop_iteration_stays_itself(session):
    assert session.error("next(iter([]))")["ename"] == "StopIteration"
    assert session.error("%time next(iter([]))")["ename"] == "StopIteration"


def test_displayhook_of_the_user(session):
    session.ok("import sys\nkept = sys.displayhook\nsys.displayhook = lambda value: print('hook', value)")
    assert session.ok("5").text() == "hook 5\n"
    session.ok("sys.displayhook = kept")
    assert session.value("5") == "5"


def test_sources_are_found(session):
    session.ok("import inspect\n\ndef f(a):\n    # comment\n    return a\n")
    assert session.value("inspect.getsource(f)") == repr("def f(a):\n    # comment\n    return a\n")
    session.shell.execution_count = 1
    session.ok("def g(): pass")  # the same count again: two sources, two names
    assert session.value("inspect.getsource(f)").startswith("'def f(a)")
    assert session.value("inspect.getsource(g)").startswith("'def g(): pass")


def test_warnings_show_the_line(session):
    code = "import sys\nname = sys._getframe().f_code.co_filename\ncareful = 1"
    session.ok(code)
    text = warnings.formatwarning("careful", UserWarning, session["name"], 3)
    assert text == "<Cell In[1]>:3: UserWarning: careful\n  careful = 1\n"


def test_the_builtins(session):
    assert builtins.get_ipython() is session.shell.facade
    session.shell.kernel = "the kernel"
    assert session.value("get_ipython().kernel") == "'the kernel'"
    assert session.value("get_ipython().user_ns is globals()") == "True"
    session.ok("get_ipython().set_next_input('a'); get_ipython().set_next_input('b')")
    assert session.shell.payload == [{"source": "set_next_input", "text": "b", "replace": False}]


def test_run_cell(session):
    session.ok("result = get_ipython().run_cell('y = 3\\ny + 1')")
    assert session["y"] == 3
    assert session["result"].result == 4
    assert session.messages.of("display_data")[0]["data"] == {"text/plain": "4"}
    assert session.run("bad = get_ipython().run_cell('1/0')")["status"] == "ok"
    assert session.messages.of("error")[0]["ename"] == "ZeroDivisionError"
    assert not session["bad"].success


def test_events(session):
    session.ok("calls = []\nget_ipython().events.register('pre_run_cell', lambda info: calls.append('pre'))")
    session.ok("def post(): calls.append('post'); 1/0\nget_ipython().events.register('post_execute', post)")
    messages = session.ok("calls.append('cell')")
    assert session["calls"][-3:] == ["pre", "cell", "post"]
    assert "ZeroDivisionError" in messages.text("stderr")


# --- await


def test_awaiting_at_the_top_level(session):
    code = "import asyncio\nx = await asyncio.sleep(0.01, 5)\nx"
    assert session.shell.needs_loop(code)
    assert session.value(code) == "5"
    assert session["x"] == 5
    assert session.value("await asyncio.sleep(0, 'last')") == "'last'"
    assert session.ok("await asyncio.sleep(0, 'last');") == []


def test_everything_that_awaits_keeps_its_names(session):
    code = """
import asyncio
class Manager:
    async def __aenter__(self): return 'entered'
    async def __aexit__(self, *error): pass
async def numbers():
    for number in range(3):
        yield number
async with Manager() as manager:
    import json as js
    def inner(): return manager
async for number in numbers():
    pass
listed = [n async for n in numbers()]
try:
    a, (b, *c) = await asyncio.sleep(0, (1, (2, 3)))
    raise KeyError
except KeyError as error:
    caught = await asyncio.sleep(0, True)
class Kept:
    pass
from os.path import *
(manager, number, listed, a, b, c, caught, inner(), inner.__qualname__, Kept.__qualname__, js.__name__, join.__name__)
"""
    assert session.value(code).replace("\n", "") == (
        "('entered', 2, [0, 1, 2], 1, 2, [3], True, 'entered', 'inner', 'Kept', 'json', 'join')"
    )


def test_an_error_after_an_await(session):
    text = session.traceback("import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    1/0\nawait f()")
    assert "Cell In[1], line 5" in text
    assert "----> 5 await f()" in text
    assert "----> 4     1/0" in text
    assert "await37" not in text
    assert "shell.py" not in text


def test_an_interrupt_thrown_at_an_await(session):
    code = "import asyncio\ntry:\n    await asyncio.sleep(60)\nfinally:\n    cleaned = True"
    coroutine = session.shell.execute(code)

    class Waits:
        def __await__(self):
            yield

    session.shell.namespace["asyncio"] = None
    import asyncio

    original, asyncio.sleep = asyncio.sleep, lambda _: Waits()
    try:
        coroutine.send(None)
        with pytest.raises(StopIteration) as done:
            coroutine.throw(KeyboardInterrupt())
    finally:
        asyncio.sleep = original
    assert done.value.value["ename"] == "KeyboardInterrupt"
    assert session["cleaned"]


@pytest.mark.parametrize("code", ["async def f():\n    await x", "'await x'", "await = = 5", "x = 1", "async"])
def test_what_needs_no_loop(session, code):
    assert not session.shell.needs_loop(code)


@pytest.mark.parametrize("code", ["return 5", "import asyncio\nawait asyncio.sleep(0)\nreturn 5"])
def test_return_outside_a_function(session, code):
    assert session.error(code)["ename"] == "SyntaxError"


# --- is_complete


@pytest.mark.parametrize(
    ("code", "status", "indent"),
    [
        ("1 + 1", "complete", None),
        ("", "complete", None),
        ("await x", "complete", None),
        ("!ls", "complete", None),
        ("x?", "complete", None),
        ("def f():", "incomplete", "    "),
        ("def f():\n  x", "incomplete", "  "),
        ("def f():\n  if x:", "incomplete", "      "),
        ("def f():\n    x\n", "complete", None),
        ("print(", "incomplete", ""),
        ("'''a", "incomplete", ""),
        ("x \\", "incomplete", ""),
        ("%%bash\nls", "incomplete", ""),
        ("%%bash\nls\n", "complete", None),
        ("a = = 1", "invalid", None),
        ("'abc", "invalid", None),
    ],
)
def test_is_complete(session, code, status, indent):
    wanted = {"status": status}
    if indent is not None:
        wanted["indent"] = indent
    assert session.shell.is_complete(code) == wanted


# --- what a board has memory for


def test_a_plain_cell_loads_little():
    script = """
import sys
sys.path.insert(0, sys.argv[1])
from rpyc_kernel.agent.worker.shells.plain.shell import PlainShell
class Frontend:
    def publish(self, *message): print(message)
try:
    PlainShell(Frontend()).execute('1 + 1').send(None)
except StopIteration as done:
    assert done.value['status'] == 'ok'
heavy = {'asyncio', 'inspect', 'pdb', 'pydoc', 'subprocess', 'timeit', 'typing', 'difflib'}
print(sorted(heavy & set(sys.modules)))
"""
    source = Path(__file__).resolve().parents[6] / "src"
    output = subprocess.check_output([sys.executable, "-S", "-c", script, str(source)], universal_newlines=True)
    assert "execute_result" in output
    assert output.endswith("[]\n")
