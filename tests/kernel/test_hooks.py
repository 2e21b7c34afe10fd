"""What runs around a cell (hooks), and what a cell shows without failing: its reply says how the cell itself ended."""

import ast
from textwrap import indent

import pytest

from tests.kernel.client import Client
from tests.kernel.gates import Gate
from tests.kernel.results import Request, plain

HOOKS = ["pre_execute", "pre_run_cell", "post_execute", "post_run_cell"]


def told(cell: Request) -> str:
    """What a cell tells of errors, on stderr or in an `error` message."""
    return plain(cell.stderr) + (cell.traceback if cell.error else "")


RAISED = [f"{kind}('of the hook')" for kind in ("ValueError", "KeyboardInterrupt", "SystemExit", "GeneratorExit")]


@pytest.mark.parametrize("raised", RAISED)
def test_a_failing_hook_is_shown_and_the_cell_is_good(nb: Client, raised: str) -> None:
    for hook in HOOKS:
        nb.good(
            f"def hook(*args):\n    raise {raised}\n"
            f"def unhook(): get_ipython().events.unregister('{hook}', hook)\n"
            f"get_ipython().events.register('{hook}', hook)"
        )
        cell, queued = nb.start("print('ran')\n6 * 7"), nb.start("'queued ' + 'ran'")
        nb.finish(queued)
        nb.good("unhook()")
        assert cell.status == queued.status == "ok", (hook, cell, queued)
        assert (cell.stdout.split("\n").count("ran"), cell.text, queued.text) == (1, "42", "'queued ran'"), hook
        assert f"raise {raised}" in told(cell), hook
        assert "rpyc_kernel" not in told(cell)
        after = nb.good("7")
        assert after.error is None, hook
        assert after.stderr == "", hook


def test_the_error_of_a_cell_is_its_own_also_when_a_hook_fails(nb: Client) -> None:
    nb.good("def hook(*args): raise ValueError('of the hook')\nget_ipython().events.register('post_execute', hook)")
    cell = nb.run("1/0")
    nb.good("get_ipython().events.unregister('post_execute', hook)")
    assert cell.reply is not None
    assert cell.status == "error"
    assert cell.reply["ename"] == "ZeroDivisionError"
    assert "division by zero" in "\n".join(cell.reply["traceback"])


def test_what_is_called_around_cells_can_be_looked_at(nb: Client) -> None:
    nb.good("events = get_ipython().events\ndef hook(): pass\nevents.register('pre_execute', hook)")
    assert nb.good("hook in events.callbacks['pre_execute']").text == "True"


def test_hooks_are_told_what_the_cell_is_and_how_it_ended(nb: Client) -> None:
    nb.good(
        "told = []\n"
        "def before(info): told.append((info.raw_cell, info.store_history, info.silent))\n"
        "def after(result):\n"
        "    errors = [type(each).__name__ for each in (result.error_before_exec, result.error_in_exec)]\n"
        "    told.append((result.info.raw_cell, result.execution_count, result.success, *errors))\n"
        "get_ipython().events.register('pre_run_cell', before)\n"
    )
    nb.good("get_ipython().events.register('post_run_cell', after)")
    nb.run("1/0")
    nb.run("1 1")
    count = nb.good(
        "get_ipython().events.unregister('pre_run_cell', before)\n"
        "get_ipython().events.unregister('post_run_cell', after)\ntold"
    )
    assert count.reply is not None
    third = count.reply["execution_count"]
    assert count.text is not None
    told = ast.literal_eval(count.text)
    assert told[-5:-1] == [
        ("1/0", True, False),
        ("1/0", third - 2, False, "NoneType", "ZeroDivisionError"),
        ("1 1", True, False),
        ("1 1", third - 1, False, "SyntaxError", "NoneType"),
    ]


SHOWN = {
    "showtraceback": ("try:\n    1/0\nexcept Exception:\n    get_ipython().showtraceback()", "ZeroDivisionError"),
    "showtraceback of another": (
        "try: 1/0\nexcept Exception as e: shown = type(e), e, e.__traceback__\nget_ipython().showtraceback(shown)",
        "ZeroDivisionError",
    ),
    "showsyntaxerror": (
        "try:\n    compile('a b', 'f', 'exec')\nexcept SyntaxError:\n    get_ipython().showsyntaxerror()",
        "SyntaxError",
    ),
    "show_usage_error": ("get_ipython().show_usage_error(ValueError('used wrongly'))", "used wrongly"),
    "nothing to show": ("0;", ""),
}


