"""The text of the file of saved machines: what is read of it, and that a change keeps what the user wrote."""

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.errors import AddressError, ArgumentError
from rpyc_kernel.hosts.saved import SavedHost, checked_name, name_of, variables
from rpyc_kernel.hosts.toml import TextError, drop, put, read

PI = SavedHost("pi", "ssh://pi@raspberrypi.local", "~/ml/bin/python", "/srv/data", {"LANG": "C.UTF-8"})
BY_HAND = """\
# my machines

[Board]   # the one on the desk
address = "192.168.43.44"  # by Wi-Fi

[lab]
address = 'lab:18812'
[lab.env]
# for the camera
CAMERA = "0"
"""


def test_what_is_written_is_read():
    text = put(put("", PI), SavedHost("nas", "nas.local:18812"))
    assert read(text) == {"pi": PI, "nas": SavedHost("nas", "nas.local:18812")}
    assert text.startswith("# Machines that rpyc-kernel knows")
    assert text.count("\n\n") == 2, text


def test_a_change_keeps_comments_and_order():
    text = put(BY_HAND, SavedHost("board", "10.0.0.5:18812", cwd="/srv"))
    for comment in ("# my machines", "# the one on the desk", "# by Wi-Fi", "# for the camera"):
        assert comment in text
    assert list(read(text)) == ["board", "lab"]
    assert read(text)["board"] == SavedHost("board", "10.0.0.5:18812", cwd="/srv")
    assert read(put(text, SavedHost("board", "10.0.0.5:18812")))["board"].cwd == ""
    assert "# for the camera" in drop(text, "board")
    assert list(read(drop(text, "board"))) == ["lab"]


def test_a_name_is_in_lower_case_and_in_any_script():
    assert checked_name(" Pi ") == "pi"
    assert checked_name("工作站") == "工作站"
    assert list(read(put("", SavedHost("工作站", "10.0.0.5")))) == ["工作站"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "18812",
        "a.b",
        "pi:1",
        "-x",
        "a b",
        "local:",
        "localhost",
        "all",
        "x" * 41,
        "a/b",
        "a\n",
        "[::1]",
        "ü:",
        "_a",
    ],
)
def test_what_may_be_an_address_is_no_name(name):
    if name != "a\n":  # blanks around it are nobody's meaning
        assert name_of(name) is None
        with pytest.raises(ArgumentError, match="name"):
            checked_name(name)
    assert name_of(5) is None


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[pi]\naddress = 'a'\n[lab\n", 3, "table declaration"),
        ("x = \n", 1, "invalid value"),
        ("[pi]\naddress = 'a", 2, "expected"),
        ("\n\n[pi]\naddress = 5\n", 3, "must be a text"),
        ("[pi]\naddress = 'a'\npyhton = '/x'\n", 1, "'pyhton'"),
        ("[pi]\n", 1, "has no address"),
        ("[pi]\naddress = ''\n", 1, "has no address"),
        ("a = 1\npi = 'host'\n", 1, "is no table"),
        ("[pi]\naddress = 'a'\nenv = 'A=1'\n", 1, "table of texts"),
        ("[ok]\naddress = 'a'\n[pi]\naddress = 'a'\n[pi.env]\nA = 1\n", 3, "table of texts"),
        ("[pi]\naddress = 'a'\n\n['PI']\naddress = 'b'\n", 4, "twice"),
        ("['a.b']\naddress = 'a'\n", 1, "can't name"),
        ("[pi]\naddress = 'a\\u202eb'\n".replace("'", '"'), 1, "can't be shown"),
        ("[pi]\naddress = '" + "a" * 5000 + "'\n", 1, "too long"),
        ("[a]\naddress = 'a'\n[a]\n", 3, "declare"),
    ],
)
def test_a_broken_file_is_a_line_and_a_reason(text, line, words):
    with pytest.raises(TextError) as error:
        read(text)
    assert str(error.value).startswith(f"line {line}: "), error.value
    assert words in str(error.value)
    assert str(error.value).isprintable()


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    with suppress(TextError):
        assert all(host.name == name for name, host in read(text).items())


values = st.text(st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"]), min_size=1, max_size=30)
names = st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True)
hosts = st.builds(SavedHost, names, values, values | st.just(""), values, st.dictionaries(values, values, max_size=3))


@given(st.lists(hosts, max_size=5))
def test_whatever_is_put_comes_back(saved):
    text, expected = BY_HAND, read(BY_HAND)
    for host in saved:
        text = put(text, host)
        expected[host.name] = host
        assert tomllib.loads(text)
        assert read(text) == expected
    for host in saved:
        text = drop(text, host.name)
        assert host.name not in read(text)


def test_variables_never_repeat_a_value():
    assert variables(["A=1", "B=x=y"]) == {"A": "1", "B": "x=y"}
    for wrong in ("hunter2", "=hunter2", "A=hunter2\n"):
        with pytest.raises(ArgumentError) as error:
            variables([wrong])
        assert "hunter2" not in str(error.value) or wrong == "hunter2"
    assert "C.UTF-8" not in repr(PI)


def test_an_address_is_read_when_it_is_used():
    with pytest.raises(AddressError):
        _ = SavedHost("pi", "http://pi").where


def test_the_python_goes_where_the_address_wants_it():
    address, options = PI.where
    assert str(address) == "ssh://pi@raspberrypi.local?python=~/ml/bin/python"
    assert options == {"cwd": "/srv/data", "env": {"LANG": "C.UTF-8"}}
    assert SavedHost("pi", "10.0.0.5", "/opt/python").where[1] == {"python": "/opt/python"}
