"""What the other side may have of an object that was passed to it."""

import functools
import io
import logging
import string
import sys
import types
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rpyc.core import consts, netref

from rpyc_kernel.live import exposed
from rpyc_kernel.transport.rpyc_wire.brine import BrineError

SECRET = "hunter2"


class Account:
    """A class as people write them."""

    kind = "account"
    exposed_balance = 7

    def __init__(self):
        self.owner = "me"
        self.other = object()
        self.names = ["a"]
        self.password = SECRET
        self.close = callback  # a method of this object alone

    def __repr__(self):
        return f"Account({self.password})"

    def deposit(self, amount):
        return amount

    @classmethod
    def make(cls):
        return cls()

    @property
    def where(self):
        return types


class Guarded:
    def _rpyc_getattr(self, name):
        if name == "open":
            return "sesame"
        raise AttributeError(name)


class Text(str):
    __slots__ = ()


def callback(data, secret=SECRET):
    return data


class Pause:
    def __await__(self):
        yield


async def coroutine():
    await Pause()


def generator():
    yield from [1]


def begun(steps):
    steps.send(None)
    return steps


ACCOUNT = Account()
#: object, names that may be had, names that may not
CASES = {
    "function": (callback, ["__call__", "__name__", "__doc__"], ["__globals__", "__code__", "__defaults__",
        "__closure__", "__builtins__", "__dict__", "__wrapped__", "__module__", "__class__", "__get__"]),
    "lambda": (lambda: ACCOUNT, ["__call__"], ["__globals__", "__closure__", "__repr__", "__str__", "__format__"]),
    "bound method": (ACCOUNT.deposit, ["__call__", "__name__"], ["__self__", "__func__", "im_self", "__repr__",
        "__str__", "__format__", "__reduce_ex__"]),
    "builtin method": ([].append, ["__call__"], ["__self__", "__repr__"]),
    "builtin": (len, ["__call__"], ["__self__", "__module__"]),
    "method wrapper": (callback.__call__, ["__call__"], ["__self__", "__objclass__"]),
    "descriptor": (str.format, ["__call__"], ["__objclass__", "__get__", "__self__"]),
    "partial": (functools.partial(callback, SECRET), ["__call__"], ["args", "func", "keywords", "__repr__"]),
    "generator": (begun(generator()), ["send", "close", "throw", "__next__"], ["gi_frame", "gi_code", "gi_yieldfrom"]),
    "coroutine": (begun(coroutine()), ["send", "__await__"], ["cr_frame", "cr_code", "cr_await"]),
    "module": (sys, ["__name__", "__doc__"], ["modules", "path", "exit", "_getframe", "__dict__", "version"]),
    "frame": (sys._getframe(), [], ["f_globals", "f_back", "f_lineno", "f_builtins", "clear"]),
    "code": (callback.__code__, [], ["co_consts", "co_filename", "replace"]),
    "instance": (ACCOUNT, ["deposit", "close", "owner", "kind", "balance", "__repr__"], ["other", "names", "where",
        "__dict__", "__class__", "__init__", "__reduce_ex__", "__subclasshook__", "__getattribute__", "make",
        "_Account__x", "__module__", "__init_subclass__", "__setattr__", "__delattr__", "__dir__", "__new__"]),
    "class": (Account, ["make", "kind", "__call__"], ["mro", "__subclasses__", "__mro__", "__bases__", "__dict__",
        "deposit", "__init__", "__base__", "register"]),
    "list": ([ACCOUNT], ["append", "__getitem__", "__len__"], ["__class__", "__reduce_ex__", "__class_getitem__"]),
    "dict": ({"a": 1}, ["items", "__getitem__"], ["__class__", "__init__"]),
    "bytearray": (bytearray(b"x"), ["decode"], ["__class__"]),
    "text": (Text("{0.__globals__}"), ["upper"], ["format", "format_map"]),
    "formatter": (string.Formatter(), [], ["format", "vformat", "get_field"]),
    "file": (io.TextIOWrapper(io.BytesIO()), ["write", "encoding"], ["buffer", "__dict__"]),
    "logger": (logging.getLogger("a.b"), ["info", "name"], ["parent", "manager", "root", "handlers", "__dict__"]),
    "exception": (AttributeError("x", obj=ACCOUNT), ["args", "add_note"], ["obj", "__traceback__", "__context__"]),
    "guarded": (Guarded(), ["open"], ["shut", "_rpyc_getattr", "__call__", "__class__"]),
}  # fmt: skip


def refused(obj, name):
    try:
        exposed.get(obj, name)
    except AttributeError:
        return True
    return False


@pytest.mark.parametrize("case", CASES)
def test_what_may_be_had_of_it(case):
    obj, had, not_had = CASES[case]
    for name in had:
        assert not refused(obj, name), name
    for name in not_had:
        assert refused(obj, name), name
    assert not {name for name in not_had if name.startswith("_")} & set(exposed.names(obj))


