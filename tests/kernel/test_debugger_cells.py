"""Cells are debugged where they run, by the requests that JupyterLab's debugger sends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.debugging import DebuggerFrontEnd
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote

CODE = """\
x = 1
def f(a):
    b = a + x
    return b * 2
y = f(3)
y"""


@pytest.fixture(scope="module", params=["debugged ipython", "debugged plain"])
def machine(request: pytest.FixtureRequest) -> Iterator[Remote]:
    with Remote(request.param) as remote:
        yield remote


@pytest.fixture(scope="module")
def notebook(machine: Remote) -> Iterator[Client]:
    with Kernel() as client:
        connect(client, machine)
        yield client


@pytest.fixture
def debugger(notebook: Client) -> Iterator[DebuggerFrontEnd]:
    debugger = DebuggerFrontEnd(notebook)
    debugger.start()
    yield debugger
    debugger.do("disconnect")
    notebook.requests.clear()
    notebook.stray.clear()


def test_a_cell_stops_and_goes_on(debugger: DebuggerFrontEnd) -> None:
    assert [(each["verified"], each["line"]) for each in debugger.break_at(CODE, 3)] == [(True, 3)]
    cell, frames = debugger.run_to_stop(CODE)
    assert [(frame["name"], frame["line"]) for frame in frames] == [("f", 3), ("<module>", 5)]
    assert {frame["source"]["path"] for frame in frames} == {debugger.look()["breakpoints"][0]["source"]}
    assert debugger.info["stoppedThreads"] == [debugger.thread]
    assert debugger.variables(frames[0])["a"]["value"] == "3"
    top = debugger.step()[0]
    assert (top["name"], top["line"]) == ("f", 4)
    assert debugger.variables(top)["b"]["value"] == "4"
    assert debugger.go_on(cell).text == "8"
    assert debugger.look()["stoppedThreads"] == []


def test_code_that_was_defined_before_the_debugger_was_started(machine: Remote) -> None:
    code = "def early(n):\n    n += 1\n    return n"
    with Kernel() as client:
        connect(client, machine)
        client.good(code)
        debugger = DebuggerFrontEnd(client)
        debugger.start()
        debugger.break_at(code, 2)
        cell, frames = debugger.run_to_stop("early(1)")
        assert (frames[0]["name"], frames[0]["line"]) == ("early", 2)
        assert debugger.go_on(cell).text == "2"


def test_steps(debugger: DebuggerFrontEnd) -> None:
    code = "def g(a):\n    c = a\n    return c\nx = 1\ny = g(x)\ny + 1"
    debugger.break_at(code, 4)
    cell, frames = debugger.run_to_stop(code)
    assert frames[0]["line"] == 4
    steps = ("next", "stepIn", "next", "stepOut", "next")
    assert [debugger.step(command)[0]["line"] for command in steps] == [5, 2, 3, 5, 6]
    debugger.do("next", threadId=debugger.thread)
    assert debugger.client.finish(cell).text == "2"
    assert debugger.client.good("a = 3\na").text == "3", "a step ends with its cell"


def test_variables(debugger: DebuggerFrontEnd) -> None:
    code = "def f(n):\n    many = {'one': [1, 2], 'two': 'text'}\n    return many\nf(1)"
    debugger.break_at(code, 3)
    cell, frames = debugger.run_to_stop(code)
    many = debugger.variables(frames[0])["many"]
    assert many["type"] == "dict"
    found = debugger.do("variables", variablesReference=many["variablesReference"])["variables"]
    assert "[1, 2]" in [each["value"] for each in found]
    scopes = debugger.do("scopes", frameId=frames[0]["id"])["scopes"]
    debugger.do("setVariable", variablesReference=scopes[0]["variablesReference"], name="n", value="40 + 2")
    frame = frames[0]["id"]
    assert debugger.do("evaluate", expression="n + 1", frameId=frame, context="repl")["result"] == "43"
    assert debugger.ask("evaluate", expression="n / 0", frameId=frame, context="repl")["success"] is False
    debugger.do("copyToGlobals", srcVariableName="many", dstVariableName="copied", srcFrameId=frame)
    assert not debugger.ask("copyToGlobals", srcVariableName="x y", dstVariableName="z", srcFrameId=frame)["success"]
    globals_ = debugger.variables(frames[0], 1)
    assert "copied" in globals_
    assert not {"In", "Out", "_ih", "__name__", "exit", "get_ipython"} & set(globals_)
    debugger.go_on(cell)
    assert debugger.client.good("copied['two']").text == "'text'"


def test_variables_are_inspected_whether_a_cell_is_stopped_or_not(debugger: DebuggerFrontEnd) -> None:
    nb = debugger.client
    nb.good("class Shown:\n    def _repr_html_(self): return '<b>shown</b>'\nshown = Shown()\nnumbers = [1, 2]")
    found = {each["name"]: each for each in debugger.do("inspectVariables")["variables"]}
    assert found["numbers"]["value"] == "[1, 2]"
    inner = debugger.do("variables", variablesReference=found["numbers"]["variablesReference"])["variables"]
    assert [each["value"] for each in inner if each["name"] in ("0", "1")] == ["1", "2"]
    assert debugger.do("richInspectVariables", variableName="shown")["data"]["text/html"] == "<b>shown</b>"
    assert debugger.do("richInspectVariables", variableName="special variables") == {"data": {}, "metadata": {}}
    assert debugger.ask("richInspectVariables", variableName="nothing")["success"] is False
    code = "def f(mine):\n    return mine\nf(shown) and None"
    debugger.break_at(code, 2)
    cell, frames = debugger.run_to_stop(code)
    frame = frames[0]["id"]
    assert (
        debugger.do("richInspectVariables", variableName="mine", frameId=frame)["data"]["text/html"] == "<b>shown</b>"
    )
    assert debugger.ask("richInspectVariables", variableName="nothing", frameId=frame)["success"] is False
    debugger.go_on(cell)


def test_source_and_modules(debugger: DebuggerFrontEnd) -> None:
    debugger.break_at(CODE, 1)
    path = debugger.look()["breakpoints"][0]["source"]
    assert debugger.do("source", source={"path": path})["content"] == CODE
    found = debugger.do("modules")
    modules = {each["name"]: each["path"] for each in found["modules"]}
    assert found["totalModules"] >= len(modules) > 20
    assert modules["json"].endswith("/json/__init__.py")
    assert "def dumps" in debugger.do("source", source={"path": modules["json"]})["content"]
    assert debugger.ask("source", source={"path": "/nowhere/at/all.py"})["success"] is False


def test_conditions_and_exceptions(debugger: DebuggerFrontEnd) -> None:
    code = "for i in range(10):\n    j = i * 2\ni"
    debugger.break_at(code, 2, condition="i == 7")
    cell, frames = debugger.run_to_stop(code)
    assert debugger.variables(frames[0], 1)["i"]["value"] == "7"
    debugger.go_on(cell)
    debugger.do("setExceptionBreakpoints", filters=["raised"])
    failing = "def fails(n):\n    return n / 0\nfails(3)"
    cell, frames = debugger.run_to_stop(failing)
    assert frames[0]["name"] == "fails"
    assert "division" in debugger.do("exceptionInfo", threadId=debugger.thread)["description"]
    debugger.do("setExceptionBreakpoints", filters=[])
    assert debugger.go_on(cell).status == "error"


def test_lines_are_those_of_the_cell_that_the_front_end_has(debugger: DebuggerFrontEnd) -> None:
    """Commands at its top run elsewhere, and IPython drops blank lines."""
    for top in ("\n\n", "%ping\n", "# text\n\n%ping\n\n"):
        code = f"{top}a = 1\nb = a + 1\nb"
        line = top.count("\n") + 2
        debugger.break_at(code, line)
        cell, frames = debugger.run_to_stop(code)
        assert frames[0]["line"] == line
        assert frames[0]["source"]["path"] == debugger.look()["breakpoints"][-1]["source"]
        assert debugger.go_on(cell).text == "2"


def test_the_stop_button_ends_a_cell_that_is_stopped(debugger: DebuggerFrontEnd) -> None:
    code = "def f():\n    a = 1\n    return a\nf()\nprint('must not run')"
    debugger.break_at(code, 3)
    for _ in range(3):
        cell, _frames = debugger.run_to_stop(code)
        assert debugger.client.interrupted(cell) < 10
        assert cell.error is not None
        assert (cell.error["ename"], cell.stdout) == ("KeyboardInterrupt", "")
        assert "pydevd" not in cell.traceback
        debugger.client.wait_for(lambda: not debugger.look()["stoppedThreads"])
    assert debugger.client.good("1").text == "1"


def test_only_the_users_threads_are_shown_and_stopped(debugger: DebuggerFrontEnd) -> None:
    nb = debugger.client
    debugger.client.complete("impor")
    code = (
        "import threading\nevent = threading.Event()\n"
        "t = threading.Thread(target=event.wait, name='mine')\nt.start()\nevent.set()"
    )
    debugger.break_at(code, 5)
    cell, _frames = debugger.run_to_stop(code)
    assert sorted(each["name"] for each in debugger.do("threads")["threads"]) == ["MainThread", "mine"]
    nb.wait_for(lambda: "event" in nb.complete("even")["matches"], 10)
    debugger.go_on(cell)


def test_breakpoints_in_a_thread(debugger: DebuggerFrontEnd) -> None:
    code = (
        "import threading\ndef work():\n    n = 1\n    return n\nt = threading.Thread(target=work)\nt.start(); t.join()"
    )
    debugger.break_at(code, 4)
    cell, frames = debugger.run_to_stop(code)
    assert frames[0]["name"] == "work"
    debugger.go_on(cell)


def test_breakpoints_where_cells_await(debugger: DebuggerFrontEnd) -> None:
    code = "import asyncio\nasync def f(n):\n    await asyncio.sleep(0)\n    return n\nawait f(5)"
    debugger.break_at(code, 4)
    cell, frames = debugger.run_to_stop(code)
    assert (frames[0]["name"], frames[0]["line"]) == ("f", 4)
    assert debugger.variables(frames[0])["n"]["value"] == "5"
    assert debugger.go_on(cell).text == "5"
    cell, _frames = debugger.run_to_stop(code)
    assert debugger.client.interrupted(cell) < 10
    assert cell.status == "error"


def test_a_forked_process_is_not_stopped(debugger: DebuggerFrontEnd) -> None:
    code = "import os\ndef f():\n    return 3\npid = os.fork()\nif not pid: os._exit(f())\nos.waitpid(pid, 0)[1] >> 8"
    debugger.break_at(code, 3)
    assert debugger.client.good(code).text == "3"


def test_breakpoint_in_the_code_stops(debugger: DebuggerFrontEnd) -> None:
    code = "def f():\n    a = 1\n    breakpoint()\n    return a\nf()"
    cell, frames = debugger.run_to_stop(code)
    assert (frames[0]["name"], cell.inputs) == ("f", [])
    assert debugger.go_on(cell).text == "1"


def test_cells_that_run_here_are_not_debugged_and_say_so(debugger: DebuggerFrontEnd) -> None:
    code = "%%local\na = 1\nb = 2"
    (found,) = debugger.break_at(code, 2)
    assert found["verified"] is False
    assert "%%local" in found["message"]
    assert debugger.client.good(code).status == "ok"
    assert debugger.look()["breakpoints"] == []


def test_switched_off_a_cell_goes_on_and_none_stops(notebook: Client) -> None:
    debugger = DebuggerFrontEnd(notebook)
    debugger.start()
    debugger.break_at(CODE, 3)
    cell, _frames = debugger.run_to_stop(CODE)
    debugger.do("disconnect")
    assert notebook.finish(cell).text == "8"
    assert notebook.good(CODE).text == "8"
    assert debugger.look()["isStarted"] is False
    assert "db" in notebook.run("breakpoint()", answers=["c"]).inputs[0].content["prompt"]


def test_only_what_the_user_has_written_unless_all_is_wanted(notebook: Client) -> None:
    code = "import json\nx = 1\njson.dumps(x)"
    debugger = DebuggerFrontEnd(notebook)
    for mine, name in ((True, "<module>"), (False, "dumps")):
        debugger.look()
        debugger.do("initialize")
        debugger.do("attach", justMyCode=mine)
        debugger.break_at(code, 3)
        cell, frames = debugger.run_to_stop(code)
        assert [frame["name"] for frame in frames] == ["<module>"]
        debugger.do("stepIn", threadId=debugger.thread)
        if name == "dumps":
            assert debugger.stopped()[0]["name"] == "dumps"
            debugger.go_on(cell)
        assert notebook.finish(cell).text == "'1'"
        debugger.do("disconnect")


@pytest.mark.parametrize("command", ["launch", "terminate", "restart", "nonsense", "evaluate", "scopes", "__class__"])
def test_what_cannot_be_done_is_answered(debugger: DebuggerFrontEnd, command: str) -> None:
    assert debugger.ask(command, expression="1", frameId=1)["success"] is False


@pytest.mark.parametrize("arguments", [None, [], "x", {"source": 5}, {"source": {"path": 7}}, {"breakpoints": {}}])
def test_odd_arguments_are_answered(debugger: DebuggerFrontEnd, arguments: object) -> None:
    for command in ("setBreakpoints", "dumpCell", "source", "variables", "stackTrace", "richInspectVariables"):
        content = {"type": "request", "seq": 3, "command": command, "arguments": arguments}
        reply = debugger.client.ask("debug_request", content, "control", 10)
        assert reply["type"] == "response", (command, arguments)
    assert debugger.client.good("1").text == "1"
