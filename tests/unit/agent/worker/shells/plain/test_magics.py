"""Magics that run no other program."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.unit.plain_shell import Session, plain


@pytest.fixture
def session(tmp_path):
    with Session() as session:
        os.chdir(str(tmp_path))
        yield session


def usage(session, code):
    reply = session.error(code)
    assert reply["ename"] == "UsageError"
    assert plain(reply["traceback"]) == "UsageError: " + reply["evalue"]
    return reply["evalue"]


def test_unknown_magics(session):
    assert "no magic %bogus" in usage(session, "%bogus")
    assert "%timeit" in usage(session, "%timit 1")
    assert "%%writefile" in usage(session, "%%writefle x\n")
    assert "%%bash" in usage(session, "%bash ls")
    assert "write %cd" in usage(session, "%%cd x\ny")
    assert "first line" in usage(session, "x = 1\n%%time\nx")


@pytest.mark.parametrize("code", ["%prun x", "%load_ext autoreload", "%autoreload 2", "%%cython\nx", "%pylab"])
def test_magics_of_ipython(session, code):
    text = usage(session, code)
    assert text.startswith(re.match(r"%+\w+", code).group(0) + " ")
    assert "only" in text or "IPython" in text
    assert "%pip install ipython" in text
    assert "restart" in text


def test_magics_that_ipython_does_not_bring(session):
    assert "%%local" in usage(session, "%qtconsole")
    for code, package in (
        ("%lprun -f f f()", "line_profiler"),
        ("%memit 1", "memory_profiler"),
        ("%%cython\nx", "Cython"),
    ):
        text = usage(session, code)
        assert "%pip install ipython " + package in text
        assert "%load_ext " + package in text


def test_less(session, tmp_path):
    (tmp_path / "text").write_bytes("é\n\xff".encode("latin-1"))
    for code in ("%less text", "%more 'text'", "name = 'text'\n%less {name}"):
        (page,) = session.run(code)["payload"]
        assert (page["source"], page["data"]["text/plain"]) == ("page", "\ufffd\n\ufffd")
    assert "nothing" in usage(session, "%less nothing")


def test_cd_and_pwd(session, tmp_path):
    (tmp_path / "a b").mkdir()
    assert session.value("%pwd") == repr(str(tmp_path))
    assert session.ok("%cd 'a b'").text() == str(tmp_path / "a b") + "\n"
    assert Path.cwd() == tmp_path / "a b"
    assert session.ok("%cd -q ..").text() == ""
    assert Path.cwd() == tmp_path
    session.ok("%cd -")
    assert Path.cwd() == tmp_path / "a b"
    session.ok("folder = '..'\n%cd {folder}")
    assert Path.cwd() == tmp_path
    assert "nowhere" in usage(session, "%cd nowhere")
    os.environ["HOME"] = str(tmp_path / "a b")
    session.ok("%cd")
    assert Path.cwd() == tmp_path / "a b"


def test_env(session):
    assert session.ok("%env NEW=a b").text() == "env: NEW=a b\n"
    assert os.environ["NEW"] == "a b"
    assert session.value("%env NEW") == "'a b'"
    session.ok("v = 5\n%env NEW $v")
    assert os.environ["NEW"] == "5"
    session.ok("%set_env OTHER x")
    assert session.value("x = %env OTHER\nx") == "'x'"
    session.ok("%env MY_TOKEN=12345")
    assert "12345" not in session.value("%env") + session.messages.text()
    assert "no variable" in usage(session, "%env NOWHERE_AT_ALL")


def test_writefile(session, tmp_path):
    assert session.ok("%%writefile new.txt\nä {x} $y\n%pwd").text() == "Writing new.txt\n"
    assert (tmp_path / "new.txt").read_bytes() == "ä {x} $y\n%pwd\n".encode()
    assert session.ok("%%writefile -a new.txt\nmore\n").text() == "Appending to new.txt\n"
    assert session.ok("n = 'new'\n").text() == ""
    assert (tmp_path / "new.txt").read_bytes().endswith(b"%pwd\nmore\n")
    assert session.ok("%%writefile {n}.txt\n").text() == "Overwriting new.txt\n"
    assert (tmp_path / "new.txt").read_bytes() == b""
    assert "name of a file" in usage(session, "%%writefile\nx")
    assert session.error("%%writefile no/where\nx")["ename"] == "FileNotFoundError"


def test_time(session):
    messages = session.ok("%time x = sum(range(10))")
    assert re.fullmatch(r"CPU times: user .*, sys: .*, total: .*\nWall time: .*s\n", messages.text())
    assert session["x"] == 45
    assert session.value("%time x + 1") == "46"
    assert session.value("y = %time x\ny") == "45"
    assert session.ok("%time x;").of("execute_result") == []
    session.ok("def f():\n    local = 3\n    %time print(local)\nf()")
    assert "3\n" in session.messages.text()


def test_time_of_a_cell(session):
    assert session.value("%%time\nz = 5\n%time\nz + 1") == "6"
    assert session.messages.text().count("Wall time") == 2
    text = session.traceback("%%time\nz = 0\n1/z")
    assert "Cell In[2], line 3\n" in text
    assert "----> 3 1/z" in text
    assert "%%time" not in text.split("----> 3")[0].split("line")[0]
    assert "line 2" in session.traceback("%%time\nx = = 1")
    assert session.value("%%time setup = 3\nsetup") == "3"


def test_time_that_awaits(session):
    session.ok("import asyncio")
    assert session.value("%time await asyncio.sleep(0.01, 4)") == "4"
    assert session.value("%%time\nk = await asyncio.sleep(0.01, 4)\nk") == "4"
    assert session.ok("%%capture c\nprint(await asyncio.sleep(0, 'in'))") == []
    assert session["c"].stdout == "in\n"
    assert "Wall time" in session.ok("%time x = await asyncio.sleep(0, 6)").text()
    assert session["x"] == 6


def test_timeit(session):
    text = session.ok("n = 5\n%timeit -n 10 -r3 n + 1").text()
    assert re.fullmatch(
        r"\S+ .?s ± \S+ .?s per loop \(mean ± std. dev. of 3 runs, 10 loops each\)\n", text.split("cached.\n")[-1]
    )
    session.ok("r = %timeit -q -o -n1 -r2 n")
    assert session.messages.text() == ""
    assert (session["r"].loops, len(session["r"].all_runs)) == (1, 2)
    assert "loops each" in session.ok("%%timeit -r2 k = 100\ntotal = 0\nfor i in range(k):\n    total += i").text()
    assert "line 3" in session.traceback("%%timeit\n'''\na'''; 1/0")
    assert session.error("%timeit nowhere")["ename"] == "NameError"
    assert "-n needs a number" in usage(session, "%timeit -n x 1")
    assert "-z" in usage(session, "%timeit -z 1")
    session.ok("def f(local):\n    %timeit -n1 -r1 local\nf(1)")


def test_capture(session):
    code = "%%capture kept\nimport sys\nprint('out')\nprint('err', file=sys.stderr)\ndisplay(1)\n'last'"
    assert session.ok(code) == []
    kept = session["kept"]
    assert (kept.stdout, kept.stderr, [each.data["text/plain"] for each in kept.outputs]) == (
        "out\n",
        "err\n",
        ["1", "'last'"],
    )
    messages = session.ok("kept()")
    assert messages.text() == "out\n"
    assert messages.text("stderr") == "err\n"
    assert len(messages.of("display_data")) == 2
    assert session.ok("%%capture --no-stdout\nprint('shown')\ndisplay(2)").text() == "shown\n"
    reply = session.error("%%capture kept\nprint('before')\n1/0")
    assert reply["ename"] == "ZeroDivisionError"
    assert session["kept"].stdout == "before\n"
    assert session.ok("print('after')").text() == "after\n"
    assert "--no-stdout" in usage(session, "%%capture --nope\n1")


def test_run(session, tmp_path):
    (tmp_path / "script.py").write_text(
        "import sys, other\nfrom_script = other.x\nprint(__name__, sys.argv[1:], __file__)\nclass Kept: pass\n"
        "def fail(): return 1/0\n"
    )
    (tmp_path / "other.py").write_text("x = 5\n")
    sys.modules.pop("other", None)
    argv, path = list(sys.argv), list(sys.path)
    assert session.ok("%run script.py a 'b c'").text() == "__main__ ['a', 'b c'] script.py\n"
    assert (sys.argv, sys.path) == (argv, path)
    assert session["from_script"] == 5
    assert "__file__" not in session.shell.namespace
    session.ok("import pickle; pickle.loads(pickle.dumps(Kept()))")
    assert "script.py:5, in fail" in session.traceback("fail()")
    sys.modules.pop("other", None)


def test_run_options(session, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "s.py").write_text("try:\n    y = given + 1\nexcept NameError:\n    y = None\nname = __name__\n")
    session.ok("given = 1\n%run s")
    assert session["y"] is None
    session.ok("%run -i -n s.py")
    assert (session["y"], session["name"], session["__name__"]) == (2, "s", "__main__")
    (tmp_path / "end.py").write_text("import sys\nvalue = 1\nsys.exit(int(sys.argv[1]))")
    session.ok("%run end.py 0")
    assert session["value"] == 1
    assert session.error("%run end.py 3")["ename"] == "SystemExit"
    assert "__main__" in session.ok("%run -m s\nprint(name)").text()
    assert "no file nowhere.py" in usage(session, "%run nowhere.py")
    (tmp_path / "bad.py").write_text("a = 1\n1/0\n")
    assert "bad.py:2" in session.traceback("%run bad.py")
    assert sys.modules["__main__"] is session.shell.main


def test_who_and_reset(session, monkeypatch):
    session.ok("a = 1; b = 'x' * 100; _hidden = 2; c = [1, 2]; d = 5")
    assert session.ok("%who").text() == "a\tb\tc\td\n"
    assert session.ok("%who int").text() == "a\td\n"
    assert session.value("%who_ls str list") == "['b', 'c']"
    rows = session.ok("%whos").text().splitlines()
    assert [row.split()[:2] for row in rows[2:]] == [["a", "int"], ["b", "str"], ["c", "list"], ["d", "int"]]
    assert rows[4].endswith("n=2")
    assert "<...>" in rows[3]
    monkeypatch.setattr("builtins.input", lambda prompt="": "n")
    session.ok("%reset")
    assert session["a"] == 1
    session.ok("%reset -f")
    assert "a" not in session.shell.namespace
    assert session.value("1") == "1"
    assert session.value("_") == "1"
    assert session.ok("%who").text() == "Interactive namespace is empty.\n"


def test_lsmagic_history_and_show(session):
    text = session.ok("%lsmagic").text()
    for name in ["cd", "pwd", "env", "time", "timeit", "pip", "run"]:
        assert "%" + name in text.split()
    for name in ["time", "timeit", "capture", "writefile", "bash"]:
        assert "%%" + name in text.split()
    assert session.ok("%history -n").text() == "   1: %lsmagic\n   2: %history -n\n"
    (shown,) = session.ok("%%html\n<b>{x}</b>").of("display_data")
    assert shown["data"]["text/html"] == "<b>{x}</b>"


def test_magics_of_the_user(session):
    code = "def twice(line):\n    return line * 2\nget_ipython().register_magic_function(twice)\n"
    code += "get_ipython().register_magic_function(lambda line, cell: (line, cell), 'cell', 'both')"
    session.ok(code)
    assert session.value("%twice ab") == "'abab'"
    assert session.value("%%both l\nc\n") == "('l', 'c\\n')"
    assert "%twice" in session.ok("%lsmagic").text()
    assert session.value("get_ipython().run_line_magic('twice', 'x')") == "'xx'"


@pytest.mark.parametrize("code", ["len?", "?len", "import os\nlen?"])
def test_help_is_a_page(session, code):
    (page,) = session.run(code)["payload"]
    assert page["source"] == "page"
    assert page["start"] == 0
    assert "Return the number of items" in page["data"]["text/plain"]
    assert session.run("1")["payload"] == []


def test_help_with_source_and_wildcards(session):
    session.ok("def f(x):\n    'doc of f'\n    return x")
    (page,) = session.run("f??")["payload"]
    assert "return x" in page["data"]["text/plain"]
    (page,) = session.run("import os\nos.*dir?")["payload"] or [None]
    (page,) = session.run("os.*rmd*?")["payload"]
    assert page["data"]["text/plain"] == "os.rmdir"
    assert session.ok("nowhere?").text() == "Object `nowhere` not found.\n"
    (page,) = session.run("%timeit?")["payload"]
    assert "LOOPS" in page["data"]["text/plain"]
