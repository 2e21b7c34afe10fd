"""Copies of plain data: what the agent's packer writes comes out as it was, and whatever else comes is refused."""

import enum
import json
import math
import time
import tracemalloc
from collections import Counter, OrderedDict, defaultdict
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpyc_kernel.agent.worker import plain_data
from rpyc_kernel.errors import ProtocolError
from rpyc_kernel.live import values

PRIME = 2**61 - 1  # numbers that differ by it have one hash


def copied(value):
    return values.unpack(plain_data.pack(value, "it"), "host:1")


def same(one, two):
    """Whether they are equal to the last bit and of the very same types."""
    if type(one) is not type(two):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict):
        return same(list(one), list(two)) and same(list(one.values()), list(two.values()))
    if isinstance(one, (set, frozenset)):
        return len(one) == len(two) and all(any(same(each, other) for other in two) for each in one)
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(two)) or (one == two and math.copysign(1, one) == math.copysign(1, two))
    if isinstance(one, complex):
        return same([one.real, one.imag], [two.real, two.imag])
    return one == two


ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**5000), 2**5000), st.floats(), st.complex_numbers(),
    st.text(), st.text(st.characters(categories=["Cs"]), max_size=1), st.binary(), st.just("!"), st.just("!x"),
    st.builds(range, st.integers(), st.integers(), st.integers(1, 2**70)),
)  # fmt: skip
KEYS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3)),
    max_leaves=5,
)
DATA = st.recursive(
    st.one_of(ATOMS, st.binary().map(bytearray)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple), st.dictionaries(KEYS, inner, max_size=4),
        st.sets(KEYS, max_size=4), st.frozensets(KEYS, max_size=4),
    ),
    max_leaves=20,
)  # fmt: skip


@given(DATA)
def test_plain_data_comes_out_as_it_was(value):
    assert same(copied(value), value)


DTYPES = ["?", "b1", "i1", "u1", "<i2", ">i2", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", ">f8", "<c8", "<c16", "S3",
    "<U2", ">U2", "<M8[ns]", "<M8[25s]", "<m8[D]", "<m8"]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3,), (2, 3), (2, 0, 3), (0, 0), (1,) * 30])
def test_arrays_of_all_kinds_and_shapes(dtype, shape):
    count = math.prod(shape)
    if np.dtype(dtype).kind in "SU":
        array = np.array(["ä é"[i % 3] if dtype[-2] == "U" else "abc"[: i % 4] for i in range(count)], dtype)
    else:
        array = np.arange(count).astype("i8").astype(dtype)
    array = array.reshape(shape)
    for given_array in (array, np.asfortranarray(array), array[..., ::-1] if shape else array):
        found = copied(given_array)
        assert type(found) is np.ndarray
        assert (found.dtype, found.shape) == (given_array.dtype, given_array.shape)
        assert (found == given_array).all()
        assert found.flags.writeable
    if count:
        scalar = array.reshape(-1)[-1]
        if isinstance(scalar, (str, bytes)):
            return
        assert type(copied(scalar)) is type(scalar)
        assert copied(scalar).dtype == scalar.dtype
        assert copied([scalar])[0] == scalar


def test_the_numbers_of_numpy_are_not_those_of_python():
    for value in (np.float64(0.1), np.bool_(True), np.int64(3), np.complex128(1j), np.float32(1)):
        assert type(copied(value)) is type(value)
    assert same(copied({"a": [np.float64(1.5)]}), {"a": [np.float64(1.5)]})


class Point(NamedTuple):
    x: int
    y: int


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


