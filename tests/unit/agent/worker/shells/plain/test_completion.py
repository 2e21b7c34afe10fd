"""Completion and inspection."""

import os
import sys
import time
from pathlib import Path

import pytest

from tests.unit.plain_shell import Session, plain

SETUP = """
import os, json
alpha = 1
alphabet = {'apple': 1, 'app two': 2, 3: 4}
def func(first, second=2, *args, third, **more):
    'Documentation of func.'
    return first
class Thing:
    'A thing.'
    kind = 'thing'
    def __init__(self):
        self.inside = [1]
    @property
    def prop(self):
        'A property.'
        ran.append('prop')
        return self
    def method(self, z):
        return z
    def __getattr__(self, name):
        ran.append(name)
        raise AttributeError(name)
class Slow:
    known = 1
    def __dir__(self):
        import time
        time.sleep(10)
        return ['late']
class Broken:
    known = 1
    def __dir__(self): return 1/0
ran = []
thing, slow, broken = Thing(), Slow(), Broken()
"""


@pytest.fixture
def session(tmp_path):
    with Session() as session:
        os.chdir(str(tmp_path))
        session.ok(SETUP)
        yield session
        assert session["ran"] == []  # nothing of the user's was run


def complete(session, code, pos=None):
    """Matches with their types, for the cursor at the end of the code."""
    pos = len(code) if pos is None else pos
    reply = session.shell.complete(code, pos)
    types = reply["metadata"]["_jupyter_types_experimental"]
    assert reply["status"] == "ok"
    assert [match["text"] for match in types] == reply["matches"]
    assert all((match["start"], match["end"]) == (reply["cursor_start"], reply["cursor_end"]) for match in types)
    assert reply["cursor_end"] == pos
    return {match["text"]: match["type"] for match in types}, reply["cursor_start"]


@pytest.mark.parametrize(
    ("code", "match", "kind", "start"),
    [
        ("alp", "alpha", "instance", 0),
        ("func", "func", "function", 0),
        ("Thi", "Thing", "class", 0),
        ("jso", "json", "module", 0),
        ("pri", "print", "function", 0),
        ("impo", "import", "keyword", 0),
        ("x = [alp", "alpha", "instance", 5),
        ("if alp", "alpha", "instance", 3),
        ("os.pa", "path", "module", 3),
        ("os.path.jo", "join", "function", 8),
        ("thing.", "inside", "instance", 6),
        ("thing.", "prop", "property", 6),
        ("thing.me", "method", "function", 6),
        ("thing.inside.app", "append", "function", 13),
        ("'abc'.upp", "upper", "function", 6),
        ("alphabet['apple'].re", "real", "instance", 18),
        ("func(alp", "alpha", "instance", 5),
        ("func(1, sec", "second=", "param", 8),
        ("func(\n  1,\n  thi", "third=", "param", 13),
        ("Thing().", None, None, None),
        ("thing.method(", "z=", "param", 13),
        ("import js", "json", "module", 7),
        ("import os, js", "json", "module", 11),
        ("import os.pa", "os.path", "module", 7),
        ("from os.path import jo", "join", "function", 20),
        ("from os import (sep,\n  pa", "path", "module", 23),
        ("from email.mime.text import MIMET", "MIMEText", "class", 28),
        ("from email.mi", "email.mime", "module", 5),
        ("from os imp", "import", "keyword", 8),
        ("alphabet['ap", "apple", "dict key", 10),
        ('alphabet["app t', "app two", "dict key", 10),
        ("alphabet[", "3", "dict key", 9),
        ("%tim", "%timeit", "magic", 0),
        ("%%ba", "%%bash", "magic", 0),
        ("x = %pw", "%pwd", "magic", 4),
        ("%time alp", "alpha", "instance", 6),
        ("%%time\nalp", "alpha", "instance", 7),
        ("?alp", "alpha", "instance", 1),
        ("f'{alp", "alpha", "instance", 3),
        ("f'{thing.me", "method", "function", 9),
        ("ä = 1; 'ö'; alp", "alpha", "instance", 12),
        ("def g(parameter):\n    para", "parameter", "statement", 22),
        ("fresh = 1\nfre", "fresh", "statement", 10),
        ("broken.", "known", "instance", 7),
    ],
)
def test_completion(session, code, match, kind, start):
    matches, at = complete(session, code)
    if match is None:
        assert matches == {}
    else:
        assert matches.get(match) == kind
        assert at == start


@pytest.mark.parametrize(
    "code", ["# alp", "'alp", "1.", "nowhere.a", "thing.prop.", "def alp", "func(1).re", "x = 'alp"]
)
def test_nothing_to_complete(session, code):
    assert complete(session, code)[0] == {}


def test_the_cursor_counts(session):
    matches, start = complete(session, "alp + func", 3)
    assert "alpha" in matches
    assert "func" not in matches
    assert start == 0
    assert "func" in complete(session, "alp + func")[0]


def test_private_names_come_when_asked_for(session):
    assert not [name for name in complete(session, "thing.")[0] if name.startswith("_")]
    assert "__init__" in complete(session, "thing.__in")[0]
    assert not [name for name in complete(session, "")[0] if name.startswith("_")]


def test_signatures(session):
    reply = session.shell.complete("fun", 3)
    (match,) = [match for match in reply["metadata"]["_jupyter_types_experimental"] if match["text"] == "func"]
    assert match["signature"] == "(first, second=2, *args, third, **more)"


