"""Where each part of a cell runs: DESIGN's "Where code runs", line by line, on text alone."""

import argparse
import ast
import inspect
import io
import re
import shutil
import subprocess
import textwrap
import tokenize
import typing

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from rpyc_kernel import errors
from rpyc_kernel.kernel.commands import scan
from rpyc_kernel.kernel.commands.complete import Argument, argument_at, complete_command
from rpyc_kernel.kernel.commands.route import Command, LocalCode, Machine, RemoteCode, machine_of, route, strip_commands
from rpyc_kernel.kernel.commands.spec import COMMANDS, CommandSpec, Kind, Option, Positional
from tests.unit.kernel.commands.test_commands import NOTHING as PI


def connect(line=1, source='$connect("pi")', **changed):
    return Command("connect", PI | changed, line, source)


def refusal(cell):
    with pytest.raises(errors.CommandError) as caught:
        route(cell)
    return str(caught.value)


# ---- what is not ours stays as it is

FOREIGN = [
    "",
    "\n",
    "1 + 1",
    "  \n# only a comment",
    "!ls",
    "%timeit x",
    "obj?",
    "?obj",
    "%%bash\necho hi",
    "%session",
    "%attached pi",
    "%connection pi",
    "%connect.x y",
    "%load_ext rich",
    "$x = 1",
    "x $foo(1)",
    "a = 1\n$foo(1)",  # no Python either way: the other machine says so
    "def f(:\n  ''' unclosed",
    "x = 'unclosed\r\ny = 1\r",
]


@pytest.mark.parametrize("cell", FOREIGN)
def test_everything_else_belongs_to_the_remote(cell):
    assert route(cell) == [RemoteCode(cell, 1)]
    assert strip_commands(cell) == cell


@given(st.text() | st.text("$%'\"#()[]{}\\\n\r \tab!?=:;,/"))
@example("$\n(")
def test_text_that_mentions_no_command_is_unchanged(cell):
    assume(not re.search(r"(?:^|[\r\n])\s*\$\w+\s*\(", cell))
    assume(not any(name in cell for name in COMMANDS))
    assert route(cell) == [RemoteCode(cell, 1)]
    assert strip_commands(cell) == cell


@given(st.lists(st.sampled_from([*COMMANDS, "\n", " ", "(", '"', "!", "?", "connect('pi')"])).map("".join) | st.text())
def test_only_a_text_with_a_percent_or_a_dollar_sign_has_to_be_read(cell):
    """The kernel doesn't even ask for any other."""
    assume("%" not in cell and "$" not in cell)
    assert route(cell) == [RemoteCode(cell, 1)]


ELSEWHERE = [
    "text = '$connect(\"pi\")'",
    'text = """\n$connect("pi")\n%connect pi\n"""',
    "def f():\n    '''\n$exec(1)\n    '''",
    "r'''\\\n'''\nx = rb'''\n%connect pi'''",
    "# $connect('pi')",
    "x = 1  # %connect pi\n",
    "#\n#$connect('pi')\nx",
    "connect = 2\nprint(10\n%connect)",
    "connect = 2\nx = 10 \\\n%connect",
    "x = [\n  '[',  # ]\n%connect\n]",
    "'it\\\n%connect pi'",
    "%timeit x \\\n%connect pi",
    "x = 1; %connect pi",
    "print(%connect)",
    "x = %hosts",
    "%%bash\n%connect pi\n$connect('pi')",
    "%%writefile notes.txt\nisn't (\n$exec('x')",
    "\n\n%%bash\n%connect pi",
    "x = '''unclosed\n%connect pi",
    "x = (\n%connect pi",
    "f(x)  # (\\\n.y = '\\'%connect'",
    "x \\\n  \\\n  %connect",
]


@pytest.mark.parametrize("cell", ELSEWHERE)
def test_strings_comments_and_continuations_are_left_alone(cell):
    assert route(cell) == [RemoteCode(cell, 1)]
    assert strip_commands(cell) == cell


@pytest.mark.parametrize("module", [argparse, ast, inspect, shutil, subprocess, textwrap, tokenize, typing])
def test_lines_begin_where_tokenize_says(module):
    """Of Python that is right; where a line begins decides whether a command on it is refused or left alone."""
    text = inspect.getsource(module)
    begins, fresh = [], True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
            if fresh:
                begins.append(token.start[0])
            fresh = token.type == tokenize.NEWLINE
    lines = scan.logical_lines(text)
    ours = [text.count("\n", 0, line.start) + 1 for line in lines if text[line.content] not in "#\n"]
    assert ours == begins


