"""Where code runs: each line of the design's page as a test."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.conftest import connect
from tests.kernel.gates import Gate
from tests.kernel.kernels import Kernel
from tests.kernel.remotes import Remote, wait_until
from tests.kernel.results import refused

pytestmark = pytest.mark.mainly("plain")

WHERE = "import os; os.environ['RK_WHERE']"


@pytest.mark.parametrize(
    "spelling",
    [
        '$connect("{0}")', "$connect('{0}')", '$connect(address="{0}")', "%connect {0}", '%connect "{0}"',
        '$connect("rpyc://{0}")', "%connect rpyc://{0}", '$connect( "{0}" )  # the board',
        "# which machine?\n\n%connect {0}",
    ],
)  # fmt: skip
def test_what_follows_connect_in_its_cell_runs_there(front: Client, remote: Remote, spelling: str) -> None:
    cell = front.good(f"{spelling.format(remote.address)}\n{WHERE}")
    assert cell.text == "'there'"
    assert front.good(WHERE).text == "'there'"


def test_connect_says_in_one_line_where_the_notebook_is(front: Client, remote: Remote) -> None:
    said = front.good(f"%connect {remote.address}").stdout
    assert said.count("\n") == 1
    assert said.endswith("\n")
    assert remote.address in said
    assert remote.python_says("platform.python_version()") in said
    assert str(remote.work) in said
    assert ("IPython" in said) == (remote.kind == "ipython")


def test_an_empty_connect_cell_has_no_result(front: Client, remote: Remote) -> None:
    cell = front.good(f"%connect {remote.address}")
    assert cell.text is None
    assert cell.reply is not None
    assert cell.reply["execution_count"] == 1


def test_exec_runs_here(nb: Client) -> None:
    cell = nb.good("$exec(\"import os; print(os.environ['RK_WHERE'])\")")
    assert cell.stdout == "here\n"


def test_exec_spans_lines_and_may_be_followed_by_code_that_runs_there(nb: Client) -> None:
    cell = nb.good('$exec("""\nimport os\nfor i in range(2):\n    print(i, os.environ["RK_WHERE"])\n""")\n' + WHERE)
    assert cell.stdout == "0 here\n1 here\n"
    assert cell.text == "'there'"


@pytest.mark.parametrize("way", ['$exec("{}")', "%%local\n{}"])
def test_local_and_remote_see_none_of_each_others_variables(fresh: Client, way: str) -> None:
    fresh.good("shared = 'remote'")
    assert fresh.run(way.format("shared")).error["ename"] == "NameError"  # type: ignore[index]
    fresh.good(way.format("own = 'local'"))
    assert fresh.run("own").error["ename"] == "NameError"  # type: ignore[index]
    assert fresh.good(way.format("own")).text == "'local'"
    assert fresh.good("shared").text == "'remote'"


def test_local_cells_have_rich_output(nb: Client) -> None:
    cell = nb.good("%%local\nfrom IPython.display import HTML, display\nprint('p')\ndisplay(HTML('<b>x</b>'))\n6 * 7")
    assert cell.stdout == "p\n"
    assert cell.displays[0]["text/html"] == "<b>x</b>"
    assert cell.text == "42"


def test_local_errors_show_their_lines(nb: Client) -> None:
    cell = nb.run("%%local\nx = 0\n1 / x  # the local line")
    assert cell.error is not None
    assert cell.error["ename"] == "ZeroDivisionError"
    assert "1 / x  # the local line" in cell.traceback
    assert "rpyc_kernel/" not in cell.traceback


def test_local_input_asks(nb: Client) -> None:
    assert nb.good("%%local\ninput('here? ')", answers=["yes"]).text == "'yes'"


def test_local_await(nb: Client) -> None:
    assert nb.good("%%local\nimport asyncio\nawait asyncio.sleep(0, 'waited')").text == "'waited'"


def test_local_works_without_any_machine(front: Client) -> None:
    assert front.good("%%local\n" + WHERE).text == "'here'"


def test_local_and_remote_cells_share_one_count(fresh: Client) -> None:
    numbers = [fresh.good(code).reply["execution_count"] for code in ("1", "%%local\n2", "3", '$exec("4")')]  # type: ignore[index]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert fresh.good("%%local\n5").of("execute_result")[0].content["execution_count"] == numbers[-1] + 1


def test_everything_else_belongs_to_the_machine_where_the_cell_runs(nb: Client, remote: Remote) -> None:
    assert nb.good("!echo $RK_WHERE").stdout.strip() == "there"
    assert "there" in nb.good("%env RK_WHERE").text  # type: ignore[operator]
    assert nb.good("%pwd").text == repr(str(remote.work))
    assert "loop" in nb.good("%timeit -n 1 -r 1 os.environ['RK_WHERE']" if nb.good("import os") else "").stdout
    nb.good("def only_there(): 'Its docstring.'")
    payload = nb.good("only_there?").reply["payload"]  # type: ignore[index]
    assert "Its docstring." in payload[0]["data"]["text/plain"]


@pytest.mark.parametrize(
    "command", ["%connect 127.0.0.1:1", '$connect("127.0.0.1:1")', '$exec("print(1)")', "%%local", "%disconnect"]
)
def test_a_command_below_code_is_refused_before_anything_runs(nb: Client, command: str) -> None:
    sentence = refused(nb.run(f"print('must not run')\n{command}\nprint('nor this')"), "top of")
    assert re.split(r"[ (]", command)[0] in sentence
    assert nb.good(WHERE).text == "'there'"


@pytest.mark.parametrize(
    "code",
    [
        "s = '$connect(\"nowhere\")'\nlen(s)",
        "# $connect('nowhere')\n5",
        "s = '''\n$connect(\"nowhere\")\n%connect nowhere\n%%local\n'''\nlen(s)",
        "x = 3  # %connect nowhere\nx",
        "[\n'$exec(\"1\")',\n]",
        "f(\n  '%disconnect'\n) if 0 else 1",
    ],
)
def test_strings_and_comments_that_look_like_commands_are_left_alone(nb: Client, code: str) -> None:
    cell = nb.good(code)
    assert cell.text is not None
    assert cell.stdout == ""
    assert nb.good(WHERE).text == "'there'"


@pytest.mark.parametrize(
    "call",
    [
        "$connect(host)",
        "$connect(__import__('pathlib').Path('{0}').touch())",
        "$connect('127.0.0.1' + str(__import__('pathlib').Path('{0}').touch()))",
        "$exec(open('{0}', 'w'))",
        "$connect(f'{{host}}')",
        "$connect(*['127.0.0.1'])",
        "$connect('a') + 1",
        "$connect()",
        "$connect('a', 'b')",
    ],
)
def test_arguments_are_literals_and_never_evaluated(nb: Client, tmp_path: Path, call: str) -> None:
    mark = tmp_path / "mark"
    refused(nb.run(call.format(mark) + "\nprint('must not run')"))
    assert not mark.exists()
    assert nb.good(WHERE).text == "'there'"


def test_an_unknown_dollar_call_is_refused_with_the_ones_that_exist(nb: Client) -> None:
    refused(nb.run('$conect("127.0.0.1")'), "$connect")


def test_a_failing_command_ends_its_cell(nb: Client) -> None:
    cell = nb.run("%connect 127.0.0.1:1\nprint('must not run')\nimport os; os.environ['RK_WHERE']")
    assert cell.status == "error"
    assert (cell.stdout, cell.text) == ("", None)


def test_cells_behind_a_failing_command_are_aborted(nb: Client, gate: Gate) -> None:
    before, failing, waiting = map(nb.start, (gate.wait, "%connect 127.0.0.1:1", "print('must not run')"))
    nb.kernel_info()  # behind them, so that all have come before the command fails
    gate.open()
    assert nb.finish(before).status == "ok"
    nb.finish(waiting)
    assert (failing.status, waiting.status, waiting.messages) == ("error", "aborted", [])


def test_connecting_to_where_it_already_is_keeps_the_session_and_says_so(fresh: Client, remote: Remote) -> None:
    fresh.good("kept = 'kept'")
    cell = fresh.good(f"%connect {remote.address}\nkept")
    assert cell.text == "'kept'"
    assert "kept" in cell.stdout
    assert cell.stdout.count("\n") == 1


def test_new_gives_a_fresh_session(fresh: Client, own_remote: Remote) -> None:
    connect(fresh, own_remote)
    pid = int(str(fresh.good("gone = 1\nimport os; os.getpid()").text))
    connect(fresh, own_remote, "--new")
    assert fresh.run("gone").error["ename"] == "NameError"  # type: ignore[index]
    assert wait_until(lambda: pid not in own_remote.processes(), 10), "the old session goes on"


def test_several_machines_one_after_the_other(front: Client, remote: Remote, own_remote: Remote) -> None:
    connect(front, remote)
    front.good("place = 'first'")
    connect(front, own_remote)
    assert front.good("import os; os.getcwd()").text == repr(str(own_remote.work))
    assert front.run("place").error["ename"] == "NameError"  # type: ignore[index]
    connect(front, remote)
    assert front.good("place").text == "'first'"


def test_disconnect_leaves_the_session_to_its_keep(fresh: Client, remote: Remote) -> None:
    fresh.good("kept = 'kept'")
    assert remote.address in fresh.good("%disconnect").stdout
    refused(fresh.run("print('must run nowhere')"), "$connect")
    assert fresh.good(f"%connect {remote.address}\nkept").text == "'kept'"


def test_disconnect_end_ends_the_session(front: Client, own_remote: Remote) -> None:
    connect(front, own_remote)
    assert own_remote.processes()
    front.good("%disconnect --end")
    assert wait_until(lambda: not own_remote.processes(), 10), own_remote.processes()
    refused(front.run("print('must run nowhere')"), "$connect")
    front.good(f"%connect {own_remote.address}\n1")


def test_once_a_machine_was_named_cells_run_there_or_nowhere(new_kernel: Callable[..., Kernel]) -> None:
    """Not on this machine, when that one is gone: also after a restart."""
    kernel = new_kernel("--RpycKernel.heartbeat=2")
    with Remote("bare") as remote:
        connect(kernel.first, remote)
        remote.stop()
    kernel.restart()
    cell = kernel.first.run("print('must run nowhere')", timeout=60)
    assert cell.status == "error"
    assert cell.stdout == ""


def test_a_failed_first_connect_names_a_machine_too(front: Client) -> None:
    assert front.run("%connect 127.0.0.1:1").status == "error"
    cell = front.run("print('must run nowhere')")
    assert (cell.status, cell.stdout) == ("error", "")


def test_silent_cells_open_no_connection(new_kernel: Callable[..., Kernel], own_remote: Remote) -> None:
    """Front ends run some when they start."""
    front = new_kernel(f"--RpycKernel.address={own_remote.address}", "--RpycKernel.heartbeat=15").first  # no head start
    assert front.run("import os", silent=True).status == "ok"
    assert own_remote.processes() == {}
    assert front.good(WHERE).text == "'there'"
    assert own_remote.processes() != {}
