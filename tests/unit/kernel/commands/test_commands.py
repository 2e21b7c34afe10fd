"""The table of our commands: both spellings give the same arguments, and whatever is wrong gets a sentence."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rpyc_kernel import errors
from rpyc_kernel.kernel.commands.parse import parse_call, parse_duration, parse_magic, split_words
from rpyc_kernel.kernel.commands.registry import command
from rpyc_kernel.kernel.commands.route import route
from rpyc_kernel.kernel.commands.spec import (
    COMMANDS,
    CommandSpec,
    Kind,
    Option,
    Positional,
    command_help,
    spelled,
    unknown_command,
)

CONNECT = COMMANDS["connect"]
NOTHING = {
    "address": "pi",
    "new": False,
    "cwd": None,
    "env": {},
    "python": None,
    "keep": None,
    "name": None,
    "registry": None,
    "cafile": None,
    "certfile": None,
    "keyfile": None,
}


def test_connect_defaults():
    assert parse_magic(CONNECT, " pi") == parse_call(CONNECT, '$connect("pi")') == NOTHING


def test_both_spellings_agree_on_all_options():
    everything = {
        "address": "10.0.0.5:18812",
        "new": True,
        "cwd": "/srv/my data",
        "env": {"A": "1", "B": "x=y"},
        "python": "/usr/bin/python3.9",
        "keep": 7200.0,
        "name": "a walk",
        "registry": "pi:18811",
        "cafile": "ca",
        "certfile": "c",
        "keyfile": "k",
    }
    magic = ' 10.0.0.5:18812 --new --cwd "/srv/my data" --env A=1 --env=B=x=y --python /usr/bin/python3.9 --keep 2h'
    magic += " --name 'a walk' --registry pi:18811 --cafile ca --certfile c --keyfile k # x"
    assert parse_magic(CONNECT, magic) == everything
    call = """$connect("10.0.0.5:18812", new=True, cwd='/srv/my data', env={"A": "1", "B": "x=y"},
        python="/usr/bin/python3.9", keep="2h", name="a walk", registry="pi:18811",
        cafile="ca", certfile="c", keyfile="k")"""
    assert parse_call(CONNECT, call) == everything


def test_options_may_stand_before_the_address_and_dashes_end_them():
    assert parse_magic(CONNECT, " --new pi")["address"] == "pi"
    assert parse_magic(CONNECT, " --new -- --odd")["address"] == "--odd"


@pytest.mark.parametrize(
    "call",
    [
        '$connect(address="pi")',
        '$connect ("pi",)',
        "$connect('p' 'i')",
        '$connect(\n  "pi",  # the one on the desk\n  new=False,\r\n)',
    ],
)
def test_call_forms(call):
    assert parse_call(CONNECT, call) == NOTHING


def test_seconds_in_a_call_are_numbers():
    assert parse_call(CONNECT, '$connect("pi", keep=90)')["keep"] == 90
    assert parse_call(CONNECT, '$connect("pi", keep=0)')["keep"] == 0


@pytest.mark.parametrize(
    "call",
    [
        "$connect(host)",
        '$connect(host or "pi")',
        "$connect(192.168.43.44)",
        '$connect(f"{host}")',
        '$connect("a" + "b")',
        '$connect(__import__("os").system("false"))',
        "$connect(*hosts)",
        "$connect(**options)",
        '$connect("pi", cwd=folder)',
        "$connect(b'pi')",
        "$connect(5)",
        "$connect(" + "[" * 5000 + "]" * 5000 + ")",
        "$connect('\0')",
        "$connect('\ud800' x)",
    ],
)
def test_only_literals_and_nothing_is_evaluated(call):
    with pytest.raises(errors.CommandError, match="literal text in quotes; nothing of it is evaluated"):
        parse_call(CONNECT, call)


def test_what_was_meant_is_offered_in_quotes():
    with pytest.raises(errors.CommandError, match=r'Write \$connect\("192.168.43.44"\)'):
        parse_call(CONNECT, "$connect(192.168.43.44)")
    with pytest.raises(
        errors.CommandError, match=r'Write \$exec\("import platform"\)'
    ):  # the old kernel's own spelling
        parse_call(COMMANDS["exec"], "$exec(import platform)")
    with pytest.raises(errors.CommandError, match=r"""Write \$exec\("print\('a', 1\)"\)"""):
        parse_call(COMMANDS["exec"], "$exec(print('a', 1))")


@pytest.mark.parametrize(
    ("name", "rest", "says"),
    [
        ("connect", "", "needs its address"),
        ("connect", " --new", "needs its address"),
        ("connect", " pi po", "'po' is too much"),
        ("connect", " pi --nwe", "no option --nwe. Did you mean --new.*--cwd"),
        ("connect", " pi -x", "no option -x"),
        ("connect", " pi --new=1", "takes no value"),
        ("connect", " pi --cwd", "needs a value: --cwd DIR"),
        ("connect", " pi --cwd --new", "needs a value"),
        ("connect", " pi --cwd=", "not empty"),
        ("connect", " pi --env A", "NAME=VALUE"),
        ("connect", " pi --env =1", "no name"),
        ("connect", " pi --keep soon", "'soon' is no length of time"),
        ("connect", ' "pi', 'a " that is not closed'),
        ("disconnect", " pi x", "takes only its name"),
        ("ping", " x y", "takes only its name, so 'y' is too much"),
        ("ping", " --all", "takes no options"),
        ("local", " --quiet", "%%local has no option --quiet. It has: --input, --output, --max."),
        ("local", " x = 1", "%%local takes no argument but options"),
    ],
)
def test_magic_mistakes(name, rest, says):
    with pytest.raises(errors.CommandError, match=says):
        parse_magic(COMMANDS[name], rest, "%%local" if name == "local" else None)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("$connect()", "needs its address"),
        ('$connect("a", "b")', "'b' is too much"),
        ('$connect("a", address="b")', "no option address="),
        ('$connect("a", nwe=True)', "no option nwe=. Did you mean new="),
        ('$connect("a", new=1)', "True or False"),
        ('$connect("a", cwd=1)', "takes text"),
        ('$connect("a", cwd="")', "takes text"),
        ('$connect("a", env={"A": 1})', "both text"),
        ('$connect("a", env={"": "1"})', "no name"),
        ('$connect("a", env=["A=1"])', "NAME=VALUE"),
        ('$connect("a", keep=True)', "length of time"),
        ('$connect("a", keep=-1)', "length of time"),
        ('$connect("a", keep=1e999)', "length of time"),
        ('$connect("a", keep="2x")', "keep= of \\$connect: '2x' is no length"),
    ],
)
def test_call_mistakes(call, says):
    with pytest.raises(errors.CommandError, match=says):
        parse_call(CONNECT, call)


def test_an_invalid_escape_in_somebodys_text_is_no_warning_of_ours():
    assert parse_call(CONNECT, r'$connect("pi", cwd="C:\data")')["cwd"] == r"C:\data"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("30m", 1800), ("45s", 45), ("1d", 86400), ("0", 0), ("0s", 0), ("1.5h", 5400), (" 2H ", 7200)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-1h", "2w", "1h30m", "inf", "1e3s", "٣h", "9" * 400 + "d", "4000d"])
def test_no_durations(text):
    with pytest.raises(errors.CommandError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" a  b\tc ", ["a", "b", "c"]),
        ('A="b c"d', ["A=b cd"]),
        ("'' \"it's\"", ["", "it's"]),
        (r"C:\data\new \\server\share", [r"C:\data\new", r"\\server\share"]),
        ("a#b # c 'd", ["a#b"]),
        ("# all", []),
    ],
)
def test_words(text, words):
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("rest", "code", "targets"),
    [
        (" x = 1", "x = 1", None),
        (" -t pi,gpu print('a  b') # c", "print('a  b') # c", "pi,gpu"),
        (" --targets='a b' --noblock  x = \"it's\"", 'x = "it\'s"', "a b"),
        (' --targets "a b" x --local', "x --local", "a b"),
        (" -- -x", "-x", None),
        (" it's", "it's", None),
    ],
)
def test_a_line_of_code_is_taken_as_it_stands_behind_the_options(rest, code, targets):
    found = parse_magic(COMMANDS["px"], rest)
    assert (found["code"], found["targets"]) == (code, targets)
    assert found["noblock"] == ("--noblock" in rest)
    assert not found["local"]


def test_a_line_of_code_is_needed_and_a_cell_has_none():
    assert command_help("px").startswith(
        "%%px [--targets NAME,NAME] [--local] [--noblock] [--group-outputs HOW]\n"
        "%px [--targets NAME,NAME] [--local] [--noblock] [--group-outputs HOW] CODE\n"
    )
    for rest in ("", " --local", " --targets pi --"):
        with pytest.raises(errors.CommandError, match="%px needs its code"):
            parse_magic(COMMANDS["px"], rest)
    with pytest.raises(errors.CommandError, match=r"no option --lcal\. Did you mean --local"):
        parse_magic(COMMANDS["px"], " --lcal x")
    assert parse_magic(COMMANDS["px"], " --local", "%%px")["code"] is None
    with pytest.raises(errors.CommandError, match="%%px takes no argument but options, so 'x' is too much"):
        parse_magic(COMMANDS["px"], " x", "%%px")


@given(st.text())
@example("\x00")
def test_a_call_takes_any_text_that_python_can_quote(code):
    for quoted in (ascii(code), json.dumps(code) if code.isascii() else repr(code)):
        assert parse_call(COMMANDS["exec"], f"$exec({quoted})") == {"code": code}


@given(st.lists(st.text(st.characters(exclude_characters="'\"", exclude_categories=["Cs"]), min_size=1)))
def test_quoted_words_come_back_as_they_were(words):
    assert split_words(" ".join(f"'{word}'" for word in words)) == words


@given(st.sampled_from(list(COMMANDS.values())), st.text())
def test_any_text_gives_arguments_or_a_sentence(spec, text):
    for parse, source in ((parse_magic, " " + text), (parse_call, f"${spec.name}({text})")):
        try:
            arguments = parse(spec, source)
        except errors.CommandError as error:
            assert spec.name in str(error)  # noqa: PT017
        else:
            keys = {positional.name for positional in spec.positionals} | {option.key for option in spec.options}
            assert set(arguments) == keys


def test_one_entry_is_one_command(monkeypatch):
    spec = CommandSpec(
        "push",
        ("%",),
        "Copies variables there.",
        (Positional("to", "where"), Positional("names", "which", required=False, many=True)),
        (Option("dry-run", Kind.FLAG, "only say what would be done"),),
    )
    monkeypatch.setitem(COMMANDS, "push", spec)
    assert parse_magic(spec, " pi") == {"to": "pi", "names": [], "dry_run": False}
    assert parse_magic(spec, " pi a b --dry-run") == {"to": "pi", "names": ["a", "b"], "dry_run": True}
    assert command_help("%push").startswith("%push TO [NAMES…] [--dry-run]\n")


@pytest.mark.parametrize("spec", COMMANDS.values(), ids=COMMANDS)
def test_help_names_every_spelling_and_option(spec):
    text = command_help(spec.name)
    for shown in spelled(spec):
        assert shown in text
        assert command_help(shown) == text
    for option in spec.options:
        assert f"--{option.name}" in text
        assert option.help in text
    assert max(map(len, text.splitlines())) <= 170


def test_help_of_connect_shows_how_to_write_it():
    lines = command_help("connect").splitlines()
    assert lines[0] == (
        '$connect("ADDRESS", new=True, cwd="DIR", env={"K": "V"}, python="PATH", keep="TIME", name="NAME", '
        'registry="HOST", cafile="FILE", certfile="FILE", keyfile="FILE")'
    )
    assert lines[1] == (
        "%connect ADDRESS [--new] [--cwd DIR] [--env K=V]… [--python PATH] [--keep TIME] [--name NAME] "
        "[--registry HOST] [--cafile FILE] [--certfile FILE] [--keyfile FILE]"
    )


def test_help_of_nothing():
    with pytest.raises(errors.CommandError, match=r"no command conect.*Did you mean"):
        command_help("conect")


@pytest.mark.parametrize("spec", COMMANDS.values(), ids=COMMANDS)
def test_examples_in_the_help_are_right(spec):
    for example_line in spec.examples:
        if example_line.startswith("$"):
            parse_call(spec, example_line)
        else:
            before, _name, rest = example_line.partition(spec.name)
            parse_magic(spec, rest, before + spec.name)


# --- commands of somebody's own kernel


@pytest.mark.usefixtures("own_commands")
def test_a_command_more_is_read_like_ours():
    @command("blink", "Blinks.", Positional("times", "how often"), Option("fast", Kind.FLAG, "fast"))
    async def blink(context, times, *, fast):
        pass

    (step,) = route("%blink 3 --fast")
    assert (step.name, step.arguments) == ("blink", {"times": "3", "fast": True})
    assert COMMANDS["blink"].handler is blink
    assert "Blinks." in command_help("%blink")
    assert "%blink" in unknown_command("$blnk")


@pytest.mark.usefixtures("own_commands")
@pytest.mark.parametrize("name", ["connect", "local", "help", "", "two words", "a-b", "1st"])
def test_a_name_that_a_command_cannot_have(name):
    ours = dict(COMMANDS)
    with pytest.raises(ValueError, match="cannot have the name"):
        command(name, "Takes ours away.")(None)
    assert ours == COMMANDS
