"""`remote` in local cells: RPyC's classic connection to the machine where the notebook's cells run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.remotes import Remote, wait_until
from tests.kernel.results import Request

pytestmark = pytest.mark.mainly("ipython")

EXAMPLES = Path(__file__).parents[2] / "examples"
UPLOADED = EXAMPLES / "scripts" / "fibonacci.py"


def here(client: Client, code: str) -> Request:
    """Run a local cell that has to work."""
    return client.good(f"%%local\n{code}")


def text(client: Client, expression: str) -> str | None:
    """What a local cell shows of an expression."""
    return here(client, expression).text


def fails(client: Client, code: str) -> Request:
    """Run a local cell that has to fail, with a traceback in the notebook's style and nothing of ours in it."""
    cell = client.run(f"%%local\n{code}")
    assert cell.status == "error", cell
    for ours in ("rpyc/core", "rpyc_kernel/", "netref.py", "Remote Traceback", "interactiveshell.py"):
        assert ours not in cell.traceback, cell.traceback
    return cell


# --- what RPyC's own classic connection has


def test_modules(nb: Client) -> None:
    assert text(nb, "remote.modules.os.environ['RK_WHERE']") == "'there'"
    nb.good("import sys\nsys.path.append('/added')")
    assert text(nb, "remote.modules.sys.path[-1]") == "'/added'"
    assert text(nb, "remote.modules['os.path'].join('a', 'b')") == "'a/b'"
    assert text(nb, "remote.modules.sys.version") == nb.good("sys.version").text


def test_a_module_that_is_not_there(nb: Client) -> None:
    cell = fails(nb, "remote.modules.nothing_of_that_name")
    assert cell.error is not None
    assert (cell.error["ename"], cell.error["evalue"]) == ("AttributeError", "No module named 'nothing_of_that_name'")
    assert text(nb, "hasattr(remote.modules, 'nothing_of_that_name')") == "False"


def test_builtins_by_both_names(nb: Client, remote: Remote) -> None:
    (remote.work / "diary").write_text("dear diary\n")
    assert text(nb, "remote.builtins.open('diary').read()") == r"'dear diary\n'"
    assert text(nb, "remote.builtin.open('diary').readlines()") == r"['dear diary\n']"
    assert text(nb, "remote.builtins.sum([1, 2, 3])") == "6"


def test_eval_and_execute(nb: Client) -> None:
    here(nb, "remote.execute('import math')")
    assert text(nb, "remote.eval('2 * math.pi')") == "6.283185307179586"
    assert nb.good("math.tau").text == "6.283185307179586"  # the variables are those of the cells


def test_namespace(nb: Client) -> None:
    nb.good("scores = {'Foo': 10, 'Bar': 42}")
    here(nb, "remote.namespace['scores']['Bar'] += 58")
    assert nb.good("scores").text == "{'Foo': 10, 'Bar': 100}"
    here(nb, "remote.namespace['fresh'] = 'from here'")
    assert nb.good("fresh").text == "'from here'"


def test_teleport(nb: Client) -> None:
    here(nb, "def square(x):\n    return x**2\n\nfn = remote.teleport(square)")
    assert text(nb, "fn(9)") == "81"
    assert text(nb, "remote.eval('square(2)')") == "4"
    assert text(nb, "remote.namespace['square'] is fn") == "True"
    assert nb.good("square(3)").text == "9"


def test_what_cannot_be_teleported_gets_a_sentence(nb: Client) -> None:
    cell = fails(nb, "def outer(factor):\n    return lambda x: x * factor\nremote.teleport(outer(3))")
    assert cell.error is not None
    assert "factor" in cell.error["evalue"]
    cell = fails(nb, "remote.teleport(len)")
    assert cell.error is not None
    assert cell.error["ename"] == "TeleportError"


def test_netrefs_look_like_what_they_lead_to(nb: Client) -> None:
    assert text(nb, "type(remote.modules.sys.path)") == "<netref class 'rpyc.core.netref.builtins.list'>"
    assert text(nb, "isinstance(remote.modules.sys.path, list)") == "True"
    assert text(nb, "type(remote.eval('6 * 7')) is int") == "True"


