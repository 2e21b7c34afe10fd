"""What a failing cell shows: an `error` message and reply, with the lines of the cells themselves."""

import re

import pytest

from tests.kernel.client import Client
from tests.kernel.results import Request, plain


def fails(nb: Client, code: str, ename: str) -> Request:
    """Run a cell that has to fail; message and reply must agree, and nobody's internals may show."""
    result = nb.run(code)
    assert result.reply is not None
    assert result.status == "error", result
    assert result.error is not None
    for key in ("ename", "evalue", "traceback"):
        assert result.reply[key] == result.error[key]
    assert result.error["ename"] == ename
    assert result.error["traceback"]
    assert all(isinstance(line, str) for line in result.error["traceback"])
    assert "rpyc_kernel" not in result.traceback, result.traceback
    assert result.stdout == result.stderr == ""
    return result


def test_an_error_names_itself_and_shows_its_line(nb: Client) -> None:
    result = fails(nb, "x = 5\ny = x / 0  # this line\nz = 3", "ZeroDivisionError")
    assert result.error is not None
    assert result.error["evalue"] == "division by zero"
    assert "y = x / 0  # this line" in result.traceback
    assert "ZeroDivisionError: division by zero" in result.traceback


def test_tracebacks_are_coloured(nb: Client) -> None:
    result = fails(nb, "1/0", "ZeroDivisionError")
    assert result.error is not None
    assert "\x1b[" in "\n".join(result.error["traceback"])


def test_a_function_of_an_earlier_cell_shows_its_own_lines(nb: Client) -> None:
    nb.good("# a comment before it\ndef inner(n):\n    return 1 / n  # inner's line")
    result = fails(nb, "def outer(n):\n    return inner(n)  # outer's line\n\nouter(0)", "ZeroDivisionError")
    assert "return 1 / n" in result.traceback
    assert "return inner(n)" in result.traceback
    assert "outer(0)" in result.traceback


def test_lines_are_counted_as_python_counts_them(nb: Client) -> None:
    """A form feed, or a line separator of Unicode, ends no line: IPython takes it for the end of one."""
    nb.good("def halves():\n    odd = '\x0c\x1c\u2028'\n    return 1 / 0")
    shown = nb.run("odd = '\u2028'\nhalves()").traceback
    assert "----> 2 halves()" in shown
    assert "----> 3     return 1 / 0" in shown
    assert nb.good("import inspect; inspect.getsource(halves).count('\\n')").text == "3"


def test_a_redefined_function_shows_its_new_lines(nb: Client) -> None:
    nb.good("def again(): raise ValueError('old')  # old line")
    nb.good("def again(): raise ValueError('new')  # new line")
    result = fails(nb, "again()", "ValueError")
    assert "raise ValueError('new')" in result.traceback
    assert "# old line" not in result.traceback


def test_a_syntax_error_shows_line_and_caret(nb: Client) -> None:
    result = fails(nb, "x = 1\nif x print(x)\n", "SyntaxError")
    lines = result.traceback.splitlines()
    assert any("if x print(x)" in line for line in lines)
    assert any(line.strip().startswith("^") for line in lines)


def test_nothing_of_a_cell_with_a_syntax_error_runs(nb: Client) -> None:
    fails(nb, "print('must not run')\nx = = 1", "SyntaxError")


@pytest.mark.parametrize("code", ["  x = 1\n y = 2", "def f():\nreturn 1"])
def test_an_indentation_error(nb: Client, code: str) -> None:
    fails(nb, code, "IndentationError")


@pytest.mark.parametrize(
    ("raise_from", "sentence"),
    [
        ("raise ValueError('outer') from e", "The above exception was the direct cause"),
        ("raise ValueError('outer')", "During handling of the above exception"),
    ],
)
def test_a_cause_shows_both_errors(nb: Client, raise_from: str, sentence: str) -> None:
    result = fails(nb, f"try:\n    int('inner')\nexcept ValueError as e:\n    {raise_from}", "ValueError")
    trace = result.traceback
    assert trace.index("invalid literal for int()") < trace.index(sentence) < trace.index("ValueError: outer")
    assert "int('inner')" in trace


CHAINS = {
    "two contexts that are each other's": "a.__context__ = b; b.__context__ = a; raise a",
    "two causes": "a.__cause__ = b; b.__cause__ = a; raise a",
    "cause and context": "a.__cause__ = b; b.__context__ = a; raise b",
    "its own context": "import ctypes; a.__cause__ = a; raise a",
    "a long tail before the loop": "for e in rest: e.__context__ = a; a = e\nfirst.__context__ = a; raise a",
    "ten thousand": "for n in range(10_000):\n    e = KeyError(n); e.__context__ = a; a = e\nraise a",
    "hidden by from None": "for n in range(5_000):\n    e = KeyError(n); e.__context__ = a; a = e\nraise b from None",
    "of a syntax error": "s = SyntaxError('mine'); s.__context__ = b; b.__context__ = s; raise s",
    "made when asked for": (
        "class Endless(ValueError):\n"
        "    __cause__ = property(lambda self: Endless('made'))\n    __context__ = __cause__\n"
        "raise Endless('error a')"
    ),
    "at the exit": "s = SystemExit(3); s.__context__ = b; b.__context__ = s; raise s",
}