# ---- at the top

WAYS = [
    '$connect("pi")',
    "%connect pi",
    "$connect('pi') # desk",
    "%connect pi # desk",
    '$connect("pi");',
    "%connect 'pi'",
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_command_and_code(way, newline):
    cell = f"{way}{newline}print(1){newline}print(2)"
    assert route(cell) == [connect(source=way), RemoteCode(f"#{newline}print(1){newline}print(2)", 2)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("around", ["{}", "{}\n", "\n\n{}\n# that's all\n", "  \n{}\n   "])
def test_a_command_alone_sends_nothing(way, around):
    (step,) = route(around.format(way))
    assert isinstance(step, Command)
    assert step.source == way


def test_several_commands_comments_and_blank_lines_keep_the_line_numbers():
    cell = '# my board\n\n$connect("pi")\n\n# here:\n$exec("x = 1")\n\nprint(1)\n'
    assert route(cell) == [
        connect(3),
        LocalCode("#\n\n\n\n\nx = 1", 6),
        RemoteCode("# my board\n\n\n\n# here:\n\n\nprint(1)\n", 8),
    ]


def test_a_command_over_several_lines():
    cell = '$connect(\n  "pi",  # )\n  new=True,\n)\n%connect pi \\\n  --new\nx'
    first, second, remote = route(cell)
    assert first == connect(1, cell[: cell.index("\n%")], new=True)
    assert second == connect(5, "%connect pi \\\n  --new", new=True)
    assert remote == RemoteCode("#\n\n\n\n\n\nx", 7)


@given(
    st.lists(st.sampled_from([*WAYS, "# a comment", "", "   ", '$exec("""\na\n""")', "%hosts"])),
    st.sampled_from(["raise SystemError", "x = '''\n$connect('pi')'''", "!ls", "if x:\n    y"]),
)
def test_line_numbers_survive_ipython(top, code):
    """IPython's own transformation drops blank lines at the top; ours must not be among them."""
    assume(any(line.strip() and not line.startswith("#") for line in top))
    cell = "\n".join([*top, code])
    remote = route(cell)[-1]
    assert isinstance(remote, RemoteCode)
    assert remote.code.count("\n") == cell.count("\n")
    lines = TransformerManager().transform_cell(remote.code).splitlines()
    asked = code.splitlines()[0]
    if asked != "!ls":
        assert lines.index(asked) + 1 == remote.line == cell.splitlines().index(asked) + 1


def test_a_remote_cell_magic_comes_first():
    assert route("# c\n$connect('pi')\n\n%%bash\n%connect pi\nls") == [
        connect(2, "$connect('pi')"),
        RemoteCode("%%bash\n%connect pi\nls", 4),
    ]


# ---- here


def test_exec():
    assert route('$exec("x = 1")') == [LocalCode("x = 1", 1)]
    assert route('$exec("")') == [LocalCode("", 1)]
    assert route('$exec("a\\nb")') == [LocalCode("a\nb", 1)]


def test_exec_over_lines_is_dedented_and_keeps_its_line_numbers():
    cell = 'x = 1\n$exec("""\n    if x:\n        1 / 0\n    """)'.removeprefix("x = 1\n")
    assert route(cell) == [LocalCode("#\nif x:\n    1 / 0\n", 1)]
    assert route("\n" + cell) == [LocalCode("#\n\nif x:\n    1 / 0\n", 2)]
    assert route('$exec(\n\n"""a\nb""")') == [LocalCode("#\n\na\nb", 1)]


def test_exec_holding_a_cell_magic():
    assert route('# c\n$exec("""\n%%time\nx\n""")') == [LocalCode("%%time\nx\n", 2)]


def test_exec_holding_commands_and_parentheses():
    assert route("$exec('''\n$connect(\")\")\n)(''')\ny") == [
        LocalCode('#\n$connect(")")\n)(', 1),
        RemoteCode("#\n\n\ny", 4),
    ]


def test_local():
    assert route("%%local\n1 / 0") == [LocalCode("#\n1 / 0", 2)]
    assert route("# c\n\n%%local  # here\r\n1 / 0\r\n") == [LocalCode("# c\n\n\r\n1 / 0\r\n", 4)]
    assert route("%%local") == [LocalCode("", 1)]
    assert route("%%local\n%%time\nx") == [LocalCode("%%time\nx", 2)]
    assert route("$connect('pi')\n%%local\nx") == [connect(source="$connect('pi')"), LocalCode("#\n\nx", 3)]


def test_commands_within_local_are_refused_unless_opaque():
    assert "Line 2: %connect stands below other code" in refusal("%%local\n%connect pi")
    assert "Line 3" in refusal("%%local\nx = 1\n$exec('y')")
    assert route("%%local\n%%bash\n%connect pi") == [LocalCode("%%bash\n%connect pi", 2)]


HOSTS = Command("hosts", {"json": False}, 1, "%hosts")
PING = Command("ping", {"name": None}, 2, "%ping")


def test_hosts_and_disconnect():
    assert route("%hosts") == [Command("hosts", {"json": False}, 1, "%hosts")]
    assert route("%disconnect --end") == [Command("disconnect", {"name": None, "end": True}, 1, "%disconnect --end")]
    assert route("%disconnect gpu") == [Command("disconnect", {"name": "gpu", "end": False}, 1, "%disconnect gpu")]


@pytest.mark.parametrize(
    ("cell", "steps"),
    [
        ("%%on gpu\n1 / 0", [Machine("gpu", 1), RemoteCode("#\n1 / 0", 1)]),
        ("\n# c\n%%on gpu\n1 / 0", [Machine("gpu", 3), RemoteCode("#\n# c\n\n1 / 0", 1)]),
        ("%%on gpu\n%ping\nx", [Machine("gpu", 1), PING, RemoteCode("#\n\nx", 3)]),
        ("%hosts\n%%on gpu\nx", [HOSTS, Machine("gpu", 2), RemoteCode("#\n\nx", 1)]),
        ("%%on 'a b'\n%%local\nx", [Machine("a b", 1), LocalCode("#\nx", 2)]),
        ("%%on gpu\n%%time\nx", [Machine("gpu", 1), RemoteCode("%%time\nx", 1)]),
        ("%%on gpu", [Machine("gpu", 1), RemoteCode("", 1)]),
    ],
)
def test_on_names_the_machine_of_all_that_follows(cell, steps):
    assert route(cell) == steps


def test_a_cell_is_for_one_machine():
    assert "One %%on names the machine" in refusal("%%on a\n%%on b\n1")
    assert "needs its machine" in refusal("%%on\n1")
    assert "Line 3: %ping stands below other code" in refusal("%%on a\nx\n%ping")
    assert route("%%on?") == [Command("help", {"command": "on"}, 1, "%%on?")]


@pytest.mark.parametrize(
    ("cell", "machine", "rest"),
    [
        ("%%on gpu\nx.a", "gpu", "x.a"),
        ("\n %%on 'a b'  # there\r\nx", "a b", "x"),
        ("%%on gpu", "", "%%on gpu"),
        ("%%once gpu\nx", "", "%%once gpu\nx"),
        ("x\n%%on gpu\n", "", "x\n%%on gpu\n"),
    ],
)
def test_what_is_completed_on_another_machine_is_the_text_below(cell, machine, rest):
    found, start = machine_of(cell)
    assert (found, cell[start:]) == (machine, rest)


def test_what_is_asked_whether_it_is_complete_has_no_machine():
    assert strip_commands("%%on gpu\nfor x in y:").strip("#\n") == "for x in y:"


# ---- help


@pytest.mark.parametrize(
    "cell",
    [
        "%connect?",
        "%connect??",
        "?%connect",
        "??%connect",
        "$connect?",
        "%connect --help",
        "%connect pi -h",
        "%connect ?",
    ],
)
def test_help(cell):
    assert route(cell) == [Command("help", {"command": "connect"}, 1, cell)]
    assert route(cell + "\nx") == [Command("help", {"command": "connect"}, 1, cell), RemoteCode("#\nx", 2)]


def test_help_of_local_runs_nothing_of_its_cell():
    assert route("%%local?\nlaunch()") == [Command("help", {"command": "local"}, 1, "%%local?")]
    assert route("%%local --help\nlaunch()") == [Command("help", {"command": "local"}, 1, "%%local --help")]


# ---- refused


BELOW = [
    "x = 1\n{}",
    "x = 1\n\n# c\n{}\ny",
    "if x:\n    {}",
    "if x:\n    y\n{}",
    "for x in y:\n\tpass\n\t{}",
    "import os; \\\n  os\n{}",
    "f(\n)\n{}",
    "'''\n'''\n{}",
    'x = "\\"("\n{}',
    "x = '\\\\'\n{}",
    'x = f"{{y}}"\n{}',
    "x = 'unclosed (\n{}",
    "!echo (it's \"\n{}",
    "x = !echo (\n{}",
    "x = %env (\n{}",
    "    !echo '''\n{}",
    "%timeit f(\n{}",
    "?f(\n{}",
    "x != y\n{}",
    "don't\n{}",
    ")]}}\n{}",
    "x = 1  # ( \\\n{}",
    "'''' it\n''' # '\n{}",
]


@pytest.mark.parametrize("way", ['$connect("pi")', "%connect pi", "%%local", "$exec('x')", "%hosts", "%connect?"])
def test_a_command_below_code_is_refused(way):
    for below in BELOW:
        cell = below.format(way)
        line = cell[: cell.index(way)].count("\n") + 1
        sentence = refusal(cell)
        assert sentence.startswith(f"Line {line}: {re.match(r'[$%?a-z]*[a-z]', way)[0]} stands below other code.")
        assert strip_commands(cell) == ""


def test_after_a_command_and_code_too():
    assert "Line 3: %connect stands below" in refusal("$connect('pi')\nx = 1\n%connect po")


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("  %connect pi", "Line 1: %connect is indented"),
        ("\n\t$connect('pi')", "Line 2: $connect is indented"),
        ("$connect('pi'); print(1)", "Line 1: $connect(…) stands alone on its line. Put what follows it on the next"),
        ("$connect('pi').x", "stands alone"),
        ("$connect('pi') \\\n  + 1", "stands alone"),
        ("$connect('pi') %connect po", "stands alone"),
        ("$connect('pi'", "Line 1: $connect(… is not closed"),
        ("$connect('pi)\nx = 1", "not closed"),
        ("\n$exec('''", "Line 2: $exec(… is not closed"),
        ("$connect pi", "$connect takes parentheses: $connect("),
        ("$exec", '$exec takes parentheses: $exec("CODE")'),
        ("$hosts()", "Line 1: Write %hosts, not $hosts."),
        ("$sessions('pi', end='walk')", "Line 1: Write %sessions, not $sessions."),
        ("x = 1\n$restart()", "$restart stands below other code"),
        ("$connect(host)", "Line 1: $connect(…) takes literal text in quotes; nothing of it is evaluated"),
        ("# c\n$conect('pi')", "Line 2: There is no command $conect. Did you mean $connect?"),
        ("$foo (1)", "There is no command $foo. There are: $connect, %connect, $exec, %%local,"),
        ("%connect('pi')", "Put a space behind %connect, and no parentheses: %connect ADDRESS"),
        ("%connect", "%connect needs its address"),
        ("%connect pi --nwe", "has no option --nwe"),
        ("%%connect pi", "Write $connect or %connect, not %%connect."),
        ("%local\nx", "Write %%local, not %local."),
        ("$local('x')", "Write %%local, not $local."),
        ("%exec x", "Write $exec, not %exec."),
        ("%%local --quiet\nx", "%%local has no option --quiet. It has: --input, --output, --max."),
        ("%hosts\n%hosts all", "Line 2: %hosts takes no argument"),
    ],
)
def test_mistakes(cell, says):
    assert says in refusal(cell)