def test_ping_and_close(nb: Client) -> None:
    here(nb, "remote.ping()")
    here(nb, "kept = remote.eval('[1]')\nremote.close()")
    cell = fails(nb, "kept[0]")
    assert cell.error is not None
    assert cell.error["ename"] == "RemoteClosedError"
    assert "closed here" in cell.error["evalue"]
    assert text(nb, "remote.eval('1 + 1')") == "2", "the next cell has a fresh connection"


def test_timeouts(nb: Client) -> None:
    assert text(nb, "remote._config['sync_request_timeout']") == "600.0"
    nb.good("import time\ndone = []\ndef work():\n    time.sleep(1)\n    done.append(1)")
    cell = fails(nb, "remote._config['sync_request_timeout'] = 0.2\nremote.namespace['work']()")
    assert cell.error is not None
    assert cell.error["ename"] in ("TimeoutError", "AsyncResultTimeout")
    assert "did not answer within 0.2 s" in cell.error["evalue"]
    assert "goes on there" in cell.error["evalue"]
    here(nb, "remote._config['sync_request_timeout'] = 600.0")
    assert text(nb, "remote.value('done')") == "[1]"


def test_async_results(nb: Client) -> None:
    here(nb, "import rpyc\nasleep = rpyc.async_(remote.modules.time.sleep)\nres = asleep(1)")
    shown = here(nb, "print(res, res.ready)\nres.wait()\nprint(res, res.ready, res.error, res.value)").stdout
    before, after = shown.splitlines()
    assert "(pending)" in before
    assert before.endswith("False")
    assert "(ready)" in after
    assert after.endswith("True False None")
    code = (
        "to_int = rpyc.async_(remote.builtins.int)\ngot = []\nx = to_int('8')\nx.add_callback(lambda r: got.append(r))"
    )
    assert here(nb, f"{code}\nx.wait()\ngot[0] is x, x.value").text == "(True, 8)"
    cell = fails(nb, "y = to_int('no number')\ny.wait()\nprint(y.ready, y.error)\ny.value")
    assert cell.stdout == "True True\n"
    assert cell.error is not None
    assert (cell.error["ename"], cell.error["evalue"]) == (
        "ValueError", "invalid literal for int() with base 10: 'no number'"
    )  # fmt: skip


def test_results_that_expire(nb: Client) -> None:
    code = "import rpyc\nz = rpyc.async_(remote.modules.time.sleep)(1)\nz.set_expiry(0.1)\ntry:\n    z.wait()\n"
    assert here(nb, f"{code}except TimeoutError:\n    pass\nz.expired").text == "True"
    assert here(nb, "rpyc.timed(remote.builtins.abs, 30)(-2).value").text == "2"
    cell = fails(nb, "rpyc.timed(remote.modules.time.sleep, 0.1)(1).value")
    assert cell.error is not None
    assert cell.error["ename"] in ("TimeoutError", "AsyncResultTimeout")


def test_callbacks(nb: Client) -> None:
    code = "rlist = remote.builtins.list(remote.builtins.range(4))\ndef g(x):\n    print('here', x)\n    return x**3\n"
    cell = here(nb, f"{code}remote.builtins.list(remote.builtins.map(g, rlist))")
    assert cell.stdout == "here 0\nhere 1\nhere 2\nhere 3\n"
    assert cell.text == "[0, 1, 8, 27]"


def test_events(nb: Client) -> None:
    nb.good(
        "import threading\ndef start(on_event, values):\n"
        "    threading.Thread(target=lambda: [on_event(value) for value in values], daemon=True).start()"
    )
    code = (
        "import rpyc, threading\nseen, complete = [], threading.Event()\n"
        "def on_event(value):\n    seen.append(value)\n    if len(seen) == 3: complete.set()\n"
        "serving = rpyc.BgServingThread(remote)\nremote.namespace['start'](on_event, (1, 2, 3))\n"
        "complete.wait(30)\nserving.stop()\nseen"
    )
    assert here(nb, code).text == "[1, 2, 3]"


def test_a_file_is_uploaded_and_what_it_defines_is_called(nb: Client) -> None:
    here(nb, f"remote.execute(open({str(UPLOADED)!r}).read())")
    assert text(nb, "remote.namespace['fibonacci'](10)") == "[0, 1, 1, 2, 3, 5, 8, 13, 21, 34]"
    assert nb.good("fibonacci(3)").text == "[0, 1, 1]"


