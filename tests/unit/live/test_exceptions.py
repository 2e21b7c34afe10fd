"""Exceptions of another machine: the class is ours and built in, or generic; what it says can't do anything."""

import builtins
import linecache
import struct
import sys
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rpyc.core import brine as rpyc_brine
from rpyc.core import vinegar

from rpyc_kernel.errors import RemoteError
from rpyc_kernel.live import exceptions, exposed
from rpyc_kernel.live.exception_classes import RemoteException
from rpyc_kernel.transport.rpyc_wire.brine import BrineError

TRACE = 'Traceback (most recent call last):\n  File "there.py", line 1, in <module>\n'


def load(name, *args, module="builtins", attributes=(), trace=TRACE):
    return exceptions.load(((module, name), args, attributes, trace), "host:1")


def as_vinegar(error):
    return vinegar.dump(
        type(error), error, error.__traceback__, include_local_traceback=True, include_local_version=True
    )


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad", 3), KeyError("k"), ZeroDivisionError(), OSError(2, "No such file", "x"), IndexError("i"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"), SyntaxError("m", ("f.py", 3, 1, "x = = 1\n")), TypeError(),
        ModuleNotFoundError("No module named 'x'", name="x"), StopAsyncIteration(4), RecursionError("deep"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_the_built_in_ones_are_what_they_are(error):
    found = exceptions.load(as_vinegar(error), "host:1")
    assert type(found) is type(error)
    assert found.args == error.args
    assert "Remote Traceback" in found.__notes__[0]
    for name in ("errno", "strerror", "lineno", "encoding", "start", "path"):
        assert getattr(found, name, None) == getattr(error, name, None)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"), ("builtins", "exit"), ("builtins", "__import__"), ("builtins", "type"),
        ("builtins", "object"), ("builtins", "__loader__"), ("builtins", "ExceptionGroup"), ("builtins", "SystemExit"),
        ("builtins", "BaseExceptionGroup"), ("builtins", "KeyboardInterrupt"), ("builtins", "GeneratorExit"),
        ("builtins", "BaseException"), ("builtins", "__class__"), ("builtins", ""), ("os", "system"), ("os", "error"),
        ("subprocess", "CalledProcessError"), ("evil_module", "Evil"), ("rpyc_kernel.errors", "ArgumentError"),
        ("\x00", "\x00"), ("m" * 100_000, "n\n\x1b[2J" * 10_000), (3, None), (("a",), b"x" * 10**6), ((1,) * 10**5, 1),
    ],
    ids=lambda text: str(text)[:20].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_of_any_other_comes_a_generic_one(module, name):
    before = set(sys.modules)
    found = load(name, "a", 3, module=module, attributes=(("code", 4), ("name", "x"), ("message", "y")))
    assert type(found) is RemoteException
    assert isinstance(found, (RemoteError, vinegar.GenericException))
    assert found.code == 4
    assert found.message == "a, 3"
    assert "\n" not in str(found)
    assert "\x1b" not in str(found)
    assert len(str(found)) < 1000
    assert set(sys.modules) == before


def test_attributes_that_would_do_something_are_left_out():
    before = dir(ValueError())
    attributes = tuple(
        (name, "x")
        for name in ("__class__", "__cause__", "__notes__", "_render_traceback_", "with_traceback", "add_note", "args",
            "__dict__", "not a name", "", "__traceback__", "_remote_tb")
    )  # fmt: skip
    error = load("ValueError", "v", attributes=attributes)
    assert sorted(set(dir(error)) - set(before)) == ["__notes__", "_remote_tb", "_render_traceback_"]
    assert error.args == ("v",)
    assert error._remote_tb == TRACE
    with pytest.raises(ValueError, match="v"):
        raise error.with_traceback(None)


def test_python_guesses_nothing_from_it(monkeypatch):
    """From 3.12 on, showing an ImportError with a `name_from` imports the module that it names."""
    error = load("ImportError", "x", attributes=(("name", "antigravity"), ("name_from", "fly"), ("path", "p")))
    assert getattr(error, "name_from", None) is None
    assert error.name == "antigravity"
    assert "antigravity" not in sys.modules
    "".join(traceback.format_exception(error))
    assert "antigravity" not in sys.modules
    error = load("AttributeError", "x", attributes=(("name", "colour"), ("obj", "y")))
    assert error.obj is None
    assert load("NameError", "x", attributes=(("name", "colour"),)).name is None


def test_no_file_here_is_read_for_a_syntax_error(monkeypatch):
    read = []
    monkeypatch.setattr(linecache, "updatecache", lambda name, *_rest: read.append(name) or [])
    for args, attributes in [
        (("m", ("/dev/zero", 1, 1, None)), ()),
        (("m",), (("filename", "/dev/zero"), ("lineno", 1))),
    ]:
        error = load("SyntaxError", *args, attributes=attributes)
        assert error.filename == "</dev/zero>"
        linecache.checkcache(error.filename)
        assert linecache.getline(error.filename, error.lineno) == ""
    assert all(name.startswith("<") for name in read)
    for attributes in [(("text", b"x"),), (("lineno", "x"), ("offset", (1,))), (("filename", 3),), (("msg", 3),)]:
        error = load("SyntaxError", "m", ("f", 1, 1, "t"), attributes=attributes)
        assert "SyntaxError" in "".join(traceback.format_exception(error))
    assert load("SyntaxError", "m", ("<remote 1>", 1, 1, "t")).filename == "<remote 1>"


