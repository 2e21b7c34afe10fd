"""Completion and inspection: as the page shows them, also while a cell runs."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import SPAWNED_IN_SOAK
from tests.kernel.gates import Gate

PRELUDE = '''
import math
def some_function(alpha_argument, beta_argument=2):
    """What it does, said in its docstring."""
    return alpha_argument  # its body
class SomeClass:
    """The docstring of the class."""
    attribute_of_it = 1
    def method_of_it(self, gamma_argument): "The method's docstring."
some_object = SomeClass()
some_text = "text"
some_dict = {"first key": 1, "second key": 2}
'''


@pytest.fixture(autouse=True)
def names(nb: Client) -> None:
    nb.good(PRELUDE)


def matches(reply: dict[str, Any], code: str) -> set[str]:
    """What the cell would read from the cursor's word on, for each match."""
    assert reply["status"] == "ok"
    assert 0 <= reply["cursor_start"] <= reply["cursor_end"] <= len(code)
    return {code[: reply["cursor_start"]] + match + code[reply["cursor_end"] :] for match in reply["matches"]}


@pytest.mark.parametrize(
    ("code", "completed"),
    [
        ("some_fu", "some_function"),
        ("x = some_te", "x = some_text"),
        ("some_object.attr", "some_object.attribute_of_it"),
        ("math.sq", "math.sqrt"),
        ("import collec", "import collections"),
        ("from os import pat", "from os import path"),
        ("import os.pa", "import os.path"),
        ("some_function(alph", "some_function(alpha_argument="),
        ("some_function(1, beta_a", "some_function(1, beta_argument="),
        ("prin", "print"),
        ("whil", "while"),
        ("é = '😀'; some_fu", "é = '😀'; some_function"),
        ("some_text.upp", "some_text.upper"),
        ("if True:\n    some_obj", "if True:\n    some_object"),
    ],
)
def test_completion(nb: Client, code: str, completed: str) -> None:
    assert completed in matches(nb.complete(code), code)


def test_completion_in_the_middle_of_a_line(nb: Client) -> None:
    code = "print(some_fu, 5)"
    assert "print(some_function, 5)" in matches(nb.complete(code, len("print(some_fu")), code)


def test_completion_of_file_names(nb: Client, tmp_path: Path) -> None:
    (tmp_path / "some-file.txt").touch()
    (tmp_path / "some-folder").mkdir()
    code = f"open('{tmp_path}/some-f"
    found = nb.complete(code)
    assert any("some-file.txt" in each for each in matches(found, code))
    assert any("some-folder/" in each for each in matches(found, code))


@pytest.mark.parametrize(
    ("code", "name", "kind"),
    [
        ("some_fun", "some_function", "function"),
        ("SomeCl", "SomeClass", "class"),
        ("some_obj", "some_object", "instance"),
        ("import mat", "math", "module"),
        ("some_function(alpha", "alpha_argument=", "param"),
        ("retur", "return", "keyword"),
    ],
)
def test_completions_say_what_they_are(nb: Client, code: str, name: str, kind: str) -> None:
    """JupyterLab's icons."""
    reply = nb.complete(code)
    types = {each["text"]: each["type"] for each in reply["metadata"]["_jupyter_types_experimental"]}
    assert types[name] == kind
    assert set(types) == set(reply["matches"])


def test_completion_of_nothing_that_exists(nb: Client) -> None:
    assert nb.complete("no_such_name_anywhe")["matches"] == []


def test_completion_runs_no_code_of_the_user(nb: Client) -> None:
    nb.good("ran = []\nclass Trap:\n    @property\n    def field(self): ran.append(1); return 'x'\ntrap = Trap()")
    nb.complete("trap.fie")
    nb.complete("print(ran.append(2)")
    assert nb.good("2 in ran").text == "False"


def test_completion_of_a_slow_object_holds_no_answer_up(nb: Client) -> None:
    nb.good("import time\nclass Slow:\n    def __dir__(self): time.sleep(12); return ['late']\nslow = Slow()")
    cell = nb.start("input('? ')")
    nb.wait_for(lambda: cell.inputs, what="the question")
    late = nb.send("shell", "complete_request", {"code": "slow.la", "cursor_pos": 7})
    started = time.monotonic()
    nb.answer(cell.inputs[0], "answered")
    assert nb.finish(cell).text == "'answered'"
    assert time.monotonic() - started < 10
    nb.finish(late)


