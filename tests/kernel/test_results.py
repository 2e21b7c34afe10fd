"""The last value of a cell, what remembers it, and how cells are counted."""

import pytest

from tests.kernel.client import Client
from tests.kernel.remotes import Remote


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("1+1", "2"),
        ("1+1;", None),
        ("1+1;  # a comment", None),
        ("x = 3", None),
        ("None", None),
        ("x = 3\nx * 2", "6"),
        ("x = 3\n(x *\n  2)", "6"),
        ("x = 1; x + 6", "7"),
        ("for i in range(3): i", None),
        ("'a' 'b'", "'ab'"),
        ("", None),
        ("# nothing but a comment", None),
        ("'a;'", "'a;'"),
    ],
)
def test_the_last_value_is_shown_unless_a_semicolon_ends_it(nb: Client, code: str, shown: str | None) -> None:
    result = nb.good(code)
    assert result.text == shown
    assert result.stdout == result.stderr == ""


def test_underscores_hold_the_last_three_values(nb: Client) -> None:
    for value in (11, 22, 33):
        nb.good(str(value))
    assert nb.good("print(_, __, ___)").stdout == "33 22 11\n"


def test_in_and_out_hold_cells_and_values_by_number(nb: Client) -> None:
    result = nb.good("6 * 7")
    assert result.reply is not None
    n = result.reply["execution_count"]
    assert nb.good(f"print(Out[{n}], _{n}, repr(In[{n}]))").stdout == "42 42 '6 * 7'\n"
    assert nb.good("'quiet';").text is None
    assert nb.good(f"In[{n + 2}], len(In) == {n + 4}").text == "(\"'quiet';\", True)"


def test_a_cell_has_one_number_everywhere(nb: Client) -> None:
    first, second = nb.good("'one'"), nb.good("'two'")
    counts = []
    for result in (first, second):
        assert result.reply is not None
        assert result.input is not None
        n = result.reply["execution_count"]
        assert result.input.content == {"code": result.code, "execution_count": n}
        assert result.of("execute_result")[0].content["execution_count"] == n
        counts.append(n)
    assert counts[1] == counts[0] + 1


def test_an_error_counts_too(nb: Client) -> None:
    before, failed, after = (nb.run(code).reply for code in ("1", "1/0", "1"))
    assert before is not None
    assert failed is not None
    assert after is not None
    n = before["execution_count"]
    assert [failed["execution_count"], after["execution_count"]] == [n + 1, n + 2]


def test_silent_shows_nothing_and_counts_nothing(nb: Client) -> None:
    first = nb.good("'first'")
    silent = nb.good("kept = 5\n'unseen'", silent=True)
    assert silent.input is None
    assert silent.messages == []
    last = nb.good("kept, _")
    assert last.text == "(5, 'first')"
    assert first.reply is not None
    assert last.reply is not None
    assert last.reply["execution_count"] == first.reply["execution_count"] + 1


def test_store_history_false_shows_but_does_not_count(nb: Client) -> None:
    first = nb.good("'first'")
    unstored = nb.good("'seen'", store_history=False)
    assert unstored.text == "'seen'"
    last = nb.good("\"'seen'\" in In")
    assert last.text == "False"
    assert first.reply is not None
    assert last.reply is not None
    assert last.reply["execution_count"] == first.reply["execution_count"] + 1
    assert "'seen'" not in [entry[2] for entry in nb.history(n=10)]


def test_user_expressions_are_evaluated_after_the_cell(nb: Client) -> None:
    result = nb.good("n = 20", user_expressions={"twice": "n * 2", "bad": "1/0"})
    assert result.reply is not None
    expressions = result.reply["user_expressions"]
    assert expressions["twice"]["status"] == "ok"
    assert expressions["twice"]["data"]["text/plain"] == "40"
    assert expressions["bad"]["status"] == "error"
    assert expressions["bad"]["ename"] == "ZeroDivisionError"
    assert expressions["bad"]["evalue"] == "division by zero"


def test_cells_run_in_main(nb: Client) -> None:
    assert nb.good("import __main__; seen = 1\n__name__, __main__.seen").text == "('__main__', 1)"


def test_cells_run_on_the_other_machine(nb: Client, remote: Remote) -> None:
    assert nb.good("import os; os.environ['RK_WHERE'], os.getcwd()").text == f"('there', '{remote.work}')"
    assert nb.good("import sys; sys.prefix").text == repr(remote.python_says("sys.prefix"))


def test_language_info_is_the_remotes(nb: Client, remote: Remote) -> None:
    version = remote.python_says("platform.python_version()")
    info = nb.kernel_info()
    assert info["language_info"]["name"] == "python"
    assert info["language_info"]["version"] == version
    assert info["status"] == "ok"


def test_cells_go_on_when_one_has_replaced_functions_of_json(nb: Client) -> None:
    nb.good("import json\nkept = json.dumps, json.loads\njson.dumps = json.loads = lambda *text, **how: b''\n5")
    assert nb.good("17").text == "17"
    assert nb.run("1 / 0").error
    nb.good("%pull pulled=[19]")
    assert nb.good("%%local\npulled").text == "[19]"
    assert nb.good("json.dumps, json.loads = kept\njson.loads(json.dumps(18))").text == "18"


def test_advertised_features_work(nb: Client) -> None:
    """Whatever `supported_features` names, a front end may use at once."""
    info = nb.kernel_info()
    features = set(info.get("supported_features", []))
    assert features <= {"debugger", "kernel subshells"}
    if "kernel subshells" in features:
        made = nb.ask("create_subshell_request", {}, "control")
        assert made["status"] == "ok"
        busy = nb.start("import time\nfor i in range(600): time.sleep(.1)")
        content = {"code": "'from the subshell'", "silent": False, "store_history": False, "allow_stdin": False}
        aside = nb.send("shell", "execute_request", content, subshell=made["subshell_id"])
        nb.finish(aside, 10)
        assert aside.text == "'from the subshell'"
        nb.interrupted(busy)
    if "debugger" in features:
        asked = {"type": "request", "seq": 1, "command": "debugInfo", "arguments": {}}
        assert nb.ask("debug_request", asked, "control")["success"]


@pytest.mark.parametrize("remote", ["ipython"], indirect=True)
def test_get_ipython_kernel_offers_what_libraries_ask_of_it(nb: Client) -> None:
    result = nb.good("kernel = get_ipython().kernel\nkernel.get_parent()['header']['msg_id']")
    assert result.text == repr(result.id)
    assert nb.good("kernel.shell is get_ipython(), hasattr(kernel, 'comm_manager')").text == "(True, True)"


@pytest.mark.parametrize("remote", ["plain"], indirect=True)
def test_without_ipython_nothing_pretends_to_be_it(nb: Client) -> None:
    """Libraries look for `get_ipython` or `IPython` in `sys.modules` and would then expect all of it."""
    assert nb.good("import sys; 'IPython' in sys.modules, 'ipykernel' in sys.modules").text == "(False, False)"
