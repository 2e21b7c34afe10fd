"""What is written with `!`, `%` and `%%`: the same on a machine with IPython and on one without."""

from pathlib import Path

import pytest

from tests.kernel.client import Client
from tests.kernel.remotes import Remote


def test_shell_commands_print_as_they_go(nb: Client) -> None:
    assert nb.good("!echo out; echo err >&2").stdout.split() in (["out", "err"], ["out"])
    assert nb.good("!echo {6 * 7} | cat").stdout.strip() == "42"


def test_shell_commands_take_python_variables(nb: Client) -> None:
    nb.good("name = 'from python'")
    assert nb.good("!echo {name} $name").stdout.strip() == "from python from python"


def test_shell_commands_give_lines(nb: Client) -> None:
    assert nb.good("lines = !printf 'a\\nb\\n'\nlist(lines), lines.n").text == "(['a', 'b'], 'a\\nb')"
    assert nb.good("!!printf 'a\\nb\\n'").text == "['a', 'b']"


def test_the_exit_code_is_kept(nb: Client) -> None:
    nb.good("!exit 3")
    assert nb.good("_exit_code").text == "3"


def test_a_shell_command_can_be_interrupted(nb: Client) -> None:
    cell = nb.start("!echo ready; sleep 60")
    nb.wait_output(cell, "ready")
    assert nb.interrupted(cell) < 10
    assert nb.good("'on'").text == "'on'"


def test_shell_commands_in_the_middle_of_code(nb: Client) -> None:
    assert nb.good("for i in range(2):\n    !echo line {i}\nprint('end')").stdout.splitlines() == [
        "line 0", "line 1", "end",
    ]  # fmt: skip


def test_folders(nb: Client, remote: Remote, tmp_path: Path) -> None:
    try:
        nb.good(f"%cd {tmp_path}")
        assert nb.good("import os; os.getcwd()").text == repr(str(tmp_path))
        assert nb.good("%pwd").text == repr(str(tmp_path))
        nb.good("%cd -")
        assert nb.good("%pwd").text == repr(str(remote.work))
    finally:
        nb.good(f"%cd -q {remote.work}")
    wrong = nb.run("%cd /no/such/folder")
    assert "/no/such/folder" in wrong.stdout + wrong.stderr + (wrong.traceback if wrong.error else "")


def test_environment(nb: Client) -> None:
    nb.good("%env RK_SET=value")
    assert nb.good("import os; os.environ['RK_SET']").text == "'value'"
    assert nb.good("%env RK_SET").text == "'value'"
    assert "'RK_SET': 'value'" in str(nb.good("%env").text)


def test_time(nb: Client) -> None:
    cell = nb.good("%time sum(range(10))")
    assert cell.text == "45"
    assert "Wall time" in cell.stdout
    cell = nb.good("%%time\nx = 5\nx * 2")
    assert cell.text == "10"
    assert "Wall time" in cell.stdout
    assert nb.good("x").text == "5", "the cell's names stay"


def test_timeit(nb: Client) -> None:
    assert "per loop" in nb.good("%timeit -n 10 -r 2 sum(range(10))").stdout
    assert "per loop" in nb.good("%%timeit -n 10 -r 2 y = 3\ny + 1").stdout
    result = nb.good("r = %timeit -o -q -n 5 -r 2 pass\nr.loops, r.repeat, r.best < 1").text
    assert result == "(5, 2, True)"


def test_capture(nb: Client) -> None:
    cell = nb.good("%%capture out\nimport sys\nprint('caught'); print('err', file=sys.stderr); display(1)")
    assert cell.messages == []
    assert nb.good("out.stdout, out.stderr, len(out.outputs)").text == "('caught\\n', 'err\\n', 1)"


def test_writefile_and_run(nb: Client, tmp_path: Path) -> None:
    path = tmp_path / "written.py"
    nb.good(f"%%writefile {path}\nimport sys\nfrom_file = 11\nprint(__name__, sys.argv[1:])")
    assert path.read_text() == "import sys\nfrom_file = 11\nprint(__name__, sys.argv[1:])\n"
    nb.good(f"%%writefile -a {path}\nappended = 1")
    assert path.read_text().endswith("appended = 1\n")
    assert nb.good(f"%run {path} one two").stdout == "__main__ ['one', 'two']\n"
    assert nb.good("from_file, appended").text == "(11, 1)"


def test_an_error_in_a_file_that_is_run_shows_its_line(nb: Client, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = 0\n1 / x  # in the file\n")
    cell = nb.run(f"%run {tmp_path}/broken.py")
    assert "1 / x  # in the file" in cell.traceback + cell.stderr


def test_bash_cells(nb: Client) -> None:
    cell = nb.good("%%bash\nfor i in 1 2; do echo line $i; done\necho problem >&2")
    assert cell.stdout == "line 1\nline 2\n"
    assert cell.stderr.strip() == "problem"


def test_pip_is_that_machines(nb: Client, remote: Remote) -> None:
    said = nb.good("%pip --version", timeout=60).stdout
    assert remote.python_says("sys.prefix") in said


def test_a_magic_of_ones_own(nb: Client) -> None:
    nb.good("def shout(line): return line.upper()\nget_ipython().register_magic_function(shout, 'line')")
    assert nb.good("%shout hello").text == "'HELLO'"


@pytest.mark.parametrize("code", ["%no_such_magic", "%%no_such_magic\nx"])
def test_a_magic_that_does_not_exist(nb: Client, code: str) -> None:
    cell = nb.run(code)
    said = cell.stderr + (cell.traceback if cell.error else "")
    assert "no_such_magic" in said
    assert nb.good("1").text == "1"


@pytest.mark.parametrize("remote", ["ipython"], indirect=True)
def test_extensions_load(nb: Client, tmp_path: Path) -> None:
    (tmp_path / "own_extension.py").write_text("def load_ipython_extension(ip): ip.user_ns['loaded'] = 'loaded'\n")
    nb.good(f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n%load_ext own_extension")
    assert nb.good("loaded").text == "'loaded'"
    nb.good("%load_ext autoreload\n%autoreload 2")


@pytest.mark.parametrize("remote", ["ipython"], indirect=True)
def test_ipython_knows_where_it_is(nb: Client) -> None:
    assert nb.good("get_ipython().user_ns is globals()").text == "True"
    assert nb.good("from IPython import get_ipython\nget_ipython() is not None").text == "True"


@pytest.mark.parametrize("remote", ["plain"], indirect=True)
@pytest.mark.parametrize("code", ["%load_ext autoreload", "%%cython\nx", "%store x"])
def test_a_magic_that_only_ipython_has_says_so_and_how_to_get_it(nb: Client, code: str) -> None:
    cell = nb.run(code)
    assert cell.error is not None
    assert "IPython" in cell.error["evalue"]
    assert "pip install ipython" in cell.error["evalue"]