PIECES = [
    *WAYS, "$connect(", "%%local", "$exec('''", "'''", '"""', '"', "'", "(", ")", "\\", "\n", "\r\n", "\n", "x = 1",
    " ", "#", "%hosts", "%%bash", "!ls", "=", "%", "?", "$foo(", "%connect", "--help", "\x0c", "\u2028",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES)).map("".join) | st.text())
def test_any_text_gives_steps_or_a_sentence(cell):
    stripped = strip_commands(cell)
    try:
        steps = route(cell)
    except errors.CommandError as error:
        assert re.match(r"Line [0-9]+: ", str(error))  # noqa: PT017
    else:
        assert steps
        assert all(isinstance(step, Command | LocalCode) for step in steps[:-1])
        assert all(1 <= step.line <= len(re.findall(r"\r\n|\r|\n", cell)) + 1 for step in steps)
        assert all(step.source in cell for step in steps if isinstance(step, Command))
        if isinstance(steps[-1], RemoteCode):
            assert stripped == steps[-1].code
    for cursor in range(len(cell) + 1):
        complete_command(cell, cursor)


def test_a_large_cell_is_read_in_linear_time():
    code = "x = {'a': [1, 2, 3]}  # it's\n" * 30_000
    _, remote = route("$connect('pi')\n" + code)
    assert remote == RemoteCode("#\n" + code, 2)
    route("$connect('pi')\n'''" + "\\" * 1_000_000)
    route("x" + "\n" * 1_000_000 + "'%connect'")