# --- copies


def test_value_is_a_copy(nb: Client) -> None:
    nb.good("deep = {'a': [1, (2.5, None)], 2: {b'x'}}")
    here(nb, "copied = remote.value('deep')")
    nb.good("deep.clear()")
    assert text(nb, "copied, type(copied) is dict") == "({'a': [1, (2.5, None)], 2: {b'x'}}, True)"
    nb.good("import numpy as np\narray = np.arange(6).reshape(2, 3)")
    assert text(nb, "remote.value('array')") == "array([[0, 1, 2],\n       [3, 4, 5]])"


def test_only_plain_data_is_copied_and_nothing_is_unpickled(nb: Client) -> None:
    nb.good("class Thing: pass\nthings = [Thing()]")
    cell = fails(nb, "remote.value('things')")
    assert cell.error is not None
    assert "things[0]" in cell.error["evalue"]
    cell = fails(nb, "from rpyc.utils.classic import obtain\nobtain(remote.eval('[1]'))")
    assert cell.error is not None
    assert cell.error["ename"] == "TypeError"
    assert "unpickled" in cell.error["evalue"]


# --- what is shown


def test_what_is_printed_there_is_shown_by_the_cell_in_order(nb: Client) -> None:
    code = (
        "print('here 1')\nprint('there 1', file=remote.modules.sys.stdout)\nprint('here 2')\n"
        "remote.execute('print(\"there 2\")')\nprint('here 3')\nprint('there 3', file=remote.modules.sys.stderr)"
    )
    cell = here(nb, code)
    assert cell.stdout == "here 1\nthere 1\nhere 2\nthere 2\nhere 3\n"
    assert cell.stderr == "there 3\n"
    assert here(nb, 'remote.execute(\'display({"text/plain": "shown"}, raw=True)\')').displays[0] == {
        "text/plain": "shown"
    }


def test_stdout_of_the_other_side_may_be_this_one(nb: Client) -> None:
    code = (
        "from rpyc.utils.classic import redirected_stdio\n"
        "with redirected_stdio(remote):\n    remote.execute(\"print('by way of here')\")"
    )
    assert here(nb, code).stdout == "by way of here\n"


def test_both_tracebacks(nb: Client, remote: Remote) -> None:
    nb.good("def divide(x):\n    nothing = 0\n    return x / nothing")
    cell = fails(nb, "def local_function():\n    return remote.namespace['divide'](1)\n\nlocal_function()")
    assert cell.error is not None
    assert cell.error["ename"] == "ZeroDivisionError"
    ours, theirs = cell.traceback.split(f"On {remote.address}:\n")
    assert "----> 5 local_function()" in ours
    assert "----> 3     return remote.namespace['divide'](1)" in ours
    assert "in divide\n    return x / nothing\n" in theirs
    assert theirs.rstrip().endswith("ZeroDivisionError: division by zero")


def test_exceptions_are_caught_as_what_they_are(nb: Client) -> None:
    code = "try:\n    remote.execute('z = 1 / 0')\nexcept ZeroDivisionError as e:\n    caught = e\n"
    here(nb, code)
    assert text(nb, "'<remote ' in caught._remote_tb and 'z = 1 / 0' in caught._remote_tb") == "True"
    assert text(nb, "'Remote Traceback (1)' in caught.__notes__[0]") == "True"
    code = "try:\n    remote.eval('open(\"/nothing/there\")')\nexcept FileNotFoundError as e:\n    print(e.filename)"
    assert here(nb, code).stdout == "/nothing/there\n"


def test_an_unknown_class_keeps_its_name(nb: Client, remote: Remote) -> None:
    nb.good("class Overheated(Exception): pass\ndef heat(): raise Overheated('98.6')")
    cell = fails(nb, "remote.namespace['heat']()")
    assert cell.error is not None
    assert (cell.error["ename"], cell.error["evalue"]) == ("Overheated", "98.6")
    assert "in heat" in cell.traceback.split(f"On {remote.address}:")[1]


def test_what_a_callback_raises_is_shown_with_its_lines(nb: Client) -> None:
    cell = fails(nb, "def cb(x):\n    return 1 / x\nremote.builtins.list(remote.builtins.map(cb, [1, 0]))")
    assert cell.error is not None
    assert cell.error["ename"] == "ZeroDivisionError"
    assert "----> 3     return 1 / x" in cell.traceback