def test_what_derives_from_plain_types_is_copied_as_these():
    assert same(copied(Point(1, 2)), (1, 2))
    assert same(copied(Colour.RED), 1)
    assert same(copied(Text("x")), "x")
    assert same(copied([type("F", (float,), {})(0.5)]), [0.5])
    assert same(copied(OrderedDict(a=1)), {"a": 1})
    assert same(copied(defaultdict(list, {3: [1]})), {3: [1]})
    assert same(copied(Counter("aa")), {"a": 2})
    assert same(copied({Text("a"): 1}), {"a": 1})
    assert same(copied(memoryview(b"abc")), b"abc")
    assert same(copied(np.str_("x\0")), "x\0")  # an array of texts would lose its end
    assert same(copied(np.bytes_(b"x\0")), b"x\0")
    assert type(copied(np.rec.array([[1]]).view(np.recarray).astype("i4"))) is np.ndarray


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (object(), "it is of the type object"),
        ([1, {"a": object()}], "it[1]['a'] is of the type object"),
        ({"k": (1, len)}, "it['k'][1] is of the type"),
        ({(1, object()): 2}, "a key of it[1] is of the type"),
        ({1, 2, print}, "it["),
        (np.array([None]), "it is an array of object"),
        ([np.zeros(2, "f8,i4")], "it[0] is an array of"),
        (np.zeros(1, np.longdouble), "it is an array of"),
    ],
    ids=range(8),
)
def test_what_is_no_plain_data_is_named(value, named):
    with pytest.raises(TypeError) as info:
        plain_data.pack(value, "it")
    assert str(info.value).startswith(named)


def test_cycles_and_depth_are_refused_with_a_sentence():
    loop = [1]
    loop.append({"again": loop})
    with pytest.raises(TypeError, match="contains itself"):
        plain_data.pack(loop, "it")
    deep = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(TypeError, match="levels deep"):
        plain_data.pack(deep, "it")
    twice = [1]
    assert copied([twice, twice]) == [[1], [1]]  # no cycle


# --- what a machine sends that means harm -------------------------------------------------------------------------


def unpack(node, *buffers):
    text = node if isinstance(node, bytes) else json.dumps(node).encode()
    return values.unpack((text, *buffers), "host:1")


@contextmanager
def bounded(seconds, memory):
    tracemalloc.start()
    start = time.monotonic()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < memory
        assert time.monotonic() - start < seconds
    finally:
        tracemalloc.stop()


def array(dtype="<f8", shape=(1,), at=1):
    return {"!": "array", "at": at, "dtype": dtype, "shape": list(shape)}


@pytest.mark.parametrize(
    "packed",
    [None, (), [b"1"], b"1", ("1",), (b"1", "x"), (b"1", 2), (b"",), (b"{",), (b"\xff",), (b"[" * 100_000,),
     (b'{"a":' * 100_000,), (b"1" * 100_000,), (b"-" * 10,), (b'"\\ud8',), (b"nul",)],
    ids=lambda packed: str(packed)[:20],
)  # fmt: skip
def test_what_is_not_packed(packed):
    with pytest.raises(ProtocolError):
        values.unpack(packed, "host:1")


@pytest.mark.parametrize(
    "node",
    [
        {"!": "unknown"}, {"!": "unknown", "of": []}, {"!": 3}, {"!": ["a"], "of": []}, {"!": {"a": 1}}, {"!": "tuple"},
        {"!": "tuple", "of": "ab"}, {"!": "set", "of": [[1]]}, {"!": "set", "of": 5}, {"!": "dict", "of": [[1]]},
        {"!": "dict", "of": [1]}, {"!": "dict", "of": [[[1], 2]]}, {"!": "dict", "of": {"a": 1}},
        {"!": "complex", "of": [1]}, {"!": "complex", "of": [10**400, 1]}, {"!": "range", "of": [1, 2, 0]},
        {"!": "range", "of": [1, 2]}, {"!": "range", "of": [[1], 2, 3]}, {"!": "int", "of": "zz"},
        {"!": "int", "of": 5}, {"!": "int"}, {"!": "bytes"}, {"!": "bytes", "at": 0}, {"!": "bytes", "at": -1},
        {"!": "bytes", "at": 3},
        {"!": "bytes", "at": True}, {"!": "bytes", "at": 1.0}, {"!": "bytes", "at": 10**30}, {"!": "bytes", "at": "1"},
        array("O"), array("|O8"), array("V8"), array("<f8,(1000000,)f8"), array("f8,i4"), array("(1000000000,)f8"),
        array("object"), array("<U999999999"), array("<f99"), array(["a", "b"]), array(None), array({"names": ["a"]}),
        array("<M8[nonsense]"), array("<f8\n"), array("S0"), array(shape=[2]), array(shape=[-1]), array(shape=[2**70]),
        array(shape=[1.0]), array(shape=[True]), array(shape=[1] * 65), array(shape=[0, 2**62, 2**62]), array(at=2),
        {"!": "array", "at": 1, "dtype": "<f8"}, {"!": "array", "at": 1, "dtype": "<f8", "shape": 1},
        {"!": "scalar", "at": 1, "dtype": "O"}, {"!": "scalar", "at": 1, "dtype": "<U5"}, {"!": "scalar", "at": 1},
    ],
    ids=lambda node: json.dumps(node)[:40],
)  # fmt: skip
def test_what_stands_for_nothing(node):
    with pytest.raises(ProtocolError), bounded(10, 2**20):
        unpack(node, b"8 bytes.")