# ---- complete?


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ('$connect("pi")', "complete"),
        ("%connect pi\n", "complete"),
        ('$connect("pi")\nx = 1', "complete"),
        ('$connect("pi")\nfor x in y:', "incomplete"),
        ('$exec("""\nx', "incomplete"),
        ('$connect("pi")\n$exec("""\nx', "incomplete"),
        ('$exec("""\nx""")', "complete"),
        ("%%local", "incomplete"),
        ("%%local\nx = 1", "incomplete"),
        ("%%local\nx = 1\n\n", "complete"),
        ('$connect("pi")\n%%bash\nls', "incomplete"),
        ("x = (\n%connect", "incomplete"),
        ("for x in y:\n    %connect pi", "complete"),  # and then refused
        ("$connect(host)\nfor x in y:", "complete"),
    ],
)
def test_completeness_as_ipython_sees_it(cell, status):
    assert TransformerManager().check_complete(strip_commands(cell))[0] == status


# ---- completion


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("$con|", ["$connect("]),
        ("$con|(", ["$connect"]),
        ("$|", ["$connect(", "$exec("]),
        (
            "%|",
            [
                "%connect",
                "%%local",
                "%disconnect",
                "%dask",
                "%discover",
                "%doctor",
                "%put",
                "%get",
                "%forward",
                "%hosts",
                "%lease",
                "%watch",
                "%stream",
                "%info",
                "%pair",
                "%sessions",
                "%attach",
                "%replay",
                "%ping",
                "%restart",
                "%%on",
                "%use",
                "%%px",
                "%px",
                "%pxresult",
                "%autopx",
                "%sync",
                "%pull",
                "%push",
                "%scatter",
            ],
        ),
        ("%%|", ["%%local", "%%on", "%%px"]),
        ("# c\n$connect('pi')\n%ho|\nx", ["%hosts"]),
        (
            "%connect pi --|",
            [
                "--new",
                "--cwd",
                "--env",
                "--python",
                "--keep",
                "--name",
                "--registry",
                "--cafile",
                "--certfile",
                "--keyfile",
                "--help",
            ],
        ),
        ("%connect pi --n|", ["--new", "--name"]),
        ("%connect pi \\\n --n|", ["--new", "--name"]),
        ("%disconnect -|", ["--end", "--help"]),
        ("$connect('pi', k|)", ["keep=", "keyfile="]),
        ("$connect('pi',\n    k|", ["keep=", "keyfile="]),
        (
            "$connect('pi', |",
            ["new=", "cwd=", "env=", "python=", "keep=", "name=", "registry=", "cafile=", "certfile=", "keyfile="],
        ),
    ],
)
def test_completions(text, matches):
    cursor = text.index("|")
    found = complete_command(text.replace("|", ""), cursor)
    assert found is not None
    assert found.matches == matches
    assert found.end == cursor
    typed = text[found.start : cursor]
    assert all(match.startswith(typed) for match in matches)