def test_a_syntax_error(nb: Client) -> None:
    cell = fails(nb, "remote.eval('1 +')")
    assert cell.error is not None
    assert cell.error["ename"] == "SyntaxError"
    assert "----> 2 remote.eval('1 +')" in cell.traceback


def test_one_hint_per_cell_about_many_round_trips(nb: Client) -> None:
    few = "for i in range(100): len(remote.namespace)"
    assert here(nb, few).stderr == ""
    for _ in range(2):
        hint = here(nb, "for i in range(1100): len(remote.namespace)").stderr
        assert hint.count("\n") == 1
        assert "1,000 round trips" in hint
        assert "remote.value(" in hint


# --- the name


def test_a_variable_of_the_users_own_is_left_alone(nb: Client) -> None:
    here(nb, "given = remote")
    here(nb, "remote = 5")
    assert text(nb, "remote") == "5"
    here(nb, "del remote")
    assert text(nb, "remote is given") == "True"


def test_exec_has_it_too(nb: Client) -> None:
    assert nb.good("$exec(\"print(remote.eval('6 * 7'))\")").stdout == "42\n"


def test_it_follows_connect(fresh: Client, remote: Remote) -> None:
    folder = "remote.modules.os.environ['RK_REMOTE']"
    assert text(fresh, folder) == repr(remote.folder.name)
    with Remote(remote.kind) as other:
        connect(fresh, other)
        assert text(fresh, folder) == repr(other.folder.name)
        connect(fresh, remote)
        assert text(fresh, folder) == repr(remote.folder.name)
        fresh.good(f"%connect {other.address}\n%disconnect --end")


def test_a_function_that_uses_it_by_its_name_follows_too(fresh: Client, remote: Remote) -> None:
    here(fresh, "def folder():\n    return remote.modules.os.environ['RK_REMOTE']")
    assert text(fresh, "remote and folder()") == repr(remote.folder.name)
    with Remote(remote.kind) as other:
        connect(fresh, other)
        assert text(fresh, "folder()") == repr(other.folder.name)
        fresh.good("%disconnect --end")


def test_local_cells_without_it_run_whatever_became_of_the_session(fresh: Client, remote: Remote) -> None:
    fresh.good(f"%connect {remote.address} --new --name walk")
    here(fresh, "remote.ping()")
    fresh.good(f"%sessions --end walk {remote.address}")
    for _ in range(2):
        assert text(fresh, "6 * 7") == "42"
    cell = fresh.run("%%local\nremote.ping()")
    assert cell.error is not None
    assert cell.error["ename"] == "SessionGoneError"
    assert text(fresh, "6 * 7") == "42"


def test_it_needs_no_machine_that_was_named(front: Client) -> None:
    assert front.good("%%local\nremote.eval('6 * 7')", 60).text == "42"


def test_rpyc_is_imported_there_with_the_first_use(fresh: Client) -> None:
    imported = "import sys; 'rpyc' in sys.modules"
    assert fresh.good(imported).text == "False"
    here(fresh, "import os")
    assert fresh.good(imported).text == "False"
    here(fresh, "remote.ping()")
    assert fresh.good(imported).text == "True"


def test_after_a_disconnect_the_variables_are_there_and_the_netrefs_are_not(fresh: Client, remote: Remote) -> None:
    fresh.good("scores = [1]")
    here(fresh, "scores = remote.namespace['scores']\nscores.append(2)")
    fresh.good("%disconnect")
    connect(fresh, remote)
    cell = fails(fresh, "scores.append(3)")
    assert cell.error is not None
    assert cell.error["ename"] == "RemoteClosedError"
    assert text(fresh, "remote.namespace['scores']") == "[1, 2]"


# --- stop, and the end of the Python there


def test_stop_abandons_the_wait_and_ends_what_runs_there(nb: Client, tmp_path: Path) -> None:
    began = tmp_path / "began"
    nb.good(f"def work():\n    open({str(began)!r}, 'w').close()\n    while True: len('spam')")
    cell = nb.start("%%local\nremote.namespace['work']()")
    assert wait_until(began.exists)
    assert nb.interrupted(cell) < 10
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert "rpyc" not in cell.traceback
    assert text(nb, "remote.eval('6 * 7')") == "42"
    threads = "[thread.name for thread in __import__('threading').enumerate()].count('rpyc-kernel-live')"
    assert wait_until(lambda: nb.good(threads).text == "1"), "the loop there goes on"


