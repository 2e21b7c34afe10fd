"""pdb over `input()`: after an error, and at a breakpoint."""

import pytest

from tests.kernel.client import Client
from tests.kernel.results import plain


def said(nb: Client, code: str, *answers: str) -> tuple[str, list[str]]:
    """Run a cell that talks to a debugger; returns what it printed and its prompts."""
    cell = nb.good(code, answers=answers)
    return plain(cell.stdout), [asked.content["prompt"] for asked in cell.inputs]


def fail(nb: Client) -> None:
    assert nb.run("def boom(number):\n    local_name = 'inside'\n    return number / 0\nboom(17)").status == "error"


@pytest.mark.parametrize("code", ["%debug", "import pdb; pdb.pm()"])
def test_after_an_error(nb: Client, code: str) -> None:
    fail(nb)
    printed, prompts = said(nb, code, "p number, local_name", "up", "p 'in the cell'", "q")
    assert "(17, 'inside')" in printed
    assert "in the cell" in printed
    assert len(prompts) == 4
    assert all("db" in prompt for prompt in prompts)
    assert nb.good("1").text == "1"


def test_it_shows_the_lines_of_the_cell(nb: Client) -> None:
    fail(nb)
    printed, _ = said(nb, "%debug", "l", "q")
    assert "return number / 0" in printed


@pytest.mark.parametrize(
    "wait",
    ["while True: pass", "time.sleep(60)", "input('? ')", "display(Slow())", "get_ipython().system('sleep 60')"],
)
def test_after_a_stop_it_begins_where_the_user_has_stopped(nb: Client, wait: str) -> None:
    nb.good("import time\nclass Slow:\n    def _repr_html_(self): time.sleep(60)")
    cell = nb.start(f"def f():\n    mine = 17 + 25\n    print('on', flush=True)\n    {wait}\nf()", answers=[])
    nb.wait_output(cell, "on")
    nb.wait_for(lambda: cell.inputs or "input" not in wait)
    nb.interrupted(cell)
    printed, _ = said(nb, "%debug", "where", "up", "up", "up", "down", "down", "down", "q")
    assert wait in printed
    assert "rpyc-kernel agent" not in printed
    if wait.startswith(("while", "time", "input")):
        printed, _ = said(nb, "%debug", "p mine", "q")
        assert "42" in printed


@pytest.mark.parametrize("stop", ["breakpoint()", "import pdb; pdb.set_trace()"])
def test_at_a_breakpoint(nb: Client, stop: str) -> None:
    code = f"def f(x):\n    {stop}\n    y = x * 2\n    return y\nprint('gave', f(21))"
    printed, prompts = said(nb, code, "n", "n", "p y", "c")
    assert "42" in printed
    assert printed.endswith("gave 42\n")
    assert len(prompts) == 4


def test_quitting_a_breakpoint_ends_the_cell(nb: Client) -> None:
    cell = nb.run("breakpoint()\nprint('must not run')", answers=["q"])
    assert cell.status == "error" or "must not run" not in cell.stdout
    assert "must not run" not in cell.stdout
    assert nb.good("1").text == "1"


def test_the_prompt_can_be_interrupted(nb: Client) -> None:
    cell = nb.start("breakpoint()\nprint('on')", answers=[])
    nb.wait_for(lambda: cell.inputs, what="the debugger's prompt")
    nb.interrupt()
    nb.wait_for(lambda: cell.done or len(cell.inputs) > 1, 5, "the end of the cell, or the next prompt")
    if not cell.done:  # pdb may take an interrupt as "this line was not meant"
        cell.answers = ["q", "q"]
        nb.answer(cell.inputs[-1], "q")
        nb.finish(cell)
    assert nb.good("1").text == "1"


def test_the_stop_button_works_after_continue(nb: Client) -> None:
    """`c` of pdb installs a SIGINT handler of its own."""
    said(nb, "breakpoint()\nx = 1", "c")
    cell = nb.start("import time\nprint('ready'); time.sleep(60)")
    nb.wait_output(cell, "ready")
    assert nb.interrupted(cell) < 10
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