@pytest.mark.parametrize("shown", SHOWN)
def test_a_cell_that_shows_an_error_which_it_has_handled_is_good(nb: Client, shown: str) -> None:
    code, text = SHOWN[shown]
    cell, queued = nb.start(code + "\nprint('went on')"), nb.start("'queued'")
    nb.finish(queued)
    assert cell.status == queued.status == "ok", cell
    assert text in told(cell)
    assert "went on" in cell.stdout


def test_a_cell_that_shows_an_error_and_then_fails_has_its_own(nb: Client) -> None:
    cell = nb.run("try:\n    1/0\nexcept Exception:\n    get_ipython().showtraceback()\n[].pop()")
    assert cell.reply is not None
    assert (cell.status, cell.reply["ename"]) == ("error", "IndexError")
    assert "pop from empty list" in "\n".join(cell.reply["traceback"])
    assert nb.good("'next'").text == "'next'"


def test_an_exception_that_is_false_is_an_error(nb: Client) -> None:
    cell = nb.run("class Empty(Exception):\n    def __len__(self): return 0\nraise Empty('of nothing')")
    assert cell.reply is not None
    assert (cell.status, cell.reply["ename"]) == ("error", "Empty")


@pytest.mark.parametrize("code", ["get_ipython().ask_exit()", "exit()", "quit()", "exit(0)", "exit(keep_kernel=True)"])
def test_the_ways_out_leave_the_session_in_order(nb: Client, remote_kind: str, code: str) -> None:
    nb.good("kept = 1")
    cell = nb.run(code)
    assert cell.reply is not None
    if remote_kind == "ipython" or "ask" in code:
        keep = None if "ask" in code else "keep_kernel" in code
        assert cell.reply["payload"] == [{"source": "ask_exit", "keepkernel": keep}]
    assert cell.error is None or cell.error["ename"] == "SystemExit"
    assert nb.good("kept").text == "1"


def test_a_library_may_put_a_function_in_place_of_run_cell(nb: Client, remote_kind: str, gate: Gate) -> None:
    """As ipyparallel's ``%autopx`` does; it sees the cells that ipykernel would give it."""
    if remote_kind == "plain":
        return
    nb.good("def wait():\n" + indent(gate.wait, "    "))
    nb.good(
        "ip = get_ipython(); theirs = ip.run_cell; hooks = []\n"
        "def mine(raw, **options): print('mine'); return theirs(raw.replace('x', '7'), **options)\n"
        "ip.events.register('post_execute', lambda: hooks.append(1)); ip.run_cell = mine"
    )
    cell, count = nb.good("print('in'); x"), nb.good("len(hooks)").text
    assert (cell.stdout, cell.text) == ("mine\nin\n", "7")
    assert count == "2"
    assert nb.good("1 + 1").stdout == "mine\n"
    failed, queued = nb.start("wait(); x / 0"), nb.start("'queued'")
    nb.kernel_info()  # behind them
    gate.open()
    nb.finish(queued)
    assert failed.reply is not None
    assert (failed.status, failed.reply["ename"], queued.status) == ("error", "ZeroDivisionError", "aborted")
    assert nb.good("import asyncio; await asyncio.sleep(0, 'x')").text == "'x'", "an await is not for run_cell"
    cell = nb.start("import time; print('waits')\ntime.sleep(60)")
    nb.wait_output(cell, "waits")
    nb.interrupted(cell)
    assert (cell.error or {})["ename"] == "KeyboardInterrupt"
    nb.good("ip.run_cell = lambda raw, **options: None")
    assert nb.good("1 / 0").error is None, "one that returns nothing is taken for a cell that worked"
    assert nb.good("import asyncio; await asyncio.sleep(0)\ndel ip.run_cell").status == "ok"
    assert nb.good("8").text == "8"