@pytest.mark.parametrize(
    "text",
    [
        "|", "x|", "con|", "%zz|", "x = 1\n%con|", "  %con|", "'''\n%con|", "%%local\n%con|", "x %con|", "(\n%con|",
        "%connect |", "%connect n|", "%connect '--n|", "%connect pi # --n|", "%connect pi\n|", "%connect pi --n |",
        "$connect('n|", "$connect('pi', cwd=n|", "$connect('pi', env={'a': n|", "$connect('pi') n|", "$connect(x, # n|",
        "%exec --|", "?%connect --|", "$connect|('x', n", "!ls %con|",
    ],
)  # fmt: skip
def test_no_completions(text):
    cursor = text.index("|")
    assert complete_command(text.replace("|", ""), cursor) is None or text.startswith("$connect|")


# ---- one entry in the table is a command


def test_a_cell_magic_of_the_table_gets_the_rest_of_its_cell(monkeypatch):
    spec = CommandSpec("upon", ("%%",), "Runs the cell on NAME.", (Positional("name", "which"),))
    monkeypatch.setitem(COMMANDS, "upon", spec)
    source = "%%upon pi"
    assert route("%%upon pi\n\n1 / 0") == [Command("upon", {"name": "pi", "code": "#\n\n1 / 0"}, 1, source)]
    assert complete_command("%%u", 3).matches == ["%%upon"]