@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_that_has_no_end_is_shown_once(nb: Client, chain: str) -> None:
    nb.good("a, b = ValueError('error a'), TypeError('error b')\nfirst = a; rest = [KeyError(n) for n in range(7)]")
    cell = nb.run(CHAINS[chain], timeout=15)
    assert cell.status == "error"
    assert len(cell.traceback.splitlines()) < 400
    for text in ("ValueError: error a", "TypeError: error b", "SyntaxError: mine"):
        assert len(re.findall(text + "$", cell.traceback, re.MULTILINE)) <= 1, cell.traceback
    if chain == "ten thousand":
        assert "9981 exceptions in between are not shown" in cell.traceback
        assert "ValueError: error a" in cell.traceback, "what it all began with"
    assert nb.good("1").text == "1"


GROUPS = {
    "in itself": (
        "class Own(ExceptionGroup):\n    exceptions = property(lambda self: (self, self))\nraise Own('mine', [a])",
        "(shown already)",
    ),
    "30,000 deep": (
        "for n in range(30_000): a = ExceptionGroup(f'level {n}', [a])\nraise a",
        "(1 exceptions, too deep to show)",
    ),
    "wide and deep": (
        "for n in range(9): a = ExceptionGroup(f'{n}', [a, KeyError(n), *map(OSError, range(20))])\nraise a",
        "more",
    ),
    "with a member whose context is the group": (
        "g = ExceptionGroup('mine', [a]); a.__context__ = g\nraise g",
        "error a",
    ),
    "as a cause": ("raise KeyError('outer') from ExceptionGroup('mine', [a])", "error a"),
    "as a hidden context": (
        "try: raise ExceptionGroup('mine', [a])\nexcept* ValueError: raise KeyError('outer') from None",
        "outer",
    ),
    "with causes and notes": (
        "a.__cause__ = KeyError('why'); a.add_note('a note')\nraise ExceptionGroup('', [a, ExceptionGroup('', [b])])",
        "why",
    ),
}


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_of_any_shape_is_shown_once(nb: Client, group: str) -> None:
    code, text = GROUPS[group]
    nb.good("a, b = ValueError('error a'), TypeError('error b')")
    cell = nb.run(code, timeout=15)
    assert cell.status == "error"
    assert text in cell.traceback
    assert len(cell.traceback.splitlines()) < 400
    assert cell.traceback.count("ValueError: error a") <= 1
    if group == "with causes and notes":
        assert "a note" in cell.traceback
        assert "TypeError: error b" in cell.traceback
    assert "Cell In[" in cell.traceback
    assert nb.good("1").text == "1"


def test_from_none_hides_the_cause(nb: Client) -> None:
    result = fails(nb, "try:\n    {}['k']\nexcept KeyError:\n    raise ValueError('alone') from None", "ValueError")
    assert "KeyError: 'k'" not in result.traceback


@pytest.mark.parametrize("broken", ["__str__", "__repr__"])
def test_an_exception_that_cannot_be_shown(nb: Client, broken: str) -> None:
    result = fails(
        nb,
        f"class Broken(Exception):\n    def {broken}(self): raise RuntimeError('no text')\nraise Broken('argument')",
        "Broken",
    )
    assert "Broken" in result.traceback
    assert nb.good("'still here'").text == "'still here'"


UNSHOWABLE = {
    "its text ends Python": "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E",
    "its text is interrupted": "class E(Exception):\n    def __str__(self): raise KeyboardInterrupt\nraise E",
    "all of it is interrupted": (
        "class E(Exception):\n    def __getattribute__(self, name): raise KeyboardInterrupt\nraise E"
    ),
    "its traceback": "class E(Exception):\n    __traceback__ = property(lambda self: 1 / 0)\nraise E",
    "the name of its class": (
        "class M(type):\n    @property\n    def __name__(cls): raise RuntimeError\n"
        "class E(Exception, metaclass=M): pass\nraise E"
    ),
}


@pytest.mark.parametrize("broken", UNSHOWABLE)
def test_an_exception_of_which_nothing_can_be_shown_shows_something(nb: Client, broken: str) -> None:
    cell = nb.run(UNSHOWABLE[broken], timeout=15)
    assert cell.status == "error"
    assert "".join(cell.error["traceback"]).strip() if cell.error else cell.stderr, cell
    assert nb.good("1").text == "1"


def test_a_last_value_that_cannot_be_shown_is_an_error_of_its_own(nb: Client) -> None:
    result = nb.run("class Broken:\n    def __repr__(self): raise RuntimeError('no repr')\nBroken()")
    everything = result.traceback if result.error else plain(result.stderr)
    assert "RuntimeError: no repr" in everything
    assert nb.good("1").text == "1"


