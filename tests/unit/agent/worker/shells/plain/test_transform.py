"""What in a cell is a magic, and what only looks like one."""

import io
import json
import string
import textwrap
import tokenize

import pytest

from rpyc_kernel.agent.worker.shells.plain.language.scan import scan
from rpyc_kernel.agent.worker.shells.plain.language.transform import as_typed, cell_magic, dedent, is_quiet, transform


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ("%pwd", "get_ipython().run_line_magic('pwd', '')"),
        ("%cd  a b ", "get_ipython().run_line_magic('cd', ' a b')"),
        ("!ls -l", "get_ipython().system('ls -l')"),
        ("!!ls", "get_ipython().getoutput('ls')"),
        ("x = !ls", "x = get_ipython().getoutput('ls')"),
        ("x = y = %pwd", "x = y = get_ipython().run_line_magic('pwd', '')"),
        ("d['=']=%pwd", "d['=']=get_ipython().run_line_magic('pwd', '')"),
        ("x: int = !ls", "x: int = get_ipython().getoutput('ls')"),
        ("x?", "get_ipython().run_line_magic('pinfo', 'x')"),
        ("a.b[0]??", "get_ipython().run_line_magic('pinfo2', 'a.b[0]')"),
        ("?a.b", "get_ipython().run_line_magic('pinfo', 'a.b')"),
        ("y = f.x?", "get_ipython().run_line_magic('pinfo', 'f.x')"),
        ("%time?", "get_ipython().run_line_magic('pinfo', '%time')"),
        ("*Error?", "get_ipython().run_line_magic('pinfo', '*Error')"),
        ("os.*dir*?", "get_ipython().run_line_magic('pinfo', 'os.*dir*')"),
        ("a\n%b", "a\nget_ipython().run_line_magic('b', '')"),
        (
            "if 1:\n\t!ls\nelse:\n  %pwd",
            "if 1:\n\tget_ipython().system('ls')\nelse:\n  get_ipython().run_line_magic('pwd', '')",
        ),
        ("!echo 'a;#'", "get_ipython().system(\"echo 'a;#'\")"),
        ("%time await x", "await get_ipython().run_line_magic_async('time', 'await x')"),
        ("\n%%bash -x\nls\n!a", "\nget_ipython().run_cell_magic('bash', '-x', 'ls\\n!a')\n"),
        ("%%time\nawait x", "await get_ipython().run_cell_magic_async('time', '', 'await x')\n"),
    ],
)
def test_a_magic_becomes_a_call(cell, python):
    assert transform(cell) == python


@pytest.mark.parametrize(
    "cell",
    [
        "a = [1,\n%b\n]",
        "a = b \\\n%c",
        "s = '''\n%x\n!ls\nx?\n'''",
        "s = f'''{a}\n%x'''",
        "f'{x=!r}'",
        "a %= 3\nb = 5 %c\nd != e",
        "x == %z",
        "'x?'",
        "# x?\n# !ls",
        "f(a=!ls)",
        "if x: !ls",
        "a = 'b' \\\n    '''\n!c'''",
    ],
)
def test_what_only_looks_like_one_stays(cell):
    assert transform(cell) == cell


def test_a_magic_after_an_unfinished_string_is_one_again():
    assert transform("x = 'abc\n%pwd").endswith("get_ipython().run_line_magic('pwd', '')")


def test_the_number_of_lines_stays():
    cell = "a\n!ls \\\n  -l \\\n  -a\nb\nx = %time \\\n 1\nc"
    lines = transform(cell).split("\n")
    assert len(lines) == len(cell.split("\n"))
    assert (lines[4], lines[7]) == ("b", "c")
    assert lines[1] == "get_ipython().system('ls    -l    -a')"


@pytest.mark.parametrize(
    ("cell", "quiet"),
    [
        ("1;", True),
        ("1 ; # a; b\n\n# c", True),
        ("f(\n';');", True),
        ("%time f();", True),
        ("%%time\nf();", True),
        ("1", False),
        ("';'", False),
        ("1 # ;", False),
        ("x = '''\n;'''", False),
        ("f'{a};'", False),
        ("1;''", False),
        ("", False),
    ],
)
def test_a_semicolon_silences_only_where_it_is_code(cell, quiet):
    assert is_quiet(cell) is quiet


ODD = [";#" * 20000 + "\nx", "; " * 20000 + "x", "a[]." * 10000 + "?", "%" * 20000, "\\\n" * 5000]


@pytest.mark.parametrize("number", range(len(ODD)))
def test_odd_text_takes_no_odd_time(number):
    import time

    start = time.perf_counter()
    is_quiet(ODD[number])
    transform(ODD[number])
    assert time.perf_counter() - start < 2


def test_indented_cells_are_moved_to_the_left():
    assert dedent("    a\n      b\n\n    c") == "a\n  b\n\nc"
    assert dedent("a\n  b") == "a\n  b"


def test_cell_magics():
    assert cell_magic("%%writefile  a b\nx\n") == ("writefile", "a b", "x\n")
    assert cell_magic("%%time") == ("time", "", "")
    assert cell_magic("%%time?") is None
    assert cell_magic("# c\n%%time") is None


@pytest.mark.parametrize("module", [json, string, textwrap, tokenize, pytest, io])
def test_logical_lines_begin_where_tokenize_says(module):
    with tokenize.open(module.__file__) as file:
        text = file.read()
    wanted, fresh = [], True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            fresh = True
        elif token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
            if fresh:
                wanted.append(token.start[0])
            fresh = False
    assert wanted
    found = []
    for line in scan(text).lines:
        visible = text[line.start : line.end].strip()
        if visible and not visible.startswith("#"):
            assert line.kind == "code"
            found.append(text.count("\n", 0, line.mark) + 1)
    # a line of comments that a string or bracket follows is one logical line with it
    assert [row for row in found if row in wanted] == wanted
    assert set(found) <= set(wanted)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("f(a, [b", "(["),
        ("'''a (", ["string"]),
        ('f"{a', ["string", "field"]),
        ('f"{a:>{b', ["string", "field", "format", "field"]),
        ('f"{a:{b}}" + (', "("),
        ('f"{{a', ["string"]),
        (r"r'\'", ["string"]),
        ("# (", []),
        ("b'x' \"y\" (", "("),
    ],
)
def test_what_is_open_at_the_end(text, kinds):
    assert [opened.kind for opened in scan(text).stack] == list(kinds)


@pytest.mark.parametrize(
    ("pasted", "python"),
    [
        (">>> 1 + 1", "1 + 1"),
        ("\n  >>> for i in x:\n  ...     i\n  ...\n  >>>\n  >>> 2\n", "\nfor i in x:\n    i\n\n\n2\n"),
        (">>> s = '''\n... a\n... '''", "s = '''\na\n'''"),
        ("x = 1\n>>> 2", "x = 1\n>>> 2"),
        ("x = '''\n>>> 2\n'''", "x = '''\n>>> 2\n'''"),
        ("...", "..."),
        (">>>x", ">>>x"),
    ],
)
def test_the_prompts_of_a_console_are_taken_away(pasted, python):
    assert as_typed(pasted) == python