def test_file_names(session):
    Path("folder").mkdir()
    for name in ("file one.txt", "file2.txt", ".hidden", "folder/inner.txt"):
        Path(name).touch()
    assert complete(session, "open('fi") == ({"file one.txt": "path", "file2.txt": "path"}, 6)
    assert complete(session, "open('fo")[0] == {"folder/": "path"}
    assert complete(session, "open('folder/")[0] == {"folder/inner.txt": "path"}
    assert complete(session, "open('.h")[0] == {".hidden": "path"}
    assert complete(session, "!cat fi")[0] == {"file\\ one.txt": "path", "file2.txt": "path"}
    assert complete(session, "%cd fo") == ({"folder/": "path"}, 4)
    assert complete(session, "%%bash\ncat file2") == ({"file2.txt": "path"}, 11)


def test_a_slow_dir_is_not_waited_for(session):
    start = time.monotonic()
    assert "known" in complete(session, "slow.")[0]
    assert time.monotonic() - start < 5


def test_imports_are_not_run(session):
    Path("noisy_module.py").write_text(
        "print('imported')\ndef inside(): pass\nclass Kind: pass\nVALUE: int = 1\nfrom os import sep as other\n"
    )
    sys.path.insert(0, str(Path.cwd()))
    try:
        assert "noisy_module" in complete(session, "import noisy")[0]
        matches, _ = complete(session, "from noisy_module import ")
    finally:
        sys.path.pop(0)
    assert matches == {"inside": "function", "Kind": "class", "VALUE": "instance", "other": "instance"}
    assert "noisy_module" not in sys.modules


def test_it_is_quick(session):
    session.ok("many = {str(n): n for n in range(100000)}\nlong = 'x = 1\\n' * 3000")
    for code in ("alp", "os.", "import ", "many['", session["long"] + "alp"):
        complete(session, code)
        start = time.monotonic()
        complete(session, code)
        assert time.monotonic() - start < 5


def test_odd_objects(session):
    code = """
class Meta(type):
    def __getattribute__(cls, name): raise ValueError
class Odd(metaclass=Meta): pass
odd = Odd
class Liar:
    __class__ = property(lambda self: 1/0)
    __dict__ = 5
liar = Liar()
class Names:
    def __dir__(self): return [1, 'good']
names = Names()
"""
    session.ok(code)
    for name in ("odd", "liar", "names"):
        complete(session, name)
        complete(session, name + ".")
        session.shell.inspect(name, len(name), 1)
    session.ok("globals()[5] = 'a key that is no name'")
    complete(session, "")


# --- inspection


def inspect(session, code, pos=None, level=0):
    reply = session.shell.inspect(code, len(code) if pos is None else pos, level)
    assert reply["status"] == "ok"
    if not reply["found"]:
        assert reply["data"] == {}
        return None
    return plain([reply["data"]["text/plain"]])


@pytest.mark.parametrize(
    ("code", "pos"),
    [
        ("func", None),
        ("func", 0),
        ("func", 2),
        ("x = func", 6),
        ("func(", None),
        ("func(1, nowhere", None),
        ("func(1, 'text", None),
        ("func(alpha", 2),
        ("print(func(1", None),
        ("func(\n    1,\n    ", None),
    ],
)
def test_the_function_at_the_cursor(session, code, pos):
    text = inspect(session, code, pos)
    assert "Signature:  func(first, second=2, *args, third, **more)" in text
    assert "Documentation of func." in text
    assert "<Cell In[1]>" in text
    assert "function" in text
    assert "return first" not in text


def test_other_things(session):
    assert "A thing." in inspect(session, "Thing")
    assert "Init signature: Thing()" in inspect(session, "Thing")
    assert "A thing." in inspect(session, "thing")
    assert "method(z)" in inspect(session, "thing.method")
    assert "A property." in inspect(session, "thing.prop")
    assert "int" in inspect(session, "func(alpha)", 7)
    assert "Join two or more" in inspect(session, "os.path.join('a', ")
    assert "JSON" in inspect(session, "json")
    assert "LOOPS" in inspect(session, "%timeit")
    assert "Length:     3" in inspect(session, "alphabet")
    assert inspect(session, "os.path.join", 4).startswith("Docstring:")  # os.path: the cursor is in it


@pytest.mark.parametrize("code", ["nowhere", "for", "1", "", "# func", "'func'", "thing.nowhere", "func(1)"])
def test_nothing_to_tell(session, code):
    assert inspect(session, code) is None


def test_the_source(session):
    text = inspect(session, "func", level=1)
    assert "'Documentation of func.'\n    return first" in text
    text = inspect(session, "Thing", level=1)
    assert text.count("class Thing") == 1
    assert "class Slow" not in text
    assert "raise AttributeError(name)" in text
    assert "def method(self, z):\n    return z" in inspect(session, "thing.method", level=1)
    assert "class Thing" in inspect(session, "thing", level=1)
    assert "def dumps(" in inspect(session, "json.dumps", level=1)
    assert "Return the number" in inspect(session, "len", level=1)  # there is no source


def test_sections_can_be_left_out(session):
    text = session.shell.inspect("func", 4, 0, {"docstring"})["data"]["text/plain"]
    assert "Documentation" not in text
    assert "first" in text