@pytest.mark.parametrize("code", ["import sys; sys.exit()", "import sys; sys.exit(3)", "raise SystemExit('bye')"])
def test_system_exit_is_an_error_and_the_session_stays(nb: Client, code: str) -> None:
    nb.good("kept = 'kept'")
    result = nb.run(code)
    assert result.status == "error"
    assert result.error is not None
    assert result.error["ename"] == "SystemExit"
    assert nb.good("kept").text == "'kept'"


def test_a_keyboard_interrupt_that_code_raises(nb: Client) -> None:
    fails(nb, "raise KeyboardInterrupt", "KeyboardInterrupt")


def test_an_exception_group_shows_its_members(nb: Client) -> None:
    result = fails(nb, "raise ExceptionGroup('both', [ValueError('one'), TypeError('two')])", "ExceptionGroup")
    assert "ValueError: one" in result.traceback
    assert "TypeError: two" in result.traceback


def test_endless_recursion_is_an_error_of_bounded_length(nb: Client) -> None:
    result = fails(nb, "def deeper(): return deeper()\ndeeper()", "RecursionError")
    assert result.traceback.count("\n") < 100
    assert "return deeper()" in result.traceback
    code = "def ping(n): return pong(n)\ndef pong(n): return ping(n - 1) if n else 1 / 0\n"
    result = fails(nb, f"{code}try: ping(200)\nexcept ZeroDivisionError as e: raise ValueError from e", "ValueError")
    assert result.traceback.count("\n") < 150
    for text in ("1 / 0", "times)", "direct cause", "raise ValueError from e"):
        assert text in result.traceback
    few = fails(nb, "ping(15)", "ZeroDivisionError").traceback
    assert few.count("ping(n - 1)") >= 15, "each frame of a few"


DEEP = {
    "an attribute": "class X:\n    def __getattr__(self, name): return getattr(self, name + '_')\nX().a",
    "a repr": "class X:\n    def __repr__(self): return repr(self)\nrepr(X())",
    "a sort": "def key(x): return max([x], key=key)\nkey(1)",
}


@pytest.mark.parametrize("deep", DEEP)
def test_recursion_through_c_code_may_be_deep(nb: Client, deep: str) -> None:
    """8 MiB of stack, which a process has by default, don't last for 20,000 calls of that kind."""
    nb.good("import sys; limit = sys.getrecursionlimit(); sys.setrecursionlimit(20000); state = 1")
    *define, ask = DEEP[deep].splitlines()
    code = "\n".join([*define, f"try: {ask}", "except RecursionError: print('too deep')"])
    assert nb.good(code).stdout == "too deep\n"
    assert nb.good("sys.setrecursionlimit(limit); state").text == "1"


def test_a_recursion_through_c_code_that_was_allowed_is_an_error(nb: Client) -> None:
    nb.good("import sys; kept = 1; usual = sys.getrecursionlimit(); sys.setrecursionlimit(20_000)")
    code = "class Deep:\n    def __getattr__(self, name): return getattr(self, name + '_')\nDeep().a"
    result = fails(nb, code, "RecursionError")
    assert result.traceback.count("\n") < 150
    assert nb.good("sys.setrecursionlimit(usual)\nkept").text == "1"


def test_an_error_with_a_long_message(nb: Client) -> None:
    result = fails(nb, "raise ValueError('x' * 3_000_000)", "ValueError")
    assert result.error is not None
    assert result.error["evalue"].startswith("xxx")


def test_an_error_with_a_lone_surrogate_and_no_text(nb: Client) -> None:
    fails(nb, "raise ValueError('a\\ud800b')", "ValueError")
    fails(nb, "raise OSError(2, 'No such file', b'\\xff')", "FileNotFoundError")
    result = fails(nb, "raise ValueError", "ValueError")
    assert result.error is not None
    assert result.error["evalue"] == ""


def test_notes_are_shown(nb: Client) -> None:
    result = fails(nb, "e = ValueError('main')\ne.add_note('a note')\nraise e", "ValueError")
    assert "a note" in result.traceback


def test_an_error_in_async_code_shows_its_lines(nb: Client) -> None:
    code = "import asyncio\nasync def fail():\n    await asyncio.sleep(0)\n    1/0  # deep\nawait fail()"
    result = fails(nb, code, "ZeroDivisionError")
    assert "1/0  # deep" in result.traceback
    assert "await fail()" in result.traceback


def test_a_failing_import_names_the_module(nb: Client) -> None:
    result = fails(nb, "import no_such_module_here", "ModuleNotFoundError")
    assert result.error is not None
    assert result.error["evalue"] == "No module named 'no_such_module_here'"


def test_last_error_can_be_looked_at(nb: Client) -> None:
    fails(nb, "1/0", "ZeroDivisionError")
    assert nb.good("import sys; sys.last_type.__name__").text == "'ZeroDivisionError'"