def test_bytes_are_taken_once():
    """Or a few bytes would be as many copies of a large buffer."""
    for kind in ("bytes", "bytearray"):
        with pytest.raises(ProtocolError), bounded(10, 100 << 20):
            unpack([{"!": kind, "at": 1}] * 1000, bytes(10 << 20))
    with pytest.raises(ProtocolError), bounded(10, 100 << 20):
        unpack([array("|u1", [10 << 20])] * 1000, bytes(10 << 20))


@pytest.mark.parametrize("kind", ["set", "frozenset", "dict"])
@pytest.mark.parametrize("share", [1, 2, 10])
def test_members_that_were_chosen_to_collide(kind, share):
    """Also where most of them are not: half of a million is enough for hours."""
    members = [number * PRIME if number % share == 0 else number for number in range(100_000)]
    of = [[member, None] for member in members] if kind == "dict" else members
    with pytest.raises(ProtocolError, match="collide"), bounded(30, 200 << 20):
        unpack({"!": kind, "of": of})


def test_many_small_sets_of_such_members():
    one = {"!": "set", "of": [number * PRIME for number in range(500)]}
    with pytest.raises(ProtocolError, match="collide"), bounded(30, 100 << 20):
        unpack([one] * 200)


def test_honest_members_do_not_collide():
    assert len(copied({2**power for power in range(1000)})) == 1000
    assert len(copied(set(range(-100_000, 100_000)))) == 200_000
    assert len(copied({number / 7: None for number in range(100_000)})) == 100_000
    assert len(copied({(x, y) for x in range(-200, 200) for y in range(-200, 200)})) == 160_000


def test_the_memory_that_lists_of_nothing_take_is_bounded(monkeypatch):
    monkeypatch.setattr(values, "MAX_CONTAINERS", 100_000)
    for node in (b"[],", b"{},", b'{"!":"tuple","of":[]},'):
        with pytest.raises(ProtocolError, match="ask for parts"), bounded(30, 10 << 20):
            unpack(b"[" + node * (values.MAX_CONTAINERS // values._containers(node) + 1) + b"1]")
    text = "[" * (values.MAX_CONTAINERS + 1) + '\\"{'  # in a text they cost nothing
    assert copied(text) == text


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.just("<f8"), st.just(1)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
        st.fixed_dictionaries(
            {
                "!": st.sampled_from(
                    ["tuple", "set", "dict", "bytes", "array", "scalar", "int", "complex", "range", "x"]
                )
            },
            optional={"of": inner, "at": inner, "dtype": inner, "shape": inner},
        ),
    ),
    max_leaves=12,
)


@given(JSON, st.lists(st.binary(max_size=20), max_size=3))
def test_whatever_comes_is_data_or_refused(node, buffers):
    try:
        unpack(node, *buffers)
    except ProtocolError:
        pass


@given(st.binary(max_size=50))
def test_bytes_of_any_kind(data):
    try:
        values.unpack((data,), "host:1")
    except ProtocolError:
        pass