@pytest.mark.parametrize("remote", ["ipython"], indirect=True)
def test_jedi_completes_what_calls_give(nb: Client) -> None:
    """Without IPython, and so without jedi, nothing says what a call gives but the call itself."""
    assert "SomeClass().method_of_it" in matches(nb.complete("SomeClass().meth"), "SomeClass().meth")


def docs(reply: dict[str, Any]) -> str:
    from tests.kernel.results import plain

    assert reply["status"] == "ok"
    assert reply["found"]
    return plain(str(reply["data"]["text/plain"]))


def test_inspection_shows_signature_and_docstring(nb: Client) -> None:
    text = docs(nb.inspect("some_function"))
    assert "some_function(alpha_argument, beta_argument=2)" in text
    assert "What it does, said in its docstring." in text
    assert "# its body" not in text


def test_inspection_in_depth_shows_the_source(nb: Client) -> None:
    assert "return alpha_argument  # its body" in docs(nb.inspect("some_function", detail_level=1))


@pytest.mark.parametrize(
    ("code", "cursor", "expected"),
    [
        ("some_function(", None, "What it does"),
        ("some_function(1, ", None, "What it does"),
        ("some_object.method_of_it", None, "The method's docstring."),
        ("SomeClass", None, "The docstring of the class."),
        ("math.sqrt(2) + 1", 6, "square root"),
        ("some_text", None, "str"),
        ("é = '😀'; some_function", None, "What it does"),
    ],
)
def test_inspection_finds_what_the_cursor_is_on(nb: Client, code: str, cursor: int | None, expected: str) -> None:
    assert expected in docs(nb.inspect(code, cursor))


def test_inspection_has_html_where_the_shell_is_told_to_show_it(nb: Client, remote_kind: str) -> None:
    if remote_kind != "ipython":
        pytest.skip("there is no IPython")
    nb.good("def blink(times=3): 'Let it blink.'")
    assert set(nb.inspect("blink", detail_level=1)["data"]) == {"text/plain"}
    nb.good("get_ipython().enable_html_pager = True")
    html = nb.inspect("blink", detail_level=1)["data"]["text/html"]
    assert "Let it blink." in html
    assert "<span" in html  # coloured
    nb.good("get_ipython().enable_html_pager = False")
    assert set(nb.inspect("blink")["data"]) == {"text/plain"}


def test_inspection_of_nothing(nb: Client) -> None:
    reply = nb.inspect("no_such_name")
    assert (reply["status"], reply["found"], reply["data"]) == ("ok", False, {})


@pytest.mark.parametrize(
    ("code", "expected"),
    [("some_function?", "What it does"), ("some_function??", "# its body"), ("?some_function", "What it does")],
)
def test_question_marks_open_the_pager(nb: Client, code: str, expected: str) -> None:
    cell = nb.good(code)
    assert cell.reply is not None
    pages = [each for each in cell.reply["payload"] if each["source"] == "page"]
    assert len(pages) == 1
    assert expected in pages[0]["data"]["text/plain"]


@SPAWNED_IN_SOAK
@pytest.mark.parametrize("busy", ["sleeping", "computing"])
def test_both_answer_while_a_cell_runs(
    nb: Client, gate: Gate, busy: str, record_property: Callable[[str, object], None]
) -> None:
    nb.complete("some_fu")  # the first one loads what it needs
    nb.inspect("some_function", detail_level=1)
    work = gate.wait.replace("_time.sleep(.01)", "_time.sleep(.01)" if busy == "sleeping" else "pass")
    cell = nb.start(f"print('running', flush=True)\n{work}\nprint('done')")
    nb.wait_output(cell, "running")
    taken = []
    for _ in range(5):
        for ask in (lambda: nb.complete("some_fu"), lambda: nb.inspect("some_function", detail_level=1)):
            started = time.monotonic()
            reply = ask()
            taken.append(time.monotonic() - started)
            assert "some_function" in reply["matches"] if "matches" in reply else "# its body" in docs(reply)
    assert not cell.done
    gate.open()
    assert nb.finish(cell).stdout == "running\ndone\n"
    record_property("seconds", sorted(taken))
    assert max(taken) < 8, "it waits no longer than for ten seconds, and then answers nothing"