def test_one_of_which_python_would_read_memory_that_is_not_its_own():
    """`str` of a UnicodeDecodeError takes whatever its `object` is for bytes: this one ended the process."""
    size = struct.unpack("<d", struct.pack("<q", 2**62))[0]
    attributes = (("object", size), ("start", 2**46), ("end", 2**46 + 1))
    error = load("UnicodeDecodeError", "utf-8", b"x", 0, 1, "why", attributes=attributes)
    assert (error.object, error.start) == (b"x", 0)
    assert load("UnicodeDecodeError", 1, 2, attributes=attributes).object is None
    assert load("UnicodeEncodeError", attributes=attributes).object is None


@pytest.mark.parametrize(
    "dumped",
    [None, 2, 1.0, True, (), (1, 2, 3), (("builtins",), (), (), ""), (("a", "b"), 3, (), ""), (("a", "b"), (), 3, ""),
     (("a", "b"), (), (3,), ""), (("a", "b"), (), ((3, 4),), ""), (("a", "b"), (), (("n",),), "")],
)  # fmt: skip
def test_what_is_none(dumped):
    with pytest.raises(BrineError):
        exceptions.load(dumped, "host:1")


BRINE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.binary(max_size=10), st.floats(),
        st.sampled_from(["builtins", *vars(builtins), "__class__", "filename", "name", "errno"])),
    lambda inner: st.one_of(st.lists(inner, max_size=4).map(tuple), st.frozensets(inner, max_size=3)),
    max_leaves=12,
)  # fmt: skip
TUPLES = st.lists(BRINE, max_size=5).map(tuple)
NAMES = st.sampled_from(
    ["errno", "filename", "lineno", "text", "object", "start", "name", "value", "exceptions", "msg"]
)
DUMPED = st.tuples(
    st.tuples(st.just("builtins"), st.sampled_from(sorted(vars(builtins)))),
    TUPLES,
    st.lists(st.tuples(NAMES, BRINE), max_size=4).map(tuple),
    BRINE,
)


@given(st.one_of(BRINE, st.tuples(BRINE, BRINE, BRINE, BRINE), DUMPED))
def test_whatever_comes_is_an_exception_that_can_be_shown(dumped):
    try:
        error = exceptions.load(dumped, "host:1")
    except BrineError:
        return
    if error is StopIteration:
        return
    assert isinstance(error, Exception)
    assert "".join(traceback.format_exception(error))
    assert len(str(error)) < 200_000


class Odd(Exception):
    """What a callback may raise, of its user's making."""

    @property
    def worse(self):
        raise RuntimeError("not now")

    def __str__(self):
        raise RuntimeError("never")


def raised_in_a_callback():
    try:
        try:
            Path("/no/such/file of mine").read_text()
        except OSError as error:
            raise ValueError("bad", [object()], "\udcff", 10**5000, Odd()) from error
    except ValueError as error:
        return error


def test_the_other_side_is_told_of_ours_what_it_needs():
    error = raised_in_a_callback()
    error.code, error.more = 5, object()
    error.add_note("for me")
    told = exceptions.dump(error)
    (module, name), args, attributes, trace = rpyc_brine.load(rpyc_brine.dump(told))
    assert (module, name) == ("builtins", "ValueError")
    assert args[0] == "bad"
    assert args[1].startswith("[<object")
    assert args[2] == "\\udcff"
    assert attributes == (("code", 5),)
    for secret in ("/no/such", "Traceback", ".py", "for me"):
        assert secret not in str(told)
    theirs = vinegar.load(told, import_custom_exceptions=False, instantiate_custom_exceptions=False,
        instantiate_oldstyle_exceptions=False)  # fmt: skip
    assert isinstance(theirs, ValueError)
    assert trace in str(theirs)
    assert rpyc_brine.dump(exceptions.dump(Odd("x")))
    assert exceptions.dump(StopIteration(4)) == 1
    assert dict(exceptions.dump(OSError(2, "no", "f"))[2])["errno"] == 2
    assert exceptions.dump(exposed.RefusedError("no"))[0] == ("builtins", "AttributeError")  # for their `hasattr`


def test_one_of_ours_that_comes_back_is_known():
    told = exceptions.dump(Odd("x"))
    theirs = vinegar.load(told, import_custom_exceptions=False, instantiate_custom_exceptions=False,
        instantiate_oldstyle_exceptions=False)  # fmt: skip
    assert exceptions.is_same(as_vinegar(theirs), told)
    assert not exceptions.is_same(as_vinegar(KeyError("x")), told)
    assert not exceptions.is_same(as_vinegar(type("Odd", (Exception,), {})("y")), told)
    assert not exceptions.is_same(1, 1)