def test_it_is_served_beside_a_running_cell(nb: Client) -> None:
    """Cells of a notebook wait for each other, local or not; a thread that a local cell has started doesn't."""
    nb.good("go_on, seen = False, 'at first'")
    here(
        nb,
        "import threading, time\n"
        "def look():\n"
        "    while not remote.eval('seen') == 'in the cell': time.sleep(0.01)\n"
        "    remote.namespace['go_on'] = True\n"
        "thread = threading.Thread(target=look, daemon=True)\n"
        "thread.start()",
    )
    cell = nb.good("import time\nseen = 'in the cell'\nwhile not go_on: time.sleep(0.01)\n'went on'")
    assert cell.text == "'went on'"
    here(nb, "thread.join(10)")


@pytest.mark.parametrize(("way", "said"), [("there._exit(3)", "exit code 3"), ("there.abort()", "SIGABRT")])
def test_a_crash_ends_the_connection_with_a_sentence_and_the_next_cell_has_a_fresh_one(
    nb: Client, way: str, said: str
) -> None:
    nb.good("variable = [1]")
    here(nb, "variable = remote.namespace['variable']")
    cell = fails(nb, f"there = remote.modules.os\n{way}")
    assert cell.error is not None
    assert cell.error["ename"] == "RemoteClosedError"
    assert said in cell.error["evalue"]
    assert text(nb, "remote.eval('6 * 7')") == "42"
    assert "RemoteClosedError" in fails(nb, "variable").traceback
    assert "NameError" in fails(nb, "remote.eval('variable')").traceback


def test_a_cell_that_crashes_ends_it_too(nb: Client) -> None:
    here(nb, "remote.ping()")
    for _ in range(3):
        assert nb.run("import os; os._exit(1)").status == "error"
        assert text(nb, "remote.eval('6 * 7')") == "42"


def test_restart_ends_it_and_the_next_cell_has_a_fresh_one(nb: Client) -> None:
    here(nb, "variable = remote.eval('[1]')")
    for _ in range(3):
        nb.good("%restart")
        assert text(nb, "remote.eval('6 * 7')") == "42"
    cell = fails(nb, "variable[0]")
    assert cell.error is not None
    assert "was restarted" in cell.error["evalue"]


def test_restart_while_a_thread_here_waits(nb: Client) -> None:
    here(
        nb,
        "import threading\nfailed = []\ndef wait():\n    try:\n        remote.modules.time.sleep(600)\n"
        "    except EOFError as error:\n        failed.append(str(error))\n"
        "thread = threading.Thread(target=wait)\nthread.start()",
    )
    nb.good("%restart")
    assert "was restarted" in str(text(nb, "thread.join(20)\nfailed"))


# --- the notebook that shows all of it


def test_the_example_notebook(front: Client, remote: Remote) -> None:
    notebook = json.loads((EXAMPLES / "remote.ipynb").read_text(encoding="utf-8"))
    shown: list[Request] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            code = "".join(cell["source"]).replace('$connect("localhost")', f'$connect("{remote.address}")')
            shown.append(front.good(code))
            assert shown[-1].stderr == ""
    values = [cell.text for cell in shown if cell.text]
    assert values == [
        "'spam/eggs'", "['a', 'b', 'c']", "6.283185307179586", "{'Foo': 10, 'Bar': 100}", "9",
        "[0, 1, 1, 2, 3, 5, 8, 13, 21, 34]", "[0, 1, 8, 27, 64]", "[20.5, 21.0, 21.5]",
    ]  # fmt: skip
    printed = "".join(cell.stdout for cell in shown)
    for line in (
        "there: {'Foo': 10, 'Bar': 100}\nthe copy: {'Foo': 10, 'Bar': 42}\n", "81 4 True\n", "here, with 4\n",
        "Hello from here\nHello, world!\n", "caught: division by zero\n", "it has come\n", "True True\n",
        "expired: True\na call may take 600.0 s\n",
    ):  # fmt: skip
        assert line in printed