@pytest.mark.parametrize(
    "obj", [ACCOUNT.deposit, ACCOUNT.__repr__, functools.partial(callback, SECRET), callback, types, sys._getframe()]
)
def test_the_text_of_what_was_passed_tells_nothing_of_what_was_not(obj):
    for form in (repr, str):
        text = exposed.text(obj, form)
        assert SECRET not in text
        assert "/" not in text
        assert type(obj).__name__ in text
    assert exposed.text([1], repr) == "[1]"


def test_a_text_of_theirs_is_not_formatted_here():
    with pytest.raises(exposed.RefusedError):
        exposed.call(str.format, ("{0.__globals__}", callback))
    with pytest.raises(exposed.RefusedError):
        exposed.call(str.format_map, ("{x.__globals__}", {"x": callback}))
    assert exposed.call("<{}>".format, (3,)) == "<3>"


def test_arguments_are_called_by_their_names():
    assert exposed.call(callback, (), (("data", 5),)) == 5
    for kwargs in [((1, 2),), ("ab",), ((),), (("data",),), (["data", 1],)]:
        with pytest.raises(exposed.RefusedError):
            exposed.call(callback, (), kwargs)


OBJECT = (3, ("x", 1, 2))
GOOD = [
    (consts.HANDLE_CALL, (2, (OBJECT, (1, ()), (1, ())))),
    (consts.HANDLE_GETATTR, (2, (OBJECT, (1, "name")))),
    (consts.HANDLE_PING, (1, ("x",))),
    (consts.HANDLE_GETROOT, (1, ())),
    (consts.HANDLE_INSPECT, (1, (("x", 1, 2),))),
]
REFUSED = [
    *[(handler, (2, (OBJECT, (1, "x")))) for handler in (consts.HANDLE_PICKLE, consts.HANDLE_SETATTR,
        consts.HANDLE_DELATTR, consts.HANDLE_INSTANCECHECK, consts.HANDLE_OLDSLICING, 0, -1, 99, 2**80)],
    (consts.HANDLE_CALL, (2, ((4, ("x", 1, 2)), (1, ()), (1, ())))),  # an object of theirs
    (consts.HANDLE_CALLATTR, (1, ("{}", "format", (), ()))),  # a value
    (consts.HANDLE_CALLATTR, (2, ((1, "{}"), (1, "format"), (2, (OBJECT,)), (1, ())))),
    (consts.HANDLE_CALL, (2, ())),
    (consts.HANDLE_CALL, (3, OBJECT)),
    (consts.HANDLE_INSPECT, (2, ((4, ("x", 1, 2)),))),
    (consts.HANDLE_PING, (2, (OBJECT,))),
]  # fmt: skip
MALFORMED = [
    None,
    5,
    (),
    (7,),
    (7, 5),
    (7, (2, OBJECT, 3)),
    ("7", (1, ())),
    (7, (1, "x")),
    ((7,), (1, ())),
    (1.0, (1, ())),
]


def test_requests_that_are_served():
    for request in GOOD:
        assert exposed.check(request) == request


def test_requests_that_are_not():
    for request in REFUSED:
        with pytest.raises(exposed.RefusedError):
            exposed.check(request)
    for request in MALFORMED:
        with pytest.raises(BrineError):
            exposed.check(request)


class Poser(netref.BaseNetref):
    """A netref whose class says that it is a text, and which does what a text does."""

    __slots__ = ()
    __class__ = str

    def __init__(self):
        pass

    def __del__(self):
        pass

    def __radd__(self, other):
        return "__globals__"

    def startswith(self, start):
        return False


def test_an_object_of_theirs_does_not_pass_for_a_text_or_a_number():
    poser = Poser()
    assert isinstance(poser, str)
    assert "exposed_" + poser == "__globals__"  # as it once got at a function's globals
    for handler, args in [
        (consts.HANDLE_GETATTR, (callback, poser)),
        (consts.HANDLE_CALLATTR, (callback, poser, (), ())),
        (consts.HANDLE_CALLATTR, (callback, "x", poser, ())),
        (consts.HANDLE_CALL, (callback, poser, ())),
        (consts.HANDLE_CALL, (callback, (), poser)),
        (consts.HANDLE_CMP, (callback, 1, poser)),
        (consts.HANDLE_BUFFITER, (callback, poser)),
        (consts.HANDLE_DEL, (callback, poser)),
        (consts.HANDLE_BUFFITER, (callback, True)),
    ]:
        with pytest.raises(exposed.RefusedError):
            exposed.check_arguments(handler, args)
    exposed.check_arguments(consts.HANDLE_CMP, (callback, poser, "__eq__"))


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.binary(max_size=10), st.floats()),
    lambda inner: st.one_of(st.lists(inner, max_size=4).map(tuple), st.frozensets(inner, max_size=3)),
    max_leaves=15,
)


@given(st.one_of(VALUES, st.tuples(st.integers(0, 25), st.tuples(st.integers(0, 5), VALUES))))
def test_whatever_is_asked_is_served_refused_or_no_request(request):
    try:
        assert exposed.check(request) == request
    except (exposed.RefusedError, BrineError):
        pass


def test_a_class_shows_what_it_defines():
    assert exposed.names(Path)  # of a class with a long line of ancestors
    assert "mro" not in exposed.names(Path)
