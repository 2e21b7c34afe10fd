"""The debugger through what happens to sessions: deaths, restarts, cuts, reloads, other kernels, other Pythons."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.compare import link_lines
from tests.faults.proxy import Proxy
from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.debugging import DebuggerFrontEnd
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until

CODE = "x = 1\ndef f(a):\n    b = a + x\n    return b * 2\ny = f(3)\ny"
LINE = 3


@pytest.fixture(scope="module")
def machine() -> Iterator[Remote]:
    with Remote("debugged plain") as remote:
        yield remote


@pytest.fixture(scope="module")
def shared(machine: Remote) -> Iterator[Client]:
    with Kernel() as client:
        connect(client, machine)
        yield client


@pytest.fixture
def debugger(shared: Client) -> Iterator[DebuggerFrontEnd]:
    debugger = DebuggerFrontEnd(shared)
    debugger.start()
    debugger.break_at(CODE, LINE)
    yield debugger
    debugger.do("disconnect")
    shared.requests.clear()
    shared.stray.clear()


def stops_as_before(debugger: DebuggerFrontEnd) -> None:
    cell, frames = debugger.run_to_stop(CODE)
    assert [(frame["name"], frame["line"]) for frame in frames] == [("f", LINE), ("<module>", 5)]
    assert frames[0]["source"]["path"] == debugger.look()["breakpoints"][0]["source"]
    assert debugger.go_on(cell).text == "8"


def test_breakpoints_come_back_in_the_python_after_a_death(debugger: DebuggerFrontEnd) -> None:
    client = debugger.client
    stops_as_before(debugger)
    assert client.run("import os; os._exit(3)").status == "error"
    stops_as_before(debugger)
    cell, frames = debugger.run_to_stop(CODE)
    pid = int(debugger.do("evaluate", expression="__import__('os').getpid()", frameId=frames[0]["id"])["result"])
    os.kill(pid, signal.SIGKILL)
    client.finish(cell)
    assert cell.status == "error"
    client.wait_for(lambda: debugger.look()["stoppedThreads"] == [])
    client.wait_for(
        lambda: debugger.events()[-1]["event"] == "continued", what="the page hears that nothing is stopped"
    )
    stops_as_before(debugger)


def test_breakpoints_come_back_after_a_restart(debugger: DebuggerFrontEnd) -> None:
    cell, _frames = debugger.run_to_stop(CODE)
    began = time.monotonic()
    debugger.client.good("%restart")
    assert time.monotonic() - began < 10
    debugger.client.finish(cell)
    stops_as_before(debugger)


def test_a_page_that_is_loaded_again_knows_what_is_stopped(debugger: DebuggerFrontEnd) -> None:
    cell, _frames = debugger.run_to_stop(CODE)
    again = DebuggerFrontEnd(debugger.client)
    info = again.look()
    assert info["isStarted"] is True
    assert info["stoppedThreads"] == [debugger.thread]
    assert [each["breakpoints"] for each in info["breakpoints"]] == [[{"line": LINE}]]
    again.thread = debugger.thread
    again.do("initialize", clientID="a page that was loaded again")
    again.do("attach")
    assert again.frames()[0]["line"] == LINE
    assert again.go_on(cell).text == "8"


def test_started_before_any_machine_is_named(machine: Remote, kernel: Kernel) -> None:
    debugger = DebuggerFrontEnd(kernel.first)
    debugger.start()
    assert debugger.break_at(CODE, LINE)[0]["verified"] is True
    assert debugger.do("inspectVariables") == {"variables": []}
    assert debugger.do("threads") == {"threads": []}
    assert debugger.do("source", source={"path": debugger.look()["breakpoints"][0]["source"]}) == {"content": CODE}
    assert debugger.ask("stackTrace", threadId=1)["success"] is False
    connect(kernel.first, machine)
    stops_as_before(debugger)


def test_where_it_cannot_be_had_the_first_cell_says_so(kernel: Kernel) -> None:
    with Remote("bare") as remote:
        debugger = DebuggerFrontEnd(kernel.first)
        debugger.start()
        debugger.break_at(CODE, LINE)
        connect(kernel.first, remote)
        cell = kernel.first.good(CODE)
        assert cell.text == "8"
        assert "%pip install debugpy" in cell.stderr
        again = kernel.first.good(CODE)
        assert again.stderr == ""
        assert debugger.look()["isStarted"] is False
        assert debugger.ask("initialize")["success"] is False
        kernel.first.wait_output(again, "%pip install debugpy")  # the page shows no response that failed


def test_another_machine_is_told_too(machine: Remote, debugger: DebuggerFrontEnd) -> None:
    with Remote("debugged plain") as other:
        connect(debugger.client, other)
        stops_as_before(debugger)
        connect(debugger.client, machine)
        stops_as_before(debugger)


def test_another_kernel_that_takes_the_session_lets_it_go_on(
    machine: Remote, new_kernel: Callable[..., Kernel]
) -> None:
    first, second = new_kernel().first, new_kernel().first
    connect(first, machine, "--name", "debugged")
    debugger = DebuggerFrontEnd(first)
    debugger.start()
    code = CODE + "\nprint('went on')"
    debugger.break_at(code, LINE)
    debugger.run_to_stop(code)
    taken = second.good(f"%attach debugged {machine.address}")
    second.wait_output(taken, "went on")
    debugger = DebuggerFrontEnd(second)
    assert debugger.look()["isStarted"] is False
    debugger.start()
    debugger.break_at(CODE, LINE)
    stops_as_before(debugger)


def test_a_shutdown_ends_what_is_stopped(machine: Remote) -> None:
    with Kernel() as client:
        connect(client, machine)
        debugger = DebuggerFrontEnd(client)
        debugger.start()
        debugger.break_at(CODE, LINE)
        _cell, frames = debugger.run_to_stop(CODE)
        pid = int(debugger.do("evaluate", expression="__import__('os').getpid()", frameId=frames[0]["id"])["result"])
        began = time.monotonic()
        client.ask("shutdown_request", {"restart": False}, "control")
        assert wait_until(lambda: not Path(f"/proc/{pid}").exists(), 15)
        assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("rpyc", "python", "kind"),
    [("4.1.5", "3.8", "debugged ipython"), ("6.0.2", "3.13", "debugged plain")],
)
def test_on_other_pythons(rpyc: str, python: str, kind: str, kernel: Kernel) -> None:
    client = kernel.first
    with Remote(kind, rpyc=rpyc, python=python) as remote:
        connect(client, remote)
        debugger = DebuggerFrontEnd(client)
        debugger.start()
        debugger.break_at(CODE, LINE)
        stops_as_before(debugger)
        cell, frames = debugger.run_to_stop(CODE)
        assert debugger.variables(frames[0])["a"]["value"] == "3"
        assert [each["name"] for each in debugger.do("threads")["threads"]] == ["MainThread"]
        assert [frame["line"] for frame in debugger.step()] == [4, 5]
        assert client.interrupted(cell) < 10
        assert cell.status == "error"
        assert "pydevd" not in cell.traceback
        stops_as_before(debugger)
        assert (
            client.good("import os\npid = os.fork()\nif not pid: os._exit(f(1))\nos.waitpid(pid, 0)[1] >> 8").text
            == "4"
        )
        found = {each["name"]: each["value"] for each in debugger.do("inspectVariables")["variables"]}
        assert found["y"] == "8"


def test_a_cut_link_loses_nothing(machine: Remote, kernel: Kernel) -> None:
    client = kernel.first
    with Proxy(machine.port) as proxy:
        client.good(f"%connect {proxy.address} --new")
        debugger = DebuggerFrontEnd(client)
        debugger.start()
        code = f"import time\ntime.sleep(1)\n{CODE}"
        debugger.break_at(code, LINE + 2)
        cell = client.start(code)
        proxy.refuse(3600)  # it stops while the link is down
        client.wait_for(lambda: link_lines(cell), what="the line about the link")
        assert debugger.look()["isStarted"] is True
        proxy.refuse(0)
        assert debugger.stopped()[0]["line"] == LINE + 2
        proxy.refuse(3600)
        client.wait_for(lambda: "reconnecting" in link_lines(cell)[-1][1], what="the line about the link")
        request = {"type": "request", "seq": 99, "command": "continue", "arguments": {"threadId": debugger.thread}}
        going = client.send("control", "debug_request", request)
        client.drain(0.5)  # an answer that does not come
        assert going.reply is None
        proxy.refuse(0)
        client.wait_for(lambda: going.reply is not None)
        assert client.finish(cell).text == "8"


def test_a_cell_on_another_machine_of_the_notebook_stops_too(machine: Remote, kernel: Kernel) -> None:
    client = kernel.first
    with Remote("debugged plain") as other:
        connect(client, other, "--name", "far")
        connect(client, machine)
        debugger = DebuggerFrontEnd(client)
        debugger.start()
        far = f"%%on far\n{CODE}"
        debugger.break_at(far, LINE + 1)
        debugger.break_at(CODE, LINE)
        stops_as_before_in = [(CODE, LINE), (far, LINE + 1), (CODE, LINE), (far, LINE + 1)]
        for code, line in stops_as_before_in:
            cell, frames = debugger.run_to_stop(code)
            assert (frames[0]["name"], frames[0]["line"]) == ("f", line)
            assert debugger.go_on(cell).text == "8"
        debugger.break_at(far)
        assert client.good(far).text == "8"
