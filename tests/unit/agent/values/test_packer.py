"""Plain values and containers: they come out as they were, shared and nested as they were; the rest is named."""

import enum
import io
import sys
import threading
from collections import Counter, OrderedDict, defaultdict
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent.values import pack, packer, unpack
from tests.unit.agent.values.copies import copied, same

DEEP = 10_000  # far beyond what Python's recursion, or C's on the stack of a thread, would reach

ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**5000), 2**5000), st.floats(), st.complex_numbers(),
    st.text(), st.text(st.characters(categories=["Cs"]), max_size=3), st.binary(), st.just("!"), st.just("\0"),
    st.builds(range, st.integers(), st.integers(), st.integers(1, 2**70)), st.just(...), st.just(NotImplemented),
)  # fmt: skip
KEYS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3)),
    max_leaves=5,
)
DATA = st.recursive(
    st.one_of(ATOMS, st.binary().map(bytearray), st.builds(slice, ATOMS, ATOMS, ATOMS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple), st.dictionaries(KEYS, inner, max_size=4),
        st.sets(KEYS, max_size=4), st.frozensets(KEYS, max_size=4), st.dictionaries(st.text(), inner, max_size=4),
    ),
    max_leaves=20,
)  # fmt: skip


@given(DATA)
def test_plain_data_comes_out_as_it_was(value):
    assert same(copied(value), value)


@given(st.one_of(st.lists(st.floats()), st.lists(st.integers()), st.lists(st.text()), st.lists(st.booleans())))
@pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
def test_many_items_of_one_type(kind, items):
    """They are packed together, unless one of them doesn't allow it."""
    value = kind(items * packer.MIN_RUN_ITEMS)
    assert same(copied(value), value)


def test_long_texts_and_numbers():
    long = "ä\ud800" * packer.MAX_PLAIN_CHARS
    for value in (long, [long], [1, long], {"a": long}, {long: 1}, [10**6000] * 300, {"a": -(10**6000)}, {long, 1.5}):
        assert same(copied(value), value)


def test_what_occurs_twice_is_one_object_again():
    inner, pair, data = [1], (1, [2]), bytearray(b"x")
    found = copied([inner, inner, {"a": inner, "b": pair}, pair, data, (data, inner)])
    assert found[0] is found[1] is found[2]["a"] is found[5][1]
    assert found[2]["b"] is found[3]
    assert found[4] is found[5][0]
    assert found[0] == [1]


def test_what_contains_itself():
    loop = [1]
    loop.append({"again": loop, "pair": (loop, {2: loop})})
    found = copied(loop)
    assert found[1]["again"] is found[1]["pair"][0] is found[1]["pair"][1][2] is found
    table = {}
    table["own"] = table
    found = copied(table)
    assert found["own"] is found


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: (x,), lambda x: {"a": x}, lambda x: {1: x}])
def test_data_as_deep_as_you_like(wrap):
    """Without recursion, so on a small stack too; and it is a different depth by one that is found."""
    deep = ()
    for _ in range(DEEP):
        deep = wrap(deep)
    found = []
    threading.stack_size(256 << 10)
    try:
        thread = threading.Thread(target=lambda: found.append(copied(deep)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(0)
    (inner,), levels = found, 0
    while inner:
        inner = next(iter(inner.values())) if type(inner) is dict else inner[0]
        levels += 1
    assert levels == DEEP


def test_large_memory_is_not_copied():
    large, array = bytes(10**6), bytearray(10**6)
    packed = pack([large, memoryview(array)[:5000]], "it")
    assert [each.nbytes for each in packed.buffers] == [10**6, 5000]
    assert packed.buffers[0].obj is large
    assert packed.buffers[1].obj is array
    assert packed.nbytes == len(packed.text) + 10**6 + 5000
    assert packed.copied()[1:] == (large, bytes(5000))


def test_a_bytearray_may_grow_while_its_copy_is_sent():
    data = bytearray(10**4)
    packed = pack(data, "it")
    data.append(1)
    assert unpack(packed.text, packed.buffers) == bytearray(10**4)


class Point(NamedTuple):
    x: int
    y: int


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


class Loud(dict):
    def __iter__(self):
        raise AssertionError("no code of the user's runs")

    items = keys = values = __len__ = __iter__


def test_what_derives_from_built_in_types_is_copied_as_these():
    assert same(copied(Point(1, 2)), (1, 2))
    assert same(copied(Colour.RED), 1)
    assert same(copied(Text("x")), "x")
    assert same(copied([type("F", (float,), {})(0.5)]), [0.5])
    assert same(copied(type("I", (int,), {})(10**2000)), 10**2000)
    assert same(copied(OrderedDict(a=1)), {"a": 1})
    assert same(copied(defaultdict(list, {3: [1]})), {3: [1]})
    assert same(copied(Counter("aa")), {"a": 2})
    assert same(copied({Text("a"): 1}), {"a": 1})
    assert same(copied(memoryview(b"abcd")[::2]), b"ac")
    assert same(copied(Loud(a=1)), {"a": 1})


class Guarded(list):
    def _rpyc_getattr(self, name):
        raise AttributeError(name)


class Unreadable(str):
    __slots__ = ()

    def __repr__(self):
        raise ValueError


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (object(), "it is of the type object, of which no copy can be sent"),
        ([1, {"a": object()}], "it[1]['a'] is of the type object"),
        ({"k": (1, len)}, "it['k'][1] is of the type builtin_function_or_method"),
        ({(1, object()): 2}, "a key of it[1] is of the type"),
        ({1, 2, print}, "it["),
        ({1: sys}, "it[1] is of the type module"),
        ([[], threading.Lock()], "it[1] is of the type _thread.lock"),
        ({"f": io.TextIOWrapper(io.BytesIO())}, "it['f'] is of the type _io.TextIOWrapper"),
        ([iter([])], "it[0] is of the type list_iterator"),
        ([int], "it[0] is of the type type"),
        (Guarded(), "it is of the type test_packer.Guarded, which allows no copies"),
        ({Unreadable("x"): {1: print}}, "it[…][1] is of the type"),
    ],
    ids=range(12),
)
def test_what_cannot_be_copied_is_named(value, named):
    with pytest.raises(TypeError) as info:
        pack(value, "it")
    assert str(info.value).replace(__name__, "test_packer").startswith(named)


def test_the_name_of_what_lies_deep_is_short():
    deep = [print]
    for _ in range(DEEP):
        deep = [deep]
    with pytest.raises(TypeError) as info:
        pack(deep, "it")
    assert str(info.value).startswith("it[0][0][0]")
    assert len(str(info.value)) < 400