def test_a_line_of_code_for_several_machines():
    (step, rest) = route("%px --local print('it\\'s') # \nx")
    assert step.arguments["code"] == "print('it\\'s') #"
    assert step.arguments["local"]
    assert rest == RemoteCode("#\nx", 2)
    assert route("%px --help")[0].name == route("%px?")[0].name == "help"
    assert route("%px x --help")[0].name == "px"
    assert complete_command("%px --lo", 8).matches == ["--local"]
    assert complete_command("%px x --lo", 10) is None


def test_a_line_magic_of_the_table(monkeypatch):
    spec = CommandSpec(
        "tick", ("%", "$"), "Times the link.", options=(Option("for", Kind.DURATION, "how long", "TIME"),)
    )
    assert route("%tick --for 2s") == [RemoteCode("%tick --for 2s", 1)]
    monkeypatch.setitem(COMMANDS, "tick", spec)
    assert route("%tick --for 2s\nx") == [Command("tick", {"for": 2.0}, 1, "%tick --for 2s"), RemoteCode("#\nx", 2)]


@pytest.mark.parametrize(
    ("text", "suggests", "typed", "quoted"),
    [
        ("%connect |", "machine", "", False),
        ("%connect pi|", "machine", "pi", False),
        ("# c\n%connect ssh://a@b|\nx = 1", "machine", "ssh://a@b", False),
        ("%connect --new --cwd /srv p|", "machine", "p", False),
        ("%connect --env=A=1 \\\n  p|", "machine", "p", False),
        ('$connect("|', "machine", "", True),
        ('$connect("p|")', "machine", "p", True),
        ("$connect(\n  address = 'ssh://|", "machine", "ssh://", True),
        ("%sessions p|", "machine", "p", False),
        ("%attach |", "session", "", False),
        ("%attach wa|", "session", "wa", False),
        ("%attach walk p|", "machine", "p", False),
        ("%pair p|", "machine", "p", False),
        ("%connect pi --cafile ~/c|", "file", "~/c", False),
        ('$connect("pi", keyfile="a|', "file", "a", True),
        ("%put ~/d|", "file", "~/d", False),
        ("%put -r a d|", "either file", "d", False),
        ("%get d|", "remote file", "d", False),
        ("%get a b d|", "either file", "d", False),
        ("%sync |", "file", "", False),
        ("%sync a --delete d|", "remote file", "d", False),
        ("%pull d|", "remote value", "d", False),
        ("%pull a b=results[0].|", "remote value", "results[0].", False),
        ("%push a==d|", "value", "a==d", False),
        ("%push --as x d|", "value", "d", False),
        ("%px print(len(d|", "remote value", "print(len(d", False),
        ("%px --local x = d|", "remote value", "d", False),
    ],
)
def test_arguments_for_which_something_is_suggested(text, suggests, typed, quoted):
    cursor = text.index("|")
    found = argument_at(text.replace("|", ""), cursor)
    assert found == Argument(suggests, typed, cursor - len(typed), quoted)


@pytest.mark.parametrize(
    "text",
    [
        "%connect|", "%connect pi x|", "%connect --cwd p|", "%connect pi --|", "%connect 'p|", "%connect pi # p|",
        "%connect 'a b|", "x = 1\n%connect p|", " %connect p|", "%replay 7|", "%hosts x|", "%connect? p|", "%local p|",
        '$connect("pi", "|', '$connect("pi", cwd="|', "$connect(p|", '$exec("p|', '$connect(cwd="|', "pi|", "", "|",
        "$connect('a\\|", "%connect pi --keep|", "%connect a b c d|", "%%px d|", "%px --targets p|",
    ],
)  # fmt: skip
def test_nothing_is_suggested_elsewhere(text):
    cursor = text.find("|") if "|" in text else 0
    assert argument_at(text.replace("|", ""), cursor) is None


@given(st.text("%$connectattach 'pi-=\\\n#(\"", max_size=40), st.integers(0, 40))
def test_any_text_may_be_completed(text, cursor):
    found = argument_at(text, min(cursor, len(text)))
    assert found is None or text[found.start : min(cursor, len(text))] == found.typed