def test_a_question_right_behind_a_short_cell_is_answered_by_what_the_cell_leaves(nb: Client) -> None:
    name = f"behind_{uuid.uuid4().hex}"
    cell = nb.start(f"import time; time.sleep(0.4); {name} = 1")
    asked = nb.send("shell", "complete_request", {"code": name[:-1], "cursor_pos": len(name) - 1})
    about = nb.send("shell", "kernel_info_request", {})
    nb.wait_for(lambda: asked.done and about.done, what="both answers")
    assert asked.reply is not None
    assert asked.reply["matches"] == [name]
    assert cell.replied_at is not None
    assert about.replied_at is not None
    assert cell.replied_at < about.replied_at  # the first completion may take its time


def test_a_question_behind_many_cells_waits_a_second_and_no_longer(nb: Client, gate: Gate) -> None:
    cells = [nb.start(f"{gate.wait}\nprint('done')"), nb.start("1"), nb.start("2")]
    assert "some_function" in nb.complete("some_fu")["matches"]
    assert not any(each.done for each in cells)
    gate.open()
    assert [nb.finish(each).text for each in cells] == [None, "1", "2"]


@SPAWNED_IN_SOAK
def test_requests_while_a_cell_runs_leave_the_cell_busy(nb: Client, gate: Gate) -> None:
    """A page counts the kernel as idle when the last status says so, whoever it was for."""
    states: list[tuple[str, str]] = []
    cell = nb.start(f"print('running', flush=True)\n{gate.wait}")
    nb.wait_output(cell, "running")
    seen: list[Any] = []
    original = type(cell).take

    def take(request: Any, message: Any) -> None:
        if message.kind == "status":
            states.append((request.kind, message.content["execution_state"]))
        seen.append(message)
        original(request, message)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(cell), "take", take)
        aside = nb.send("shell", "complete_request", {"code": "some_fu", "cursor_pos": 7})
        nb.wait_for(lambda: aside.reply is not None)
        nb.wait_for(lambda: ("complete_request", "idle") in states, 2, "the idle of the completion")
        nb.wait_for(lambda: states[-1][1] == "busy", 2, "busy for the cell again")
    gate.open()
    nb.finish(cell)


DEVICE = """
import time, warnings
class Device:
    calls = []
    @property
    def slow(self): Device.calls.append("slow"); time.sleep(30); return "x"
    @property
    def noisy(self): print("printed by Tab"); warnings.warn("warned by Tab"); return 1
    @property
    def motor(self): Device.calls.append("motor"); return self
    def __getattr__(self, name): Device.calls.append(name); raise AttributeError(name)
device = Device()
holder = [device]
named = {"a": device}
"""


def test_neither_runs_properties(nb: Client, gate: Gate) -> None:
    nb.good(DEVICE)
    cell = nb.start(f"{gate.wait}'done'")
    for code in ("device.", "device.mo", "device.slow.", "holder[0].", "device.motor.motor.", "named['a'].motor.x"):
        nb.complete(code)
        nb.inspect(code.rstrip("."))
    assert "device.slow" in matches(nb.complete("device."), "device.")
    gate.open()
    nb.finish(cell)
    assert (cell.text, cell.stdout, cell.stderr) == ("'done'", "", "")
    assert nb.good("[name for name in Device.calls if name in ('slow', 'motor')]").text == "[]"


def test_what_takes_long_to_look_at_holds_up_no_other_question(nb: Client, gate: Gate) -> None:
    nb.good("""
import time
class Slow:
    def __repr__(self): print("printed by Shift-Tab"); time.sleep(60); return "x"
class SlowNames:
    def __dir__(self): print("printed by Tab"); time.sleep(60); return ["x"]
slow, names, quick = Slow(), SlowNames(), "quick"
""")
    cell = nb.start(f"{gate.wait}'done'")
    started = time.monotonic()
    asked = [nb.send("shell", "inspect_request", {"code": "slow", "cursor_pos": 4, "detail_level": 0})]
    asked += [nb.send("shell", "complete_request", {"code": "names.", "cursor_pos": 6})]
    assert "quick" in matches(nb.complete("qui"), "qui")
    assert nb.inspect("quick")["found"]
    nb.wait_for(lambda: all(each.done for each in asked), what="all answers")
    assert time.monotonic() - started < 20
    gate.open()
    nb.finish(cell)
    assert (cell.text, cell.stdout, cell.stderr) == ("'done'", "", "")
