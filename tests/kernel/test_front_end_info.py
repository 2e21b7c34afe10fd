"""What a front end is told about the kernel is about the Python that runs the cells."""

from __future__ import annotations

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote

pytestmark = pytest.mark.mainly("plain")

DEBUGGER = {
    "initialize": "%pip install debugpy",
    "attach": "not started",
    "setBreakpoints": "not started",
    "dumpCell": "not started",
    "configurationDone": "not started",
    "richInspectVariables": "not started",
}


@pytest.mark.parametrize(("command", "said"), DEBUGGER.items())
def test_without_debugpy_the_debugger_says_what_is_missing(nb: Client, command: str, said: str) -> None:
    """A breakpoint that is said to be verified would never stop anything."""
    content = {"type": "request", "seq": 11, "command": command, "arguments": {"code": "x = 1"}}
    reply = nb.ask("debug_request", content, "control")
    assert (reply["type"], reply["request_seq"], reply["command"]) == ("response", 11, command)
    assert reply["success"] is False
    assert said in reply["message"]
    state = nb.ask("debug_request", {"type": "request", "seq": 12, "command": "debugInfo"}, "control")
    assert state["success"] is True
    assert state["body"]["isStarted"] is False
    assert state["body"]["breakpoints"] == []


@pytest.mark.parametrize("content", [{}, {"command": 5}, {"command": "nonsense"}, {"command": "debugInfo", "seq": "x"}])
def test_odd_questions_to_the_debugger_fail_too(nb: Client, content: dict[str, object]) -> None:
    reply = nb.ask("debug_request", content, "control")
    assert reply["success"] is False
    assert reply["message"]


def test_a_debugger_is_advertised_and_subshells_are_not(nb: Client) -> None:
    assert nb.kernel_info()["supported_features"] == ["debugger"]


def test_version_and_links_are_those_of_the_other_python() -> None:
    with Remote("bare", rpyc="4.1.5", python="3.8") as remote, Kernel() as front:
        connect(front, remote)
        info = front.kernel_info()
        assert info["language_info"]["version"].startswith("3.8.")
        assert "https://docs.python.org/3.8" in [link["url"] for link in info["help_links"]]
        assert front.is_complete("match x:\n    case 1:\n        pass\n\n")["status"] == "invalid"
        assert front.is_complete("with (open('a') as f, open('b') as g): pass")["status"] == "invalid"
        assert front.is_complete("%%local\nmatch x:\n    case 1:\n        pass\n\n")["status"] == "complete"
        cell = front.start("import time\nprint('on'); time.sleep(60)")
        front.wait_output(cell, "on")
        assert front.is_complete("for i in x:")["status"] == "incomplete"
        front.interrupted(cell)
